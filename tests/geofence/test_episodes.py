"""An episode's life: handed over, restarted, merged, ended; and the stretches that an RSU can't judge."""

import msgspec
import numpy as np
import pytest

from geofence.carry import CarriedJudgement, MonitorState
from geofence.episodes import VERSION_GAP, VERSION_MAX, decoded, encoded, renumbered, version_beyond
from geofence.violation import encode
from tests.support.geofence_world import T0_NS, World, drift


def test_a_handover_continues_under_the_same_id():
    giver, receiver = World(esn="RSU-1"), World(esn="RSU-2")
    at = drift(2.0, 1.0, 2.0, 20.0)
    before = giver.drive(7.0, at)
    carried = msgspec.msgpack.encode(giver.monitor.carry([1]))
    receiver.monitor.adopt(msgspec.msgpack.decode(carried, type=list[CarriedJudgement]))
    after = receiver.drive(1.0, at, from_s=7.0)
    last, first = before[-1], after[0]
    assert (first.id, first.version, first.hop, first.esn) == (last.id, last.version + 1, 1, "RSU-2")
    assert first.start_ns == last.start_ns
    assert first.phase == "update"
    assert first.evidence["stamp_ns"][0] < T0_NS + 7_000_000_000
    assert giver.monitor.drop([1]) == [last.id]
    assert giver.end(T0_NS, [1]) == []
    closed = receiver.drive(20.0, drift(2.0, 1.0, 2.0, 5.0), from_s=8.0)
    assert closed[-1].phase == "close"


def test_handover_that_is_never_answered_closes_with_its_reason():
    world = World()
    opened = world.drive(7.0, drift(2.0, 1.0, 2.0, 20.0))
    closed = world.close_handover_lost(T0_NS + 8_000_000_000, [1])
    assert [(v.id, v.phase, v.reason) for v in closed] == [(opened[0].id, "close", "handover_lost")]


def test_a_restart_that_lost_versions_makes_none_of_their_numbers():
    """The centre has versions 2 to 4 from memory, the file only 1: another version 2 would contradict it."""
    world = World()
    opened = world.drive(7.0, drift(2.0, 1.0, 2.0, 20.0))[-1]
    (judgement,) = world.monitor.carry([1])
    (episode,) = judgement.episodes
    again = World()
    again.monitor.start(T0_NS, [renumbered(encoded(episode))])
    closes = again.drive(40.0, lambda t_s: [])
    assert [(v.id, v.version, v.phase) for v in closes] == [
        (opened.id, opened.version + VERSION_GAP + 1, "close")
    ]


def test_two_restarts_in_a_row_that_lost_their_versions_use_none_twice():
    """Both begin with the state that the file had before the disk was full."""
    world = World()
    world.drive(7.0, drift(2.0, 1.0, 2.0, 20.0))
    (judgement,) = world.monitor.carry([1])
    body = encoded(judgement.episodes[0])
    stored = 1_000  # the epoch that the file knows
    first, second = (decoded(renumbered(body, epoch - stored)).version for epoch in (1_007, 1_012))
    assert second - first >= 10 * (1_012 - 1_007), "more than a version for each tick of the first one"
    assert renumbered(body, 0) == body, "nothing is lost"
    assert [version_beyond(7, n) for n in (0, 1, 5)] == [7, 1_007, 5_007], "of a journey, too"
    assert decoded(renumbered(body, 10**9)).version < VERSION_MAX, "years"


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x81\xa4type\xa4late"])
def test_what_is_no_episode_is_not_renumbered(body):
    assert renumbered(body) == body


def test_a_number_at_the_end_of_its_range_stays():
    world = World()
    world.drive(7.0, drift(2.0, 1.0, 2.0, 20.0))
    (judgement,) = world.monitor.carry([1])
    (episode,) = judgement.episodes
    episode.version = VERSION_MAX
    assert decoded(renumbered(encoded(episode))).version == VERSION_MAX


def test_carry_restores_the_very_judgement():
    """A monitor that adopts all of another's evidence makes the same versions, but for their hops."""
    at = drift(0.9, 0.4, 2.0, 6.0)
    whole, first, second = World(), World(), World()
    raised = whole.drive(14.0, at)
    first.drive(4.9, at)
    second.monitor.adopt(first.monitor.carry(None))
    rest = second.drive(9.1, at, from_s=4.9)
    assert [v.start_ns for v in rest] == [v.start_ns for v in raised[-len(rest) :]]
    # the first of the rest is the hop's own, which the whole one has not; it opened a moment before
    assert [v.p_violation for v in rest[1:]] == [v.p_violation for v in raised[1:]]


def test_restart_resumes_the_same_terminal_and_closes_the_rest():
    before, after = World(), World()
    at = drift(2.0, 1.0, 2.0, 20.0)
    opened = before.drive(7.0, lambda t: [at(t), at(t) | {"track": 2, "terminal": 2, "east": 900.0}])
    bodies = [before.episodes[v.id] for v in opened if v.phase == "open"]
    assert len(bodies) == 2
    start_ns = T0_NS + 9_000_000_000
    after.monitor.start(start_ns, bodies)
    resumed = after.drive(1.0, lambda t: at(t) | {"track": 501}, from_s=9.0)
    mine = [v for v in opened if v.track == 1]
    assert (resumed[0].id, resumed[0].version) == (mine[0].id, mine[-1].version + 1)
    assert resumed[0].track == 501
    closed = after.tick(start_ns + 30_000_000_000, at(39.0) | {"track": 501})
    assert [(v.track, v.phase, v.reason) for v in closed if v.reason] == [(2, "close", "lost")]


def test_restart_resumes_an_unidentified_vehicle_at_the_place_it_can_have_reached():
    before, after = World(), World()
    at = drift(2.0, 1.0, 4.0, 20.0)
    unknown = {"terminal": -1, "kind": 0}
    opened = before.drive(8.0, lambda t: at(t) | unknown)
    after.monitor.start(T0_NS + 9_000_000_000, [before.episodes[opened[0].id]])
    side = {"terminal": -1, "kind": 4, "track": 77}
    resumed = after.drive(2.0, lambda t: at(t) | side, from_s=10.0)
    assert resumed[0].id == opened[0].id


def waiting_episode():
    """A monitor with an open departure, and that episode as a neighbour's message brings it."""
    before = World()
    at = drift(2.0, 1.0, 2.0, 20.0)
    opened = before.drive(7.0, at)
    episode = decoded(before.episodes[opened[0].id])
    assert episode is not None
    return episode, at


@pytest.mark.parametrize(("ours", "hop", "is_here", "versions"), [
    ("none", 0, False, None),  # its vehicle is not on our stretch
    ("none", 0, True, [1]),
    ("waiting", 0, False, None),  # it waits at both and came to neither: the asker keeps it
    ("waiting", 0, True, [1]),
    ("waiting", 3, False, []),  # it came here later: ours is the newer one
    ("open", 0, False, [1]),    # the asker forgot that it gave it
    ("open", 1, False, []),
])  # fmt: skip
def test_of_two_that_keep_an_episode_one_goes_on_with_it(ours, hop, is_here, versions):
    theirs, at = waiting_episode()
    world = World(esn="RSU-2")
    start_ns = T0_NS + 9_000_000_000
    if ours != "none":
        world.monitor.start(start_ns, [encoded(msgspec.structs.replace(theirs, hop=hop))])
    if ours == "open":
        world.drive(1.0, at, from_s=9.0)
    judged = world.monitor.take_over(start_ns, theirs, is_here=is_here)
    assert (judged if judged is None else [row.violation.hop for row in judged]) == versions
    if judged:
        assert (judged[0].violation.id, judged[0].violation.phase) == (theirs.id, "update")
        assert decoded(judged[0].episode).hop == 1
        assert world.drive(1.0, at, from_s=11.0) == [] or ours == "none"


def test_an_episode_that_comes_late_supersedes_the_one_opened_meanwhile():
    theirs, at = waiting_episode()
    world = World(esn="RSU-2")
    opened = world.drive(7.0, at)  # it began anew, and opens another one of the same departure
    older = msgspec.structs.replace(theirs, id="older", start_ns=theirs.start_ns - 1_000_000_000)
    assert world.monitor.take_over(T0_NS + 7_000_000_000, older, is_here=True)
    later = world.drive(2.0, at, from_s=7.0)
    assert {(v.id, v.phase, v.reason) for v in later if v.phase == "close"} == {
        (opened[0].id, "close", "merged")
    }
    assert world.monitor.drop_waiting(["older"]) == [], "it has its vehicle"
    assert [one.id for row in world.monitor.carry([1]) for one in row.episodes] == ["older"]


def test_a_waiting_episode_is_forgotten_once():
    theirs, _ = waiting_episode()
    world = World()
    world.monitor.start(T0_NS, [encoded(theirs)])
    assert [episode.id for episode in world.monitor.waiting()] == [theirs.id]
    assert world.monitor.drop_waiting([theirs.id, "another"]) == [theirs.id]
    assert world.monitor.drop_waiting([theirs.id]) == []
    assert world.monitor.waiting() == []


def test_start_survives_what_another_version_wrote():
    world = World()
    world.monitor.start(T0_NS, [b"\x81\xa1x\x01", b"garbage"])
    assert world.monitor.counts["start.episode"] == 2


def test_a_track_that_ends_closes_its_episode_as_lost():
    world = World()
    opened = world.drive(7.0, drift(2.0, 1.0, 2.0, 20.0))
    closed = world.end(T0_NS + 8_000_000_000, [1, 99])
    assert [(v.id, v.phase, v.reason) for v in closed] == [(opened[0].id, "close", "lost")]
    assert world.episodes[opened[0].id] is None


def test_merged_tracks_keep_the_older_episode():
    world = World()
    at = drift(2.0, 1.0, 2.0, 20.0)
    opened = world.drive(7.0, lambda t: at(t) | {"track": 12})
    world.monitor.merge([(12, 4)])
    later = world.drive(5.5, lambda t: at(t) | {"track": 4}, from_s=7.0)
    assert {v.id for v in later} == {opened[0].id}
    assert {v.track for v in later} == {4}


@pytest.mark.parametrize(("radar_age_s", "want"), [(0.0, set()), (np.inf, {"lane_departure"})])
def test_two_tracks_that_shared_a_vehicle_start_their_evidence_anew(radar_age_s, want):
    """A track beside its vehicle nearly had a departure; a terminal's track shares no detections."""
    world = World()
    exact = {"sigma": 0.02, "tau": 0.1, "length": 4.0}

    def at(t_s, over_m, **more):
        return {"east": 100.0 + 16.0 * t_s, "north": -7.625 + 0.625 + over_m} | exact | more

    other = {"radar_age_s": radar_age_s, "enforcing_age_s": radar_age_s, "bias": min(radar_age_s, 1.5)}
    world.drive(0.5, lambda t: [at(t, 0.6), at(t, -0.6, track=2) | other])
    assert [v.grade for v in world.out if v.grade == "warning"] == []
    world.monitor.merge([(2, 1)])
    later = world.drive(0.3, lambda t: at(t, 0.6), from_s=0.5)
    assert {v.rule for v in later if v.grade == "warning"} == want


def test_a_departure_continues_while_the_vehicle_is_far_from_every_lane():
    world = World()
    out = drift(60.0, 6.0, 1.0, 40.0)
    world.drive(70.0, lambda t: out(t) | {"east": 50.0 + 8.0 * t, "v_east": 8.0})
    assert [v.phase for v in world.of("lane_departure") if v.phase != "update"] == ["open", "close"]
    assert len({v.id for v in world.of("lane_departure")}) == 1


def test_of_two_tracks_of_one_vehicle_it_is_enough_that_one_saw_it_move():
    world = World()
    world.drive(1.0, lambda t: {"east": 484 + 16 * t})
    still = {"east": 500.0, "v_east": 0.0}
    world.drive(0.5, lambda t: [still, still | {"track": 2, "terminal": -1}], from_s=1.0)
    world.monitor.merge([(1, 2)])
    world.drive(31.0, lambda t: still | {"track": 2}, from_s=1.5)
    assert {v.track for v in world.of("illegal_stop")} == {2}


def test_two_alike_episodes_of_merged_tracks_become_one():
    world = World()
    at = drift(2.0, 1.0, 2.0, 20.0)
    world.drive(7.0, lambda t: [at(t), at(t) | {"track": 2}])
    assert len({v.id for v in world.out}) == 2
    world.monitor.merge([(2, 1)])
    later = world.drive(0.2, at, from_s=7.0)
    assert [(v.phase, v.reason) for v in later] == [("close", "merged")]


def test_same_inputs_same_bytes():
    def run():
        world = World()
        at = drift(1.1, 0.7, 2.0, 5.0)
        world.drive(14.0, lambda t: [at(t), {"track": 2, "terminal": -1, "kind": 0, "east": 16 * t + 30}])
        return b"".join(encode(v) for v in world.out)

    first = run()
    assert len(first) > 1_000
    assert first == run()


def test_unjudged_names_stretches_and_silent_radars():
    world = World()
    whole = world.monitor.unjudged(T0_NS, {})
    assert [(u.reason, u.since_ns) for u in whole] == [("no_radar", T0_NS)] * 2
    assert whole[0].from_m == 0.0
    assert 500.0 < whole[0].to_m < 530.0  # it looks east from station 500; beside it, its field is narrow
    assert whole[1].to_m == 1_000.0
    later = world.monitor.unjudged(T0_NS + 5, {"R1": "silent"})
    assert [(u.reason, u.since_ns - T0_NS) for u in later] == [
        ("no_radar", 0),
        ("radar_silent", 5),
        ("no_radar", 0),
    ]


def test_handover_of_two_tracks_that_become_one_here_keeps_the_open_episode():
    """The radar track's episode continues under the terminal's track, whichever of them is adopted first."""
    at = drift(2.0, 1.0, 4.0, 20.0)
    giver = World()
    loose = {"radar_age_s": np.inf, "enforcing_age_s": np.inf, "bias": 1.5, "tau": 30.0, "track": 2}
    opened = giver.drive(8.0, lambda t: [at(t) | {"terminal": -1, "kind": 0}, at(t) | loose])
    episode = next(v.id for v in opened if v.grade == "violation")
    for before, chain in [([], False), ([1], False), ([2], False), ([1, 2], False), ([], True)]:
        receiver = World(esn="RSU-2")
        receiver.monitor.adopt(giver.monitor.carry(before))
        if chain:  # an own track became 1 before it became 2
            receiver.observe(T0_NS, {"track": 9})
            receiver.monitor.merge([(9, 1)])
        receiver.monitor.merge([(1, 2)])
        receiver.monitor.adopt(giver.monitor.carry([track for track in (1, 2) if track not in before]))
        later = receiver.drive(2.0, lambda t: at(t) | {"track": 2}, from_s=8.0)
        mine = [v for v in later if v.grade == "violation"]
        assert {(v.id, v.phase, v.track) for v in mine} == {(episode, "update", 2)}


def test_an_episode_that_is_handed_over_again_after_a_restart_lives_once():
    """The receiver raised a version and ended before its answer left: both sides have the episode."""
    giver, receiver, again = World(), World(esn="RSU-2"), World(esn="RSU-2")
    at = drift(2.0, 1.0, 2.0, 60.0)
    giver.drive(7.0, at)
    receiver.monitor.adopt(giver.monitor.carry([1]))
    before = receiver.drive(1.0, at, from_s=7.0)
    again.monitor.start(T0_NS + 9 * 10**9, [receiver.episodes[before[0].id]])
    again.monitor.adopt(giver.monitor.carry([1]))
    again.drive(40.0, at, from_s=9.0)
    raised = [(v.id, v.phase, v.hop, v.version) for v in [*before, *again.out]]
    assert {(name, phase) for name, phase, _, _ in raised} == {(before[0].id, "update")}
    assert raised == sorted(set(raised)), "each version once"


def test_an_episode_whose_track_nobody_knows_any_more_is_closed():
    world = World()
    opened = world.drive(7.0, drift(2.0, 1.0, 2.0, 20.0))
    assert world.tick(T0_NS + 36_000_000_000, {"track": 5}) == []
    closed = world.tick(T0_NS + 38_000_000_000, {"track": 5})
    assert [(v.id, v.phase, v.reason) for v in closed] == [(opened[0].id, "close", "lost")]


def test_a_vehicle_that_is_two_tracks_is_raised_once():
    """Its radar track is unidentified; its terminal's track shows the same departure: one is raised."""
    world = World()
    at = drift(2.0, 1.0, 4.0, 9.0)

    def both(t):
        return [at(t) | {"terminal": -1, "kind": 0}, at(t) | {"track": 2, "east": at(t)["east"] + 4.0}]

    world.drive(10.0, both)
    assert len({v.id for v in world.out}) == 1


def test_a_restored_state_gives_the_very_bytes():
    """Evidence, timers, lanes held and the last seconds come back by name as they were."""
    at = drift(1.1, 0.7, 2.0, 12.0)

    def all_of(t_s):
        dark = {"track": 2, "terminal": -1, "kind": 0, "east": 16.0 * t_s + 30.0}
        stopped = {"track": 3, "terminal": 2, "east": 700.0, "v_east": 5.0 if t_s < 1.0 else 0.0}
        return [at(t_s), dark, stopped, {"track": 4, "terminal": -1, "sigma": 2.0, "east": 300.0}]

    whole, again = World(), World()
    whole.drive(9.0, all_of)
    body = msgspec.msgpack.encode(whole.monitor.state())
    again.monitor.restore(msgspec.msgpack.decode(body, type=MonitorState))
    assert msgspec.msgpack.encode(again.monitor.state()) == body
    rest, same = whole.drive(14.0, all_of, from_s=9.0), again.drive(14.0, all_of, from_s=9.0)
    assert {v.rule for v in rest} >= {"lane_departure", "dark_vehicle"}
    assert [encode(v) for v in rest] == [encode(v) for v in same]


def test_a_question_that_comes_again_continues_no_episode_that_has_ended_here():
    """The neighbour asks each 200 ms until it has our answer: two ends of one version had other bytes."""
    theirs, _ = waiting_episode()
    world = World(esn="RSU-2")
    start_ns = T0_NS + 9_000_000_000
    assert world.monitor.take_over(start_ns, theirs, is_here=True)
    (closed,) = world.monitor.close_changed(start_ns + 100_000_000, {theirs.rule_name})
    assert (closed.violation.id, closed.violation.phase) == (theirs.id, "close")
    world.monitor.restore(world.monitor.state())
    assert world.monitor.take_over(start_ns + 200_000_000, theirs, is_here=True) == []
    assert world.monitor.waiting() == []
    later = msgspec.structs.replace(theirs, hop=theirs.hop + 2)  # it went back since
    assert world.monitor.take_over(start_ns + 300_000_000, later, is_here=True)
