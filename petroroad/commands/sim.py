"""`petroroad sim run`: traffic, sensors and the 5G link, into a recording or into real device ports."""

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import uvloop
from cyclopts import App, Parameter, validators

from core.errors import CommandError, UsageError
from core.times import NS
from edge.clock import Clock
from edge.config import Site, is_address, load_site
from petroroad.commands.running import check_output, ended_whole, until_signal
from petroroad.demo.displaced import site_for
from petroroad.demo.site import SHIPPED
from sim.drive import Drive
from sim.record import T0_NS, Tape, record
from sim.scenario import load_scenario
from sim.settings import VEHICLES_MAX
from sim.traffic import SIM_TICK_NS
from sim.world import Setting, World

SECONDS = 60.0  # of a run that only records
app = App(name="sim", help="Simulate traffic, sensors and the 5G link.", result_action="return_value")
Positive = Annotated[float, Parameter(validator=validators.Number(gt=0.0, lt=math.inf))]
Count = Annotated[int, Parameter(validator=validators.Number(gte=2, lte=VEHICLES_MAX))]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimPlan:
    """One run; `rate` None: as fast as possible."""

    site: Site
    setting: Setting
    seconds: float | None
    rate: float | None
    record: Path | None
    truth: Path | None
    health: str | None


@app.command
def run(
    scenario: str = "panjin",
    /,
    *,
    seed: int = 1,
    duration: Positive | None = None,
    record: Path | None = None,
    rate: str | None = None,
    noise: Positive = 1.0,
    vehicles: Count | None = None,
    site: Path = SHIPPED,
    drive: Path | None = None,
    rsus: str | None = None,
    truth: Path | None = None,
    health: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Simulate; record the sensors' messages, or send them to RSUs and gateway through their device ports.

    Parameters
    ----------
    scenario
        The name of a shipped scenario, or a TOML file.
    seed
        Seed of all chance; equal seeds give equal bytes.
    duration
        Seconds of the run; without it 60, or until Ctrl-C where ports are driven.
    record
        Where to write all sensors' inputs and the truth.
    rate
        Simulated seconds per real one, or max (the default unless ports are driven).
    noise
        Factor on the sensors' errors.
    vehicles
        How many are on the road at a time.
    site
        The site that is simulated.
    drive
        The site whose device ports are driven.
    rsus
        RSUs with simulated sensors, separated by commas.
    truth
        Where to write the truth alone.
    health
        HOST:PORT that answers /readyz.
    as_json
        One JSON object on stdout.
    """
    setting = Setting(
        scenario=load_scenario(scenario),
        seed=seed,
        noise=noise,
        vehicles=vehicles,
        esns=tuple(rsus.split(",")) if rsus else (),
    )
    plan = SimPlan(
        site=load_site(drive) if drive else site_for(load_site(site), setting.scenario.radar),
        setting=setting,
        seconds=duration if duration is not None or drive else SECONDS,
        rate=_rate_of(rate, live=drive is not None),
        record=record,
        truth=truth,
        health=health,
    )
    _check_wishes(plan)
    world, counts = _live(plan) if drive else _in_process(plan)
    result = summary(plan, world, counts)
    sys.stdout.write((json.dumps(result) if as_json else _text(result)) + "\n")
    return 0


def _rate_of(text: str | None, *, live: bool) -> float | None:
    if text is None:
        return 1.0 if live else None
    if text == "max":
        if live:
            raise UsageError("--rate max has no place where device ports are driven; give a factor")
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < 1e4:
        raise UsageError(f"--rate {text}: must be max or a factor above 0")
    return rate


def _check_wishes(plan: SimPlan) -> None:
    paths = [path for path in (plan.record, plan.truth) if path is not None]
    for path in paths:
        check_output(path)
    if len(paths) == 2 and paths[0].resolve() == paths[1].resolve():
        raise UsageError(f"--record and --truth name the same file: {paths[0]}")
    if len(set(plan.setting.esns)) < len(plan.setting.esns):
        raise UsageError(f"--rsus {','.join(plan.setting.esns)}: one is named twice")
    if plan.health is not None and not is_address(plan.health):
        raise UsageError(f"--health {plan.health}: must be HOST:PORT")


def _check_whole(tapes: Sequence[Tape]) -> None:
    for tape in tapes:
        if tape.refused is not None:
            raise CommandError(f"the recording is not whole: {tape.refused}")


def _in_process(plan: SimPlan) -> tuple[World, Counter[str]]:
    """Run without sockets, as fast as asked."""
    world = World(plan.site, plan.setting, T0_NS)
    assert plan.seconds is not None, "a run that only records has an end"
    ticks = round(plan.seconds * NS) // SIM_TICK_NS
    tapes = [Tape(path) if path is plan.record else Tape(path, truth_only=True)
             for path in (plan.record, plan.truth) if path is not None]  # fmt: skip
    counts: Counter[str] = Counter()
    with ended_whole():
        _record(plan, record(world, tapes, ticks, counts))
    _check_whole(tapes)
    return world, counts


def _record(plan: SimPlan, moments: Iterator[int]) -> None:
    assert plan.seconds is not None, "a run that only records has an end"
    begun_s = time.monotonic()
    for now_ns in moments:
        done_s = (now_ns - T0_NS) / NS
        if plan.rate is not None:
            time.sleep(max(0.0, done_s / plan.rate - (time.monotonic() - begun_s)))
        if done_s == int(done_s):
            _progress(int(done_s), plan.seconds)


def _live(plan: SimPlan) -> tuple[World, Counter[str]]:
    """Run against real ports until the end or a signal."""
    clock = Clock.from_env()
    if plan.rate not in (None, 1.0, clock.rate):
        assert plan.rate is not None, "not None here"
        clock = Clock.paced(clock.now_ns(), plan.rate)
    world = World(plan.site, plan.setting, clock.now_ns() // NS * NS)
    tapes = tuple(
        Tape(path, truth_only=path is plan.truth, live=True)
        for path in (plan.record, plan.truth)
        if path is not None
    )
    run = Drive(world, clock, plan.seconds, tapes, plan.health, lambda s: _progress(s, plan.seconds))
    uvloop.run(until_signal(run.run()))
    _check_whole(tapes)
    return world, run.counts


def summary(plan: SimPlan, world: World, counts: Counter[str]) -> dict[str, Any]:
    """Return the settings and figures of the run."""
    return {
        "scenario": plan.setting.scenario.name,
        "seed": plan.setting.seed,
        "duration_s": world.traffic.t_s,
        "rsus": list(world.esns),
        "vehicles": len(world.traffic.active_rows()),
        "violations_true": world.n_violations,
        "record": None if plan.record is None else str(plan.record),
        "counts": dict(sorted(counts.items())),
    }


def _progress(second: int, seconds: float | None) -> None:
    if sys.stderr.isatty():
        end = "" if seconds is None else f" of {seconds:.0f}"
        sys.stderr.write(f"\rsimulated {second}{end} s ")
        sys.stderr.flush()


def _text(result: dict[str, Any]) -> str:
    return "\n".join(f"{key:16} {value}" for key, value in result.items())
