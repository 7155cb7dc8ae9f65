"""The owner's flag in the snapshots of two neighbours: one of them shows a track, at every tick."""

import numpy as np
import pytest

from edge.wire import FLAG_OWNED, decode_handover, decode_handover_ack, decode_snapshot, records_of
from roadside.inputs import HandedOver, HandoverAnswered
from roadside.outputs import HandoverOffer, OfferAck, Snapshot
from roadside.ownership import PASSES_AFTER_NS, Ownership
from tests.support.roadside_drive import NS, T0_NS, between, drive, leave

MS = 1_000_000


def shown(setup, way_ns, lost=()):
    """Drive over the boundary; return by tick which RSUs flag each track: {stamp_ns: {track: [esn]}}.

    way_ns : of a message, each way;  lost : numbers of the messages that the network drops
    """
    pair = dict(zip("AB", between(setup, 420.0), strict=True))
    flags, mail, n_sent = {}, [], 0

    def take(esn, t_ns, outputs):
        nonlocal n_sent
        for output in outputs:
            if isinstance(output, Snapshot):
                snapshot = decode_snapshot(output.body)
                for record in records_of(snapshot):
                    by = flags.setdefault(snapshot.stamp_ns, {}).setdefault(int(record["track"]), [])
                    by += [esn] if record["flags"] & FLAG_OWNED else []
            elif isinstance(output, HandoverOffer | OfferAck):
                if n_sent not in lost:
                    mail.append((t_ns + way_ns, "BA"["AB".index(esn)], output))
                n_sent += 1

    for t_ns, item in drive(setup, leave, seconds=14.0):
        while mail and mail[0][0] <= t_ns:
            due_ns, esn, post = mail.pop(0)
            if isinstance(post, HandoverOffer):
                arrived = HandedOver("A", decode_handover(post.body))
            else:
                ack = decode_handover_ack(post.body)
                arrived = HandoverAnswered(by="B", epoch=ack.epoch, seq=ack.seq)
            take(esn, due_ns, pair[esn].step(due_ns, arrived))
        for esn, pipeline in pair.items():
            take(esn, t_ns, pipeline.step(t_ns, item))
    return flags


def owners(flags):
    """Return by track the owners of each tick, from its first owner on."""
    found = {}
    for t_ns in sorted(flags):
        for track, by in flags[t_ns].items():
            if by or track in found:
                found.setdefault(track, []).append("".join(sorted(by)))
    return found


@pytest.mark.parametrize(
    ("way_ns", "lost"),
    [
        (0, ()),
        (40 * MS, ()),
        (140 * MS, ()),
        (30 * MS, (0,)),  # the first offer
        (30 * MS, (1,)),  # the first answer
    ],
)
def test_at_each_tick_one_rsu_shows_the_track(setup, way_ns, lost):
    (history,) = owners(shown(setup, way_ns, lost)).values()
    assert set(history) == {"A", "B"}, "never both, never none"
    assert history == sorted(history), "it passes once"


@pytest.mark.parametrize(("way_ns", "lost"), [(400 * MS, ()), (60 * MS, (0, 1, 2))])
def test_an_answer_that_comes_too_late_leaves_both_and_never_none(setup, way_ns, lost):
    (history,) = owners(shown(setup, way_ns, lost)).values()
    assert set(history) == {"A", "B", "AB"}
    assert history.count("AB") <= 10
    assert history == sorted(history, key=["A", "AB", "B"].index)


@pytest.mark.parametrize("offered_ns", [None, T0_NS - 3_600 * NS, T0_NS - PASSES_AFTER_NS])
def test_what_was_offered_long_ago_or_without_a_stamp_is_shown_at_once(offered_ns):
    taker, track = Ownership(None, ()), np.array([7], dtype=np.uint64)
    taker.adopt(7, offered_ns, T0_NS)
    assert taker.flagged(track, T0_NS).tolist() == [True]


def test_a_givers_clock_that_is_ahead_delays_the_flag_no_longer_than_a_handover():
    taker, track = Ownership(None, ()), np.array([7], dtype=np.uint64)
    taker.adopt(7, T0_NS + 3_600 * NS, T0_NS)
    assert taker.owned(track).tolist() == [True], "judged at once"
    assert taker.flagged(track, T0_NS).tolist() == [False]
    assert taker.flagged(track, T0_NS + PASSES_AFTER_NS).tolist() == [True]


def test_the_flag_passes_at_the_same_tick_after_a_restart(setup):
    giver, track = Ownership((0.0, 500.0), ()), np.array([7], dtype=np.uint64)
    giver.give(7, T0_NS)
    giver.given(7)
    again = Ownership((0.0, 500.0), ())
    again.restore(giver.state())
    for ownership in (giver, again):
        ticks = [bool(ownership.flagged(track, T0_NS + k * 100 * MS)[0]) for k in range(5)]
        assert ticks == [True, True, True, False, False]
    assert again.holdings == giver.holdings
