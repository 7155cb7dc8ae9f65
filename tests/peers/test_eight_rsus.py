"""Eight RSUs whose radars overlap and stamp on one grid of 100 ms: every frame counts, one track per truck.

A gate that takes one frame per stamp kept an eighth of them.
"""

from collections import defaultdict
from dataclasses import replace

import pytest

from edge.wire import FLAG_OWNED, decode_snapshot, records_of
from petroroad.replay.run import pace_of, replay_file
from roadside.outputs import Snapshot
from tests.support.foreign import generate as made
from tests.support.foreign.radars import Radar
from tests.support.foreign.scenario import SCENARIOS, RadarPlan, RoadPlan, TrafficPlan
from tests.support.foreign.tape import record

N_RSUS, GRID_S = 8, 0.1
SETTLED_NS = 5 * 10**9  # a terminal is bound within five reports
PLAN = replace(
    SCENARIOS["easy"],
    name="grid",
    duration_s=24.0,
    road=RoadPlan(length_m=2_400.0, n_rsus=N_RSUS, ramp=False, overpass=False),
    radar=RadarPlan(pole_m=300.0, range_m=200.0, rate_hz=1.0 / GRID_S),
    traffic=TrafficPlan(truck_gap_m=150.0, other_gap_m=500.0, n_departures=0, exits_share=0.0),
)


class OnGrid(Radar):
    """A radar that measures at whole tenths of seconds, as all others do."""

    def scans(self):
        for number in range(round(PLAN.duration_s / GRID_S)):
            t_s = number * GRID_S
            yield self._scan(number, t_s, self._near(int(t_s)), GRID_S)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """The run, the number of its scans, {terminal: {track: stamps}}, {(stamp, track): owners}."""
    run = made.generate(PLAN, 1)
    messages = [message for message in run.messages if not message.topic.startswith("/radar/")]
    n_others = len(messages)
    for pole in run.motion.road.poles:
        messages += [made._scan(scan) for scan in OnGrid(run.motion, pole, 1).scans()]
    messages.sort(key=lambda message: (message.arrival_ns, message.topic, message.stamp_ns))
    path = tmp_path_factory.mktemp("grid") / "inputs.mcap"
    record(replace(run, messages=messages), path)
    names, named, owners = defaultdict(dict), defaultdict(lambda: defaultdict(list)), defaultdict(list)

    def watch(esn, _now_ns, output):
        if not isinstance(output, Snapshot):
            return
        snapshot = decode_snapshot(output.body)
        if snapshot.names is not None:
            names[esn] = dict(zip(snapshot.names.track, snapshot.names.terminal, strict=True))
        records = records_of(snapshot)
        for key in records["track"][(records["flags"] & FLAG_OWNED) != 0].tolist():
            owners[snapshot.stamp_ns, key].append(esn)
            if key in names[esn]:
                named[names[esn][key]][key].append(snapshot.stamp_ns)

    done = replay_file(path, None, pace_of("max"), None, watch)
    return done, len(messages) - n_others, named, owners


def test_every_frame_of_every_radar_is_used(replayed):
    done, n_scans, _, _ = replayed
    assert n_scans == 2 * N_RSUS * round(PLAN.duration_s / GRID_S)
    assert {reason: n for reason, n in done.replayed.rejected.items() if reason.startswith("radar")} == {}
    assert done.skipped.total() == 0


def test_each_truck_has_one_track_across_the_hand_overs(replayed):
    _, _, named, owners = replayed
    stamps = sorted({stamp_ns for stamp_ns, _ in owners})
    handed_over = 0
    for terminal, tracks in named.items():
        first_ns = min(of[0] for of in tracks.values()) + SETTLED_NS
        ids = [key for key, of in tracks.items() if of[-1] >= first_ns]
        assert len(ids) <= 1, terminal  # it left within the first seconds, or has one identity to the end
        for key in ids:
            settled = [stamp_ns for stamp_ns in stamps if first_ns <= stamp_ns <= tracks[key][-1]]
            owned_by = [owners[stamp_ns, key] for stamp_ns in settled]
            assert [len(of) for of in owned_by] == [1] * len(settled), terminal
            handed_over += len({esn for of in owned_by for esn in of}) > 1
    assert handed_over >= 10
