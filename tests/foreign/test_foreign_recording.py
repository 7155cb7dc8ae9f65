"""Foreign recordings: they are what the design says, and equal for equal seeds."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge.config import parse_site
from edge.recording.recorder import read_messages
from edge.site_map import road_of
from edge.wire import GnssDown
from petroroad.scoring.recorded_violations import TruthEventRow
from petroroad.scoring.true_frames import TrueColumns
from roadside.inputs import decode
from tests.support.foreign.generate import generate
from tests.support.foreign.motion import motion_of
from tests.support.foreign.road import Road
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.site import config_text, map_text, registry_text
from tests.support.foreign.tape import record


def _short(name):
    return replace(SCENARIOS[name], duration_s=4.0)


@pytest.mark.parametrize("name", [name for name in SCENARIOS if not name.endswith("-bodies")])
def test_each_site_loads(name):
    road = Road(_short(name))
    motion = motion_of(road, 1)
    site = parse_site(config_text(road), map_text(road), registry_text(motion), name)
    loaded = road_of(site)
    assert {lane.lane for lane in loaded.lanes} == {lane.name for lane in road.lanes}
    assert len(site.terminals()) == motion.fleet.reports.sum() + road.scenario.traffic.n_ghosts
    poses = [pose for rsu in site.config.rsu for pose in site.radar_poses(rsu.esn)]
    by_name = {pose.sensor: pose for pose in poses}
    for pole in road.poles:
        pose = by_name[pole.sensor]
        assert np.hypot(pose.east_m - pole.east_m, pose.north_m - pole.north_m) < 1e-3
        assert abs(np.sin(pose.boresight_rad - pole.boresight_rad)) < 1e-6
    s = np.linspace(1.0, road.plan.length_m - 1.0, 50)
    station, offset = loaded.axis.station_of(*road.axis.place(s, 6.0))
    np.testing.assert_allclose(station, s, atol=0.03)
    np.testing.assert_allclose(offset, 6.0, atol=0.01)


@pytest.mark.parametrize("name", ["dark", "doubt", "hard-bodies"])
def test_a_recording_is_read_by_replay_and_score(tmp_path, name):
    run = generate(_short(name), 1)
    path = tmp_path / "a.mcap"
    record(run, path)
    frame = parse_site(*run.site.values(), where=name).frame
    topics: dict[str, int] = {}
    last_ns = 0
    for message in read_messages(path):
        kind = message.topic.split("/")[1]
        topics[message.topic] = topics.get(message.topic, 0) + 1
        assert message.log_ns > last_ns
        last_ns = message.log_ns
        if message.topic == "/truth":
            msgspec.msgpack.decode(message.body, type=TrueColumns)
        elif message.topic == "/truth/violation":
            msgspec.msgpack.decode(message.body, type=TruthEventRow)
        elif kind in ("gnss", "radar"):
            assert decode(message.topic, message.body, message.log_ns, frame) is not None
    assert topics["/truth"] == 40
    assert topics["/input"] == 2
    assert len([topic for topic in topics if topic.startswith("/radar/")]) == len(run.motion.road.poles)


def test_a_gateway_brings_the_same_fixes(tmp_path):
    run = generate(_short("easy"), 1)
    path = tmp_path / "a.mcap"
    record(run, path, through_gateway=True)
    frame = parse_site(*run.site.values(), where="easy").frame
    bodies = [m for m in read_messages(path) if m.topic.startswith("/gateway/")]
    fixes = [msgspec.msgpack.decode(m.body, type=GnssDown).fixes for m in bodies]
    assert all(decode(m.topic, m.body, m.log_ns, frame) is not None for m in bodies)
    want = sorted((m.payload["terminal"], m.stamp_ns) for m in run.messages if m.topic == "/gnss")
    assert sorted((f.terminal[0], f.stamp_ns[0]) for f in fixes if f.terminal) == want
    assert sum(not f.terminal for f in fixes) >= 4
    seqs = [msgspec.msgpack.decode(m.body, type=GnssDown).seq for m in bodies]
    assert seqs == list(range(1, len(seqs) + 1))


def test_equal_seeds_give_equal_runs_and_others_do_not():
    first, second, other = (generate(_short("hard"), seed) for seed in (1, 1, 2))
    assert first.messages == second.messages
    assert first.site == second.site
    assert first.messages != other.messages


def test_another_radar_leaves_the_reports_as_they_are():
    plan = _short("easy")
    changed = replace(plan, radar=replace(plan.radar, detection_p=0.5, clutter_per_m2=1e-4))
    reports = [
        [m for m in generate(p, 1).messages if m.topic in ("/gnss", "/truth")] for p in (plan, changed)
    ]
    assert reports[0] == reports[1]


def test_a_vehicle_that_vanishes_ends_in_all_inputs():
    run = generate(replace(SCENARIOS["vanish"], duration_s=20.0), 1)
    fleet, until_s = run.motion.fleet, run.motion.until_s
    gone = np.flatnonzero(fleet.reports & (fleet.vanish_s < 18.0) & (run.motion.from_s < fleet.vanish_s))
    assert len(gone)
    t0_ns = run.messages[0].stamp_ns
    for row in gone.tolist():
        name = fleet.terminal(row)
        last_ns = max(m.stamp_ns for m in run.messages if m.payload.get("terminal") == name)
        assert (last_ns - t0_ns) / 1e9 < until_s[row]
