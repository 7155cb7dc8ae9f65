"""How fast recordings are replayed: times real time, and the cost of an observation.

`n129` is the traffic of `easy`: 125 to 129 vehicles at a time, half of which report, before eight radars.
`n1000` is a road of twice the length and two RSUs with 1 000 vehicles at a time, before eight radars at 20
Hz; each RSU has a process.
"""

import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.harness import Line
from petroroad.replay.run import replay_file
from tests.support.foreign.generate import generate
from tests.support.foreign.scenario import SCENARIOS, RadarPlan, RoadPlan, Scenario, TrafficPlan
from tests.support.foreign.tape import record

SEED = 31
CORES = 2
CROWD = Scenario(
    name="n1000",
    road=RoadPlan(length_m=3200.0, n_rsus=2, ramp=False, overpass=False),
    radar=RadarPlan(pole_m=800.0),
    traffic=TrafficPlan(
        truck_gap_m=9.0, other_gap_m=7.5, truck_mps=13.0, other_mps=14.5, reporting_others_share=0.1
    ),
)
PLANS = {"n129": SCENARIOS["easy"], "n1000": CROWD}
WHOLE_S = {"n129": 60.0, "n1000": 20.0}
QUICK_S = {"n129": 6.0, "n1000": 2.0}


def written(name: str, folder: str, quick: bool) -> None:
    """Write the recording that `timed` replays."""
    duration_s = (QUICK_S if quick else WHOLE_S)[name]
    record(generate(replace(PLANS[name], duration_s=duration_s), SEED), Path(folder) / f"{name}.mcap")


def timed(name: str, folder: str, quick: bool) -> Iterator[Line]:
    """Yield the speed of a replay of the recording from its first message on; all kernels are loaded.

    The time until then, of which site and map take most, does not grow with the recording: it is a line of
    its own.
    """
    duration_s = (QUICK_S if quick else WHOLE_S)[name]
    steps_s = list[float]()

    def pace(_: int) -> None:
        if not steps_s:
            steps_s.append(time.perf_counter())

    begun_s, cpu_s = time.perf_counter(), _cpu_s()
    run = replay_file(Path(folder) / f"{name}.mcap", None, pace, None, jobs=CORES)
    taken_s = time.perf_counter() - steps_s[0]
    yield Line(f"replay.{name}", duration_s / taken_s, "x real time")
    if name == "n129":
        n = run.replayed.observations  # the first is time on the wall, with CORES processes at work
        yield Line("replay.us_per_observation", 1e6 * taken_s / n, "us")
        yield Line("replay.cpu_us_per_observation", 1e6 * (_cpu_s() - cpu_s) / n, "us of CPU, set-up too")
        yield Line("replay.set_up_s", steps_s[0] - begun_s, "s")


def _cpu_s() -> float:
    """Return the CPU time of this process and of those that it has waited for."""
    return sum(
        spent.ru_utime + spent.ru_stime
        for spent in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
