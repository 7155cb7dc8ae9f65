"""What the outbox sends next: live items first, no more on their way than agreed, again when due."""

import math

import pytest

from edge.outbox.batches import Waiting
from edge.outbox.changes import Key, Row
from edge.outbox.window import ANSWER_S_MAX, ITEMS_INFLIGHT_MAX, LIVE_INFLIGHT_MAX, LIVE_NS, Window

NOW_NS = 1_790_000_000_000_000_000
OLD_NS = NOW_NS - LIVE_NS - 1
EPOCH = 7


def _waiting(n: int, detected_ns: int, epoch: int = EPOCH, first: int = 1) -> dict[Key, Waiting]:
    rows = [Row.of(Key(epoch, seq), detected_ns, b"v", None) for seq in range(first, first + n)]
    return {row.key: Waiting(row) for row in rows}


def _next(window: Window, now_s: float) -> list[int]:
    """Take all that may be sent now, as batches that leave; return their seqs."""
    seqs = []
    while items := window.next(now_s, NOW_NS, EPOCH):
        window.sent(items, now_s)
        seqs += [item.row.key.seq for item in items]
    return seqs


def test_live_items_overtake_a_backlog_of_their_own_epoch() -> None:
    waiting = _waiting(100, OLD_NS)
    waiting |= _waiting(3, NOW_NS, first=101)
    window = Window(waiting)
    first = [item.row.key.seq for item in window.next(1.0, NOW_NS, EPOCH)]
    assert first == [101, 102, 103], "in a message of their own: the centre tells them apart by it"
    assert [item.row.key.seq for item in window.next(1.0, NOW_NS, EPOCH)] == list(range(1, 33))


def test_a_live_item_finds_room_beside_a_whole_backlog_on_its_way() -> None:
    waiting = _waiting(2 * ITEMS_INFLIGHT_MAX, OLD_NS)
    window = Window(waiting)
    assert len(_next(window, 1.0)) == ITEMS_INFLIGHT_MAX
    for seq in range(5_000, 5_000 + LIVE_INFLIGHT_MAX + 50):
        waiting |= _waiting(1, NOW_NS, first=seq)
        window.add(Key(EPOCH, seq))
    assert _next(window, 1.1) == list(range(5_000, 5_000 + LIVE_INFLIGHT_MAX))


def test_an_answer_makes_room_at_once() -> None:
    waiting = _waiting(ITEMS_INFLIGHT_MAX + 40, OLD_NS)
    window = Window(waiting)
    _next(window, 1.0)
    for seq in range(1, 11):
        window.answered([waiting[Key(EPOCH, seq)]], 1.2)
        window.free(Key(EPOCH, seq))
        del waiting[Key(EPOCH, seq)]
    assert _next(window, 1.2) == list(range(ITEMS_INFLIGHT_MAX + 1, ITEMS_INFLIGHT_MAX + 11))


def test_what_an_earlier_epoch_left_and_what_was_sent_before_come_last() -> None:
    waiting = _waiting(1, NOW_NS, epoch=EPOCH - 1) | _waiting(2, OLD_NS, first=2)
    waiting[Key(EPOCH, 2)].n_sent = 1
    assert _next(Window(waiting), 1.0) == [3, 1, 2]


def test_an_unanswered_item_is_due_again_after_a_second_then_two() -> None:
    window = Window(_waiting(1, NOW_NS))
    assert _next(window, 1.0) == [1]
    assert window.until_s(1.0) == pytest.approx(1.0)
    assert _next(window, 1.9) == []
    assert _next(window, 2.0) == [1]
    assert window.until_s(2.0) == pytest.approx(2.0)


def test_a_slow_centre_is_not_sent_everything_twice() -> None:
    """Its answers took longer than the first resend: each item came two times, which made it slower still."""
    waiting = _waiting(400, OLD_NS)
    window = Window(waiting)
    _next(window, 0.0)
    for seq in range(1, 321):
        window.answered([waiting[Key(EPOCH, seq)]], 1.0)
        window.free(Key(EPOCH, seq))
        del waiting[Key(EPOCH, seq)]
    waiting |= _waiting(1, NOW_NS, first=900)
    window.add(Key(EPOCH, 900))
    resent = _next(window, 1.0)
    assert resent[0] == 900
    assert 3.5 < waiting[Key(EPOCH, 900)].due_s - 1.0 <= 4.0 * ANSWER_S_MAX


def test_what_the_link_refused_is_first_at_the_next_turn() -> None:
    window = Window(_waiting(40, NOW_NS))
    items = window.next(1.0, NOW_NS, EPOCH)
    window.refused(items)
    assert window.until_s(1.0) == pytest.approx(0.5), "while the link is down"
    assert _next(window, 1.5) == list(range(1, 41))


def test_all_are_due_after_a_new_connection_but_those_in_conflict() -> None:
    waiting = _waiting(3, NOW_NS)
    window = Window(waiting)
    _next(window, 1.0)
    waiting[Key(EPOCH, 2)].is_conflicted = True
    window.make_all_due()
    assert _next(window, 1.1) == [1, 3]


def test_nothing_is_due_where_nothing_waits() -> None:
    window = Window({})
    assert _next(window, 1.0) == []
    assert window.until_s(1.0) is None
    assert math.isinf(window.scan_s)
