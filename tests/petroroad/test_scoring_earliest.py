"""When the truth itself met a rule: against the foreign generator's exact geometry, which shares no code."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from edge.config import parse_site
from edge.recording.recorder import Recorder
from geofence.grading import Hold
from petroroad.scoring.earliest import held_ns, with_due
from petroroad.scoring.violations import TrueEvent
from tests.support.foreign.generate import T0_NS, truth_frame
from tests.support.foreign.motion import motion_of, over_line_m
from tests.support.foreign.road import Road
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.site import config_text, map_text, registry_text

S = 1_000_000_000
HOLD = Hold(over=0.3, for_s=0.5)


@pytest.mark.parametrize(
    ("depths", "want_s"),
    [
        ([0.0, 0.6, 0.6, 0.6, 0.6, 0.6], 0.6),  # over from 0.1 s on, half way to the second sample
        ([0.6, 0.6, 0.6, 0.6], 0.5),  # over from the first
        ([0.0, 0.6, 0.2, 0.6, 0.6, 0.6, 0.6], 0.95),  # what it was before the pause does not count
        ([0.0, 0.3, 0.3, 0.3, 0.3, 0.3], None),  # not over
        ([0.0, 0.6, 0.6], None),  # the truth ends before
    ],
)
def test_a_hold_is_met_between_samples(depths, want_s):
    stamps = T0_NS + np.arange(len(depths)) * (S // 5)
    found = held_ns(stamps, np.array(depths), (HOLD,))
    assert found == (None if want_s is None else pytest.approx(T0_NS + want_s * S, abs=S / 1_000))


def test_a_pause_of_the_truth_ends_what_is_held():
    stamps = T0_NS + np.array([0, S // 10, 2 * S, 2 * S + S // 5, 2 * S + S // 2])
    assert held_ns(stamps, np.full(5, 0.6), (HOLD,)) is None


def test_departures_are_due_when_the_true_outline_has_been_out_for_as_long_as_the_rule_asks(tmp_path):
    few = replace(SCENARIOS["departures"].traffic, truck_gap_m=80.0, other_gap_m=400.0, n_departures=8)
    scenario = replace(SCENARIOS["departures"], duration_s=36.0, traffic=few)
    motion = motion_of(Road(scenario), seed=4)
    path, encode = tmp_path / "truth.mcap", msgspec.msgpack.encode
    with Recorder(path) as recorder:
        for k in range(360):
            frame = truth_frame(motion, k, {})
            recorder.write(frame.topic, encode(frame.payload), frame.arrival_ns, frame.stamp_ns)
    site = parse_site(config_text(motion.road), map_text(motion.road), registry_text(motion), "here")
    events, want = [], {}
    for n, one in enumerate(motion.departures):
        t = np.arange(one.start_s - 1.0, one.end_s + 1.0, 0.005)
        over = over_line_m(motion, motion.at(np.full(len(t), one.row), t))
        held = np.convolve(over > HOLD.over, np.ones(101), "full")[: len(t)] > 100.5  # half a second on end
        stamps = [T0_NS + round(x * S) for x in (t[over > 0.0][[0, -1]]).tolist()]
        events.append(TrueEvent(id=f"d{n}", rule="lane_departure", vehicle=one.row + 1, terminal=None,
                                start_ns=stamps[0], end_ns=stamps[1]))  # fmt: skip
        want[f"d{n}"] = T0_NS + t[held][0] * S if held.any() else None
    assert sum(at is not None for at in want.values()) >= 5
    for event in with_due(path, site, events):
        assert event.due_ns == (
            None if want[event.id] is None else pytest.approx(want[event.id], abs=0.03 * S)
        )


def test_a_rule_that_counts_seconds_is_due_after_them_and_what_is_stated_counts(tmp_path):
    motion = motion_of(Road(replace(SCENARIOS["easy"], duration_s=2.0)), seed=4)
    site = parse_site(config_text(motion.road), map_text(motion.road), registry_text(motion), "here")
    dark = TrueEvent(id="a", rule="dark_vehicle", vehicle=1, terminal=None, start_ns=T0_NS, end_ns=T0_NS + S)
    events = [dark, replace(dark, id="b", due_ns=T0_NS + 7), replace(dark, id="c", rule="overspeed")]
    found = with_due(tmp_path / "none.mcap", site, events)
    assert [event.due_ns for event in found] == [T0_NS + 10 * S, T0_NS + 7, None]
