"""The foreign generator's faulty terminals and jams: they do what the truth says, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from tests.support.foreign.events import events_of
from tests.support.foreign.faults import DRIFT_PPM, NOISE, STATED_SHARE
from tests.support.foreign.generate import T0_NS, truth_frame, wrong_clocks
from tests.support.foreign.motion import motion_of
from tests.support.foreign.receivers import all_reports
from tests.support.foreign.road import Road
from tests.support.foreign.scenario import SCENARIOS

SEED = 5


@pytest.fixture(scope="module")
def doubt():
    motion = motion_of(Road(SCENARIOS["doubt"]), SEED)
    sound = motion_of(Road(replace(SCENARIOS["doubt"], faults=())), SEED)
    return motion, list(all_reports(motion, SEED)), {r.row: r for r in all_reports(sound, SEED)}


def of_kind(reports, kind):
    found = [made for made in reports if made.fault is not None and made.fault.kind == kind]
    assert found
    return found


def test_there_are_as_many_faults_as_the_scenario_says_and_the_others_are_untouched(doubt):
    _, reports, sound = doubt
    kinds = [made.fault.kind for made in reports if made.fault is not None]
    assert {kind: kinds.count(kind) for kind in kinds} == dict(SCENARIOS["doubt"].faults)
    for made in reports:
        if made.fault is None:
            np.testing.assert_array_equal(made.east_m, sound[made.row].east_m)


def test_a_dragged_place_slides_at_its_speed(doubt):
    _, reports, sound = doubt
    for made in of_kind(reports, "drag"):
        off = np.hypot(made.east_m - sound[made.row].east_m, made.north_m - sound[made.row].north_m)
        wanted = made.fault.size * np.maximum(made.stamp_s - made.fault.from_s, 0.0)
        np.testing.assert_allclose(off, wanted, atol=1e-9)
        assert 0.1 <= made.fault.size <= 0.5


def test_a_frozen_place_stays_while_the_truck_drives_and_is_given_back(doubt):
    _, reports, sound = doubt
    for made in of_kind(reports, "frozen"):
        stuck = (made.stamp_s > made.fault.from_s + 1.0) & (made.stamp_s < made.fault.until_s)
        assert len(np.unique(made.east_m[stuck])) == 1
        assert np.ptp(sound[made.row].east_m[stuck]) + np.ptp(sound[made.row].north_m[stuck]) > 50.0
        again = made.stamp_s > made.fault.until_s
        np.testing.assert_array_equal(made.east_m[again], sound[made.row].east_m[again])


def test_sound_trucks_stand_and_some_of_their_receivers_hold_their_place(doubt):
    motion, reports, _ = doubt
    stood, held = 0, 0
    for made in (made for made in reports if made.row >= 0 and motion.fleet.is_hazmat[made.row]):
        moment = motion.at(np.full(len(made.stamp_s), made.row), made.stamp_s)
        still = np.hypot(moment.v_east_mps, moment.v_north_mps) < 0.1
        if (made.fault is None or made.fault.kind == "clock") and still.sum() >= 4:
            stood += 1
            held += len(np.unique(made.east_m[still])) == 1
    assert stood >= 3
    assert 0 < held < stood


def test_wrong_clocks_change_the_stamps_alone(doubt):
    _, reports, sound = doubt
    offsets = []
    for made in of_kind(reports, "clock"):
        np.testing.assert_array_equal(made.east_m, sound[made.row].east_m)
        assert np.ptp(made.clock_s) <= DRIFT_PPM * 1e-6 * 100.0
        offsets.append(round(float(made.clock_s[0]), 1))
    assert {0.7, 2.4, 3_600.0} <= set(offsets)


def test_the_overconfident_state_a_share_of_their_errors(doubt):
    _, reports, sound = doubt
    for made in of_kind(reports, "overconfident"):
        np.testing.assert_array_equal(made.error_m, sound[made.row].error_m)
        assert made.told_share == pytest.approx(STATED_SHARE * sound[made.row].told_share)


def test_a_replayed_place_is_where_the_truck_was(doubt):
    motion, reports, _ = doubt
    for made in of_kind(reports, "replay"):
        now = (made.stamp_s > made.fault.from_s) & (made.stamp_s < made.fault.until_s)
        old = motion.at(np.full(int(now.sum()), made.row), made.stamp_s[now] - made.fault.size)
        off = np.hypot(made.east_m[now] - old.east_m, made.north_m[now] - old.north_m)
        assert np.median(off) < 8.0, "its antenna and its error"
        here = motion.at(np.full(int(now.sum()), made.row), made.stamp_s[now])
        assert np.median(np.hypot(here.east_m - old.east_m, here.north_m - old.north_m)) > 20.0


def test_truth_names_who_is_manipulated_and_whose_clock_is_wrong(doubt):
    motion, reports, _ = doubt
    events = [event for event in events_of(motion, reports, T0_NS) if event["rule"] == "gnss_integrity"]
    wanted = {m.terminal for m in reports if m.fault is not None and m.fault.manipulates}
    assert {event["terminal"] for event in events} == wanted
    one = motion_of(Road(replace(SCENARIOS["doubt"], duration_s=40.0, faults=(("clock", 1),))), SEED)
    clocks = wrong_clocks(list(all_reports(one, SEED)))
    frames = [truth_frame(one, k, clocks).payload for k in range(0, 400, 10)]
    assert {len(frame["clock_offset_s"]) - len(frame["id"]) for frame in frames} == {0}
    assert {offset for frame in frames for offset in frame["clock_offset_s"]} == {0.0, 0.7}


def test_a_jam_takes_all_terminals_of_a_place_and_time():
    scenario = SCENARIOS["jamming"]
    motion = motion_of(Road(scenario), SEED)
    sound = {r.row: r for r in all_reports(motion_of(Road(replace(scenario, jams=())), SEED), SEED)}
    reports, silenced = list(all_reports(motion, SEED)), 0
    lost, noise = scenario.jams
    for made in reports:
        before = sound[made.row]
        moment = motion.at(np.full(len(before.stamp_s), made.row), before.stamp_s)
        inside = {jam.kind: jam.covers(moment.s_m, before.stamp_s) for jam in (lost, noise)}
        gone = len(before.stamp_s) - len(made.stamp_s)
        silenced += gone > 0
        assert gone in (0, inside["lost"].sum())
        assert made.lost.sum() == (0 if gone else inside["lost"].sum())
        if not gone:
            np.testing.assert_array_equal(made.jammed, inside["lost"] | inside["noise"])
            hit = inside["noise"]
            np.testing.assert_allclose(made.error_m[hit], NOISE * before.error_m[hit])
    assert silenced
    events = [e for e in events_of(motion, reports, T0_NS) if e["rule"] == "gnss_integrity"]
    assert [event["detail"]["kind"] for event in events] == ["jam.lost", "jam.noise"], "one cause each"
    assert all(len(event["terminals"]) >= 5 for event in events)
