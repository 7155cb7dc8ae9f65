"""Episodes are made once while nothing of them changes, and anew with each thing that does."""

import sqlalchemy as sa

from centre import episode_views
from centre.reader import EpisodeFilter, Reader
from centre.store import EPISODE, VERSION
from centre.views.excess import COLUMNS
from centre.views.violations import _Columns
from tests.support.centre_database import Centre
from tests.support.centre_samples import episode_id, violation
from tests.support.ledger_databases import ledger_at


class Statements:
    """Counts the statements that read bodies of versions."""

    def __init__(self, engine: sa.Engine) -> None:
        self.n_bodies = 0
        sa.event.listen(engine, "before_cursor_execute", self._look)

    def _look(self, _db, _cursor, statement, *_rest) -> None:
        self.n_bodies += statement.startswith("SELECT") and ".body" in statement


def test_what_was_shown_is_not_read_again(engine):
    centre = Centre(engine)
    for n in range(3):
        centre.send(n + 1, violation(n))
    seen = Statements(engine)
    first = centre.shown()
    n_bodies = seen.n_bodies
    assert n_bodies > 0
    assert centre.shown() == first
    assert [change.data for change in centre.reader.changes(0)] == first[::-1], "the feed shows the same ones"
    assert seen.n_bodies == n_bodies


def test_no_question_looks_through_the_whole_ledger(tmp_path):
    """What a page waits for may not grow with the years that the ledger holds."""
    engine = ledger_at(tmp_path / "centre.sqlite")
    centre = Centre(engine)
    for n in range(3):
        centre.send(2 * n + 1, violation(n))
        centre.send(2 * n + 2, violation(n, version=2, phase="update"))
    plans: list[str] = []

    def explain(_db, cursor, statement, parameters, _context, is_many) -> None:
        if statement.startswith("SELECT") and not is_many:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.extend(row[3] for row in cursor.fetchall())

    sa.event.listen(engine, "before_cursor_execute", explain)
    reader = Reader(engine)
    assert len(reader.changes(0)) == 6
    assert len(reader.episodes(EpisodeFilter())["items"]) == 3
    assert reader.violation(episode_id(1)) is not None
    assert any("SEARCH v USING INDEX" in plan for plan in plans)
    assert not [plan for plan in plans if plan in ("SCAN violation_version", "SCAN v", "SCAN transport")]
    engine.dispose()


def test_each_column_that_measures_an_excess_is_read():
    """The other columns of the evidence are passed over: what a new rule measures is to be named there."""
    assert set(COLUMNS.values()) <= set(_Columns.__struct_fields__)


def test_whatever_changes_an_episode_is_shown(engine):
    """As a reader shows it that has seen nothing before."""
    centre = Centre(engine)
    centre.send(1, violation(1, version=2, grade="warning"))
    steps = (
        violation(1, version=1, grade="violation", esn="RSU002"),  # older, of another RSU, of a higher grade
        violation(1, version=3, grade="undecidable"),
        violation(1, version=4, phase="close", end_ns=violation(1).start_ns + 10**9),
    )
    before = centre.shown()
    for seq, found in enumerate(steps, 2):
        centre.send(seq, found, found.esn)
        shown = centre.shown()
        assert shown != before
        assert shown == Reader(engine).episodes(EpisodeFilter())["items"]
        before = shown
    with engine.begin() as db:  # its times are written after the commit
        db.execute(sa.update(VERSION).values(committed_ns=None))
        db.execute(sa.update(EPISODE).values(first_committed_ns=None, latency_ns=None))
    assert centre.shown() == Reader(engine).episodes(EpisodeFilter())["items"] != before


def test_one_that_can_not_be_shown_costs_no_other_and_memory_has_a_limit(engine, monkeypatch):
    monkeypatch.setattr(episode_views, "KEPT_MAX", 2)
    centre = Centre(engine)
    for n in range(4):
        centre.send(n + 1, violation(n))
    with engine.begin() as db:
        db.execute(sa.update(VERSION).where(VERSION.c.id == episode_id(1)).values(body=b"\xc1"))
    for times in (1, 2):
        assert {row["id"] for row in centre.shown()} == {episode_id(n) for n in (0, 2, 3)}
        assert centre.reader.counts["row.unreadable"] == times
    assert len(centre.reader._views._kept) == 2
