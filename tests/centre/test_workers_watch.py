"""Which workers live and keep up: judged from rows of the database, on both of its kinds."""

import sqlalchemy as sa

from centre.workers.store import FAULT_MAX, FORGET_NS, WORKERS_MAX, beat, beats, forget
from centre.workers.watch import BEHIND_MESSAGES, SILENT_NS, Beat, Fault, WorkerWatch

S = 10**9
T0_NS = 1_700_000_000 * S


def watch(*, expected: bool = True) -> WorkerWatch:
    return WorkerWatch(expected=expected, started_ns=T0_NS)


def follow(it: WorkerWatch, times_s: range, *workers: str, queued: int = 0) -> None:
    """Read each 2 s; these workers write, by clocks that are an hour wrong."""
    for at_s in times_s:
        at_ns = T0_NS + at_s * S
        it.receive([Beat(name, 1, at_ns - 3_600 * S, queued) for name in workers], at_ns)


def test_none_is_missed_before_it_had_its_time_and_none_where_none_is_expected() -> None:
    it, alone = watch(), watch(expected=False)
    for at_s in range(0, 12, 2):
        it.receive([], T0_NS + at_s * S)
        alone.receive([], T0_NS + at_s * S)
    assert not it.absent(T0_NS + SILENT_NS)
    assert it.absent(T0_NS + SILENT_NS + 1)
    assert not alone.absent(T0_NS + SILENT_NS + 1)


def test_one_that_ends_without_a_word_is_silent_and_the_last_one_leaves_nobody() -> None:
    it = watch()
    follow(it, range(0, 20, 2), "w1", "w2")
    last = Beat("w1", 1, T0_NS)
    for at_s in range(20, 40, 2):
        it.receive([last, Beat("w2", 1, T0_NS + at_s)], T0_NS + at_s * S)
    now_ns = T0_NS + 38 * S
    assert it.fault(now_ns) == Fault(silent=("w1",))
    assert [row["state"] for row in it.rows(now_ns)] == ["silent", "online"]
    for at_s in range(40, 60, 2):
        it.receive([last, Beat("w2", 1, T0_NS)], T0_NS + at_s * S)
    assert it.fault(T0_NS + 58 * S) == Fault(absent=True, silent=("w1", "w2"))
    it.receive([last, Beat("w2", 2, T0_NS + 60 * S)], T0_NS + 60 * S)  # it is back
    assert it.n_online(T0_NS + 60 * S) == 1


def test_what_a_worker_counts_is_shown_while_it_lives() -> None:
    it, counts = watch(), {"tls.forged_messages": 1}
    it.receive([Beat("w1", 1, T0_NS, counts=counts)], T0_NS)
    assert it.reported(T0_NS) == {"w1": counts}
    assert it.reported(T0_NS + SILENT_NS + 1) == {}


def test_one_that_signed_off_is_missed_by_nobody() -> None:
    it = watch()
    follow(it, range(0, 20, 2), "w1", "w2")
    follow(it, range(20, 40, 2), "w2")
    assert it.fault(T0_NS + 38 * S) == Fault()


def test_a_database_that_was_away_makes_no_worker_silent() -> None:
    it = watch()
    follow(it, range(0, 20, 2), "w1")
    it.receive([Beat("w1", 1, T0_NS + 18 * S - 3_600 * S)], T0_NS + 300 * S)  # it could not write either
    assert it.fault(T0_NS + 300 * S) == Fault()
    assert it.fault(T0_NS + 300 * S + SILENT_NS + 1) == Fault(absent=True, silent=("w1",))


def test_a_queue_that_stays_long_is_more_than_the_workers_store() -> None:
    it = watch()
    follow(it, range(0, 40, 2), "w1", queued=BEHIND_MESSAGES - 1)
    assert it.behind(T0_NS + 38 * S) == 0
    follow(it, range(40, 60, 2), "w1", queued=5_000)
    assert it.behind(T0_NS + 58 * S) == 0  # a backlog that may be gone soon
    follow(it, range(60, 80, 2), "w1", queued=6_000)
    assert it.behind(T0_NS + 78 * S) == 6_000
    follow(it, range(80, 82, 2), "w1", queued=0)
    assert it.behind(T0_NS + 80 * S) == 0


def test_rows_are_replaced_limited_and_deleted(engine: sa.Engine) -> None:
    with engine.begin() as db:
        beat(db, Beat("w1", 1, T0_NS, 7, "x" * 1_000))
        beat(db, Beat("w1", 1, T0_NS + 2 * S))
    assert beats(engine) == [Beat("w1", 1, T0_NS + 2 * S)]
    with engine.begin() as db:
        beat(db, Beat("w2", 1, T0_NS, 7, "x" * 1_000))
    assert beats(engine)[1] == Beat("w2", 1, T0_NS, 7, "x" * FAULT_MAX)
    counted = Beat("w2", 1, T0_NS, counts={"tls.forged_messages": 1, "refused.rsu/R1.wrong": 3})
    with engine.begin() as db:
        beat(db, counted)
    assert beats(engine)[1] == counted
    with engine.begin() as db:
        forget(db, "w2")
        for n in range(WORKERS_MAX):
            beat(db, Beat(f"x{n:03}", 1, T0_NS + (10 + n) * S))
    found = [each.id for each in beats(engine)]
    assert len(found) == WORKERS_MAX
    assert "w1" not in found
    with engine.begin() as db:
        beat(db, Beat("new", 1, T0_NS + 100 * S + FORGET_NS))
    assert [each.id for each in beats(engine)] == ["new"]
