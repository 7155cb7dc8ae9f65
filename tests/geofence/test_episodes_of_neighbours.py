"""An episode that two neighbours know: handed over twice, asked for after a restart, given back."""

import pytest

from tests.support.geofence_world import T0_NS, World, drift


def handed_over():
    """A departure that the receiver has judged since 7 s, now 13 s; its answer has not reached the giver."""
    giver, receiver = World(), World(esn="RSU-2")
    at = drift(2.0, 1.0, 2.0, 40.0)
    giver.drive(7.0, at)
    receiver.monitor.adopt(giver.monitor.carry([1]))
    receiver.drive(6.0, at, from_s=7.0)
    return giver, receiver, at


def test_an_episode_that_is_handed_over_twice_continues():
    """The first answer was lost; the giver hands its vehicle over anew under another seq."""
    giver, receiver, at = handed_over()
    receiver.monitor.adopt(giver.monitor.carry([1]))
    receiver.drive(6.0, at, from_s=13.0)
    versions = [(v.phase, v.hop, v.version) for v in receiver.out]
    assert len({v.id for v in receiver.out}) == 1
    assert {phase for phase, _, _ in versions} == {"update"}
    assert versions == sorted(set(versions)), "each version once"


def test_an_episode_that_is_handed_over_twice_with_two_tracks_lives_once():
    """While the first answer was under way, its track was merged at the giver, not yet at the receiver."""
    giver, receiver, at = handed_over()
    giver.observe(T0_NS + 7 * 10**9, at(7.0) | {"track": 2})
    giver.monitor.merge([(1, 2)])
    receiver.monitor.adopt(giver.monitor.carry([2]))
    receiver.monitor.merge([(1, 2)])
    receiver.drive(6.0, lambda t: at(t) | {"track": 2}, from_s=13.0)
    versions = [(v.hop, v.version) for v in receiver.out]
    assert versions == sorted(set(versions)), "each version once"
    assert {(v.id, v.phase) for v in receiver.out} == {(giver.out[0].id, "update")}
    assert receiver.out[-1].track == 2


@pytest.mark.parametrize("way", ["asked", "handed over"])
def test_what_ended_here_does_not_begin_again_for_a_giver_that_restarted(way):
    """The giver was killed before its disk forgot the episode; its versions here are numbered already."""
    giver, receiver, at = handed_over()
    stale = giver.monitor.carry([1])
    assert [one.hop for row in stale for one in row.episodes] == [0]
    closed = receiver.end(T0_NS + 13 * 10**9 + 10**8, [1])
    assert [v.phase for v in closed] == ["close"]
    if way == "asked":
        theirs = stale[0].episodes[0]
        assert receiver.monitor.take_over(T0_NS + 14 * 10**9, theirs, is_here=True) == []
    else:
        receiver.monitor.adopt(stale)
        assert receiver.monitor.restate(T0_NS + 14 * 10**9, stale) == []
    later = receiver.drive(6.0, at, from_s=14.0)
    assert closed[0].id not in {v.id for v in later}


def test_what_was_given_back_and_comes_again_continues():
    giver, receiver, at = handed_over()
    giver.monitor.drop([1])
    giver.monitor.adopt(receiver.monitor.carry([1]))
    receiver.monitor.drop([1])
    giver.drive(2.0, at, from_s=13.0)
    receiver.monitor.adopt(giver.monitor.carry([1]))
    later = receiver.drive(6.0, at, from_s=15.0)
    assert {(v.id, v.hop, v.phase) for v in later} == {(giver.out[0].id, 3, "update")}
