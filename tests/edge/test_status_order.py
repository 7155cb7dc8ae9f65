"""Which status counts: newer than the last of its connection, and not of one that has ended."""

import pytest

from core.times import NS
from edge.centre_status import ALIVE_S, Centres, CentreStatus
from edge.status_order import CONNECTIONS_KEPT, SET_BACK_NS, Newest, Order, Stamps, age_ns, is_live

T0_NS = 1_790_000_000 * NS


def beat(at_s: float, *, epoch: int = 10, connection: int = 1, state: str = "online") -> CentreStatus:
    return CentreStatus(
        centre="a", state=state, database="db", epoch=epoch, connection=connection,
        stamp_ns=T0_NS + round(at_s * NS), version="1",
    )  # fmt: skip


def receive(it: Centres, status: CentreStatus, now_s: float, *, retained: bool = False, age=None) -> str:
    return it.receive(status, retained=retained, now_s=now_s, age=age)


def test_a_heartbeat_that_is_sent_again_keeps_no_dead_centre_alive() -> None:
    it, recorded = Centres(), [beat(2.0 * n) for n in range(3)]
    assert [receive(it, each, 2.0 * n) for n, each in enumerate(recorded)] == ["began", "known", "known"]
    for n in range(20):
        assert receive(it, recorded[n % 3], 6.0 + n) == "replayed"
    assert it.counts["centres.replayed"] == 20
    assert not it.lives("a", 4.0 + ALIVE_S + 0.1)


@pytest.mark.parametrize(
    ("then", "retained", "said"),
    [
        (beat(1.0, epoch=11), False, "began"),  # it has started again, its clock behind
        (beat(1.0, connection=3), False, "began"),
        (beat(9.0, epoch=9), False, "replayed"),  # a start that has ended
        (beat(9.0, connection=1), False, "replayed"),  # a connection that has ended
        (beat(4.0, connection=2), False, "replayed"),
        (beat(4.1, connection=2), False, "known"),
        (beat(4.0, connection=2), True, "refused"),  # our subscription gives us the last one again
        (beat(0.0, connection=1, state="offline"), False, "refused"),  # a will that comes late
        (beat(0.0, connection=2, state="offline"), False, "known"),  # a will is as old as its connection
    ],
)
def test_a_run_that_has_ended_is_not_returned_to(then: CentreStatus, retained: bool, said: str) -> None:
    it = Centres()
    receive(it, beat(2.0), 2.0)
    receive(it, beat(4.0, connection=2), 4.0)
    assert receive(it, then, 5.0, retained=retained) == said


def test_another_broker_may_have_the_newest_itself_and_nothing_older() -> None:
    it = Centres()
    assert not it.is_old(beat(0.0))
    receive(it, beat(2.0), 2.0)
    receive(it, beat(4.0, connection=2), 4.0)
    old = [beat(9.0, connection=1), beat(3.9, connection=2), beat(9.0, epoch=9)]
    assert [it.is_old(each) for each in old] == [True] * 3
    assert [it.is_old(each) for each in (beat(4.0, connection=2), beat(0.0, epoch=11))] == [False] * 2


def test_after_its_will_a_centre_is_not_brought_back_by_a_recorded_heartbeat() -> None:
    it = Centres()
    receive(it, beat(2.0), 2.0)
    receive(it, beat(0.0, state="offline"), 4.0)
    assert receive(it, beat(2.0), 5.0) == "replayed"
    assert it.seen(5.0)[0].state == "offline"


def test_a_new_database_on_a_clock_that_is_behind_is_believed_once_it_shows_that_it_lives() -> None:
    it = Centres()
    receive(it, beat(100.0, epoch=20), 0.0)
    assert receive(it, beat(7.0, epoch=10), 3.0, age=0) == "replayed", "the other one may live"
    assert receive(it, beat(11.0, epoch=10), 7.0) == "replayed", "nobody knows how old it is"
    assert receive(it, beat(11.0, epoch=10), 7.0, age=NS) == "began"
    assert receive(it, beat(13.0, epoch=10), 9.0) == "known"


@pytest.mark.parametrize(
    ("stamp_s", "offset_ms", "age_s"),
    [
        (0.0, 0.0, 10.0),
        (-90.0, -100_000.0, 0.0),  # its clock is behind by 100 s: it was sent now
        (10.0, None, None),
        (None, 0.0, None),
    ],
)
def test_the_age_of_a_stamp_is_by_our_clock(
    stamp_s: float | None, offset_ms: float | None, age_s: float | None
) -> None:
    stamp_ns = None if stamp_s is None else T0_NS + round(stamp_s * NS)
    found = age_ns(stamp_ns, offset_ms, T0_NS + 10 * NS)
    assert (None if found is None else found / NS) == age_s
    assert is_live(found) == (age_s == 0.0)


def test_the_stamps_of_one_sender_grow_while_its_clock_trembles_and_begin_anew_after_a_step() -> None:
    clock = [T0_NS]
    it = Stamps(lambda: clock[0])
    assert it.next_ns() == T0_NS
    clock[0] -= SET_BACK_NS - 1
    assert not it.must_begin_anew()
    assert it.next_ns() == T0_NS + 1
    clock[0] -= 2
    assert it.must_begin_anew()
    assert it.next_ns() == clock[0], "of the next connection"
    assert not it.must_begin_anew()


def test_only_the_last_connections_are_remembered() -> None:
    it = Newest()
    for connection in range(CONNECTIONS_KEPT + 1):
        it.add(Order(1, connection, 5))
    assert not it.has(Order(1, 0, 5))
    assert it.has(Order(1, 1, 4))
    assert not it.has(Order(1, 1, 6))
