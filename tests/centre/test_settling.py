"""What is committed gets its time and is announced, whatever ends or refuses the second transaction."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from centre import feed_numbers
from centre.settling import Settler, Turn
from centre.violation_writer import ViolationWriter
from tests.support.centre_database import Centre
from tests.support.centre_samples import MS, T0_NS, episode_id, item, payload, violation
from tests.support.ledger_databases import ledger_at

N_TURN = 4  # transactions that one turn settles


@pytest.fixture
def centre(engine: sa.Engine) -> Centre:
    return Centre(engine)


def test_a_time_that_could_not_be_written_is_written_later(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed is answered and in the list all the same; the feed announces it with its time."""
    with monkeypatch.context() as full:
        full.setattr(Settler, "_write_times", _raise(sa.exc.OperationalError("", {}, Exception("disk full"))))
        first = centre.commit(payload(10, item(1, violation(1))))
        second = centre.commit(payload(10, item(2, violation(2))))
        assert not centre.violation_writer.tend()
    assert [done.acknowledgements[0].stored for done in (first, second)] == [(1,), (2,)]
    assert first.counts["settle.failed"] == second.counts["settle.failed"] == 1
    assert [row["committed_ns"] for row in centre.shown()] == [None, None]
    assert centre.reader.changes(0) == []
    assert centre.violation_writer.tend()
    assert not centre.violation_writer.tend()
    assert [change.key for change in centre.reader.changes(0)] == [episode_id(1), episode_id(2)]
    stamped = {row["id"]: (row["committed_ns"], row["first_committed_ns"]) for row in centre.shown()}
    assert stamped == {
        episode_id(n): (str(done.committed_ns), str(done.committed_ns))
        for n, done in ((1, first), (2, second))
    }
    assert len(centre.reader.latencies()) == 2


def test_a_time_that_can_never_be_written_keeps_nothing_from_the_feed(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Settler._write_times

    def refuse_the_second(self: Settler, db: sa.Connection, noted: Any) -> None:
        if any(change.key == episode_id(2) for _, found in noted for change in found):
            raise sa.exc.DataError("", {}, Exception("out of range"))
        write(self, db, noted)

    with monkeypatch.context() as full:
        full.setattr(Settler, "_announce", _raise(sa.exc.OperationalError("", {}, Exception("disk full"))))
        for n in (1, 2, 3):
            centre.send(n, violation(n))
    monkeypatch.setattr(Settler, "_write_times", refuse_the_second)
    assert centre.violation_writer.tend()
    assert [change.key for change in centre.reader.changes(0)] == [episode_id(n) for n in (1, 2, 3)]
    assert [row["committed_ns"] is None for row in centre.shown()] == [False, True, False]
    assert not centre.violation_writer.tend()


def test_the_next_start_announces_what_a_killed_one_had_committed(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    centre.send(1, violation(1))
    with monkeypatch.context() as killed:
        killed.setattr(Settler, "settle", lambda _self, _counts: False)
        centre.send(2, violation(2))
    (seen,) = centre.reader.changes(0)
    ViolationWriter(centre.engine, lambda: T0_NS + 900 * MS)
    (came,) = centre.reader.changes(seen.n)
    assert (came.key, came.data and came.data["committed_ns"]) == (episode_id(2), str(T0_NS + 900 * MS))
    if centre.engine.dialect.name == "sqlite":
        # a loss of power may have taken rows of the feed, with numbers that pages know: none is given again
        assert came.n > seen.n + 1_000


def test_numbers_are_left_out_though_the_storage_failed_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ledger_at(tmp_path / "centre.sqlite")
    centre = Centre(engine)
    centre.send(1, violation(1))
    with monkeypatch.context() as killed:
        killed.setattr(Settler, "settle", lambda _self, _counts: False)
        centre.send(2, violation(2))
    with monkeypatch.context() as full:
        failure = sa.exc.OperationalError("", {}, Exception("disk full"))
        full.setattr(feed_numbers, "continue_after", _raise(failure))
        writer = ViolationWriter(engine, lambda: T0_NS)
    (seen,) = centre.reader.changes(0)
    assert writer.tend()
    (came,) = centre.reader.changes(seen.n)
    assert came.n > seen.n + 1_000
    engine.dispose()


def test_storage_that_fails_outside_of_a_transaction_drops_no_announcement(tmp_path: Path) -> None:
    engine = ledger_at(tmp_path / "centre.sqlite")
    centre = Centre(engine)

    def refuse(connection: sqlite3.Connection, _record: object) -> None:
        connection.set_authorizer(
            lambda _action, name, *_: sqlite3.SQLITE_DENY if name == "synchronous" else sqlite3.SQLITE_OK
        )

    engine.dispose()
    sa.event.listen(engine, "connect", refuse)
    done = centre.commit(payload(10, item(1, violation(1))))
    assert (done.acknowledgements[0].stored, done.counts["settle.failed"]) == ((1,), 1)
    sa.event.remove(engine, "connect", refuse)
    engine.dispose()
    assert centre.violation_writer.tend()
    assert [change.key for change in centre.reader.changes(0)] == [episode_id(1)]
    engine.dispose()


def test_row_by_row_none_goes_before_one_whose_episode_another_process_changes(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The later row may note the same episode: pages would see its older version after the newer one."""
    with monkeypatch.context() as killed:
        killed.setattr(Settler, "settle", lambda _self, _counts: False)
        for n in (1, 2):
            centre.send(n, violation(1, version=n))
    asked: list[int | None] = []

    def turn(_self: Settler, _counts: object, only: int | None = None, **_more: object) -> Turn:
        asked.append(only)
        if only is None:
            kind = sa.exc.DataError if len(asked) == 1 else sa.exc.OperationalError
            raise kind("", {}, Exception("refused"))
        return Turn(0, 1) if len(asked) == 2 else Turn(1)

    with monkeypatch.context() as held:
        held.setattr(Settler, "_turn", turn)
        assert not centre.violation_writer.tend()
    assert len(asked) == 2
    assert centre.violation_writer.tend()
    shown = [change.data["version"] for change in centre.reader.changes(0) if change.data is not None]
    assert shown == [1, 2]


def _raise(error: Exception) -> Any:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_a_bug_in_settling_is_logged_once_and_the_rest_goes_through(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centre.settling.ROWS_MAX", N_TURN)
    announce, found = Settler._announce, []

    def fail_at_the_second(self: Settler, db: sa.Connection, changes: Any) -> None:
        if any(change.key == episode_id(2) for change in changes):
            raise TypeError("a bug")
        announce(self, db, changes)

    writer = centre.violation_writer
    monkeypatch.setattr(writer._settler, "_on_bug", lambda work, error: found.append((work, str(error))))
    with monkeypatch.context() as killed:
        killed.setattr(Settler, "settle", lambda _self, _counts: False)
        for n in range(1, N_TURN + 2):  # more than one turn: none of the others waits for the next commit
            centre.send(n, violation(n))
    monkeypatch.setattr(Settler, "_announce", fail_at_the_second)
    assert writer.tend()
    others = [episode_id(n) for n in range(1, N_TURN + 2) if n != 2]
    assert [change.key for change in centre.reader.changes(0)] == others
    assert set(found) == {("settle", "a bug")}
    assert writer.counts["settle.failed"] == writer.counts["settle.refused"] == 1
    assert not writer.tend()


def test_no_more_numbers_are_at_risk_than_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog is settled without the disk up to so many numbers; then one commit waits for it."""
    monkeypatch.setattr("centre.settling.ROWS_MAX", N_TURN)
    engine = ledger_at(tmp_path / "centre.sqlite")
    centre = Centre(engine)
    with monkeypatch.context() as killed:
        killed.setattr(Settler, "settle", lambda _self, _counts: False)
        for n in range(1, 2 * N_TURN + 1):
            centre.send(n, violation(n))
    said: list[str] = []
    sa.event.listen(engine, "checkout", lambda connection, *_: connection.set_trace_callback(said.append))
    monkeypatch.setattr("centre.settling.NUMBERS_LEFT_OUT", N_TURN + 2)
    assert centre.violation_writer.tend()
    assert len(centre.reader.changes(0, 1_000)) == 2 * N_TURN
    turns = "".join({"NORMAL": "n", "FULL": "f", "commit": "c"}.get(_word(text), "") for text in said)
    # the numbers left out; one turn at risk; one that finds too much at risk, which is done again at no risk
    assert turns.removeprefix("c").startswith("ncf" + "ncf" + "c"), turns
    engine.dispose()


def _word(statement: str) -> str:
    """Return what a statement is about: the level that it sets, or that it commits."""
    return "commit" if statement.upper().startswith("COMMIT") else statement.rpartition("=")[2]
