"""Takes alarms from the ledger into the desk: one row of handling each, with priority, case and shelf.

It reads the committed feed from where it stood, so no alarm is missed: a centre that was killed continues
there. It never runs in a transaction of the ledger. Blocking.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from centre.audit.log import Act, append
from centre.beside import OnBug, uncared
from centre.changes import Change
from centre.desk import statements as sql
from centre.desk.board import Board, Row
from centre.desk.grouping import regroup
from centre.desk.policy import Policy
from centre.desk.reading import Facts, columns_of, facts_of
from centre.desk_tables import DESK_CURSOR, HANDLING, SHELF
from centre.episode_views import deciding_bodies
from centre.faults import cause_of
from centre.statements import WARNING
from centre.store import EPISODE, FEED, VERSION
from centre.unset_clocks import shift_of_ns

BATCH_ROWS = 256  # violations of the feed that one transaction takes in
CURSOR = "feed"
WORK = "desk.intake"
BEFORE_NS = 2 * 3_600 * 10**9  # what had ended so long before the desk's first start is closed
_newest = EPISODE.join(
    VERSION,
    (EPISODE.c.id == VERSION.c.id)
    & (EPISODE.c.version == VERSION.c.version)
    & (EPISODE.c.esn == VERSION.c.esn),
)
_violations = sa.select(FEED.c.n, FEED.c.key).where(FEED.c.kind == "violation")


def cursor_of(db: sa.Connection) -> int | None:
    """Return up to which number of the feed the desk has read; None: it never has."""
    n: int | None = db.scalar(sa.select(DESK_CURSOR.c.n).where(DESK_CURSOR.c.name == CURSOR))
    return n


def set_cursor(db: sa.Connection, n: int) -> None:
    same = DESK_CURSOR.c.name == CURSOR
    if not db.execute(sa.update(DESK_CURSOR).where(same).values(n=n)).rowcount:
        db.execute(sa.insert(DESK_CURSOR).values(name=CURSOR, n=n))


class Intake:
    """Takes in alarms with the policy of a site; `counts` says what could not be read, `on_bug` why."""

    def __init__(self, policy: Policy, counts: Counter[str], on_bug: OnBug = uncared) -> None:
        self._policy, self.counts, self._on_bug = policy, counts, on_bug
        self._caught_up_n = 0  # up to which episode `catch_up` has looked
        self._seen_n = 0  # up to which number of the feed there is nothing else to take in

    def begin_anew(self) -> None:
        """Let `catch_up` look at all episodes again: what it took in last may not be committed."""
        self._caught_up_n = 0

    def waits(self, db: sa.Connection) -> bool:
        """Say whether the feed has violations that the desk has not read; its own rows are none."""
        after = max(cursor_of(db) or 0, self._seen_n)
        newest = db.scalar(sa.select(sa.func.max(FEED.c.n))) or 0
        if db.scalar(_violations.where(FEED.c.n > after).limit(1)) is not None:
            return True
        self._seen_n = newest
        return False

    def read_feed(self, db: sa.Connection, found: list[Change], now_ns: int) -> bool:
        """Take in the next violations of the feed; return whether there may be more."""
        after = cursor_of(db) or 0
        query = _violations.where(FEED.c.n > after).order_by(FEED.c.n).limit(BATCH_ROWS)
        rows = db.execute(query).all()
        if not rows:
            return False
        self._take_what_can_be(db, found, [row.key for row in rows], now_ns, 0)
        set_cursor(db, rows[-1].n)
        return len(rows) == BATCH_ROWS

    def catch_up(self, db: sa.Connection, found: list[Change], now_ns: int) -> bool:
        """Take in alarms that have no row; return whether there may be more.

        Those are from before the desk's first start, or left the feed before it was read. What had ended long
        before the first start is closed: nobody would find today's among them.
        """
        is_first = cursor_of(db) is None
        missing = sa.select(EPISODE.c.n, EPISODE.c.id).select_from(
            EPISODE.outerjoin(HANDLING, HANDLING.c.id == EPISODE.c.id)
            .join(VERSION, _newest.onclause)
        ).where(EPISODE.c.grade_max >= WARNING, HANDLING.c.id.is_(None))  # fmt: skip
        missing = missing.where(EPISODE.c.n > self._caught_up_n)
        rows = db.execute(missing.order_by(EPISODE.c.n).limit(BATCH_ROWS)).all()
        ids = [row.id for row in rows]
        self._take_what_can_be(db, found, ids, now_ns, now_ns - BEFORE_NS if is_first else 0)
        is_more = len(rows) == BATCH_ROWS
        self._caught_up_n = rows[-1].n if is_more else 0  # what could not be taken in stops nothing
        if is_first and not is_more:
            append(db, Act(now_ns, None, "desk_begin", "desk"))
            set_cursor(db, 0)
        return is_more

    def _take_what_can_be(
        self, db: sa.Connection, found: list[Change], ids: Sequence[str], now_ns: int, closes_before_ns: int
    ) -> None:
        """Take in these episodes together; where one makes that fail, each alone, and that one not at all.

        It stays in the ledger and on the page, where an alarm without a row is new.
        """
        try:
            found += self._take_apart(db, ids, now_ns, closes_before_ns)
            return
        except Exception as error:
            if cause_of(error) != "item":
                raise
        for each in dict.fromkeys(ids):
            try:
                found += self._take_apart(db, [each], now_ns, closes_before_ns)
            except Exception as error:
                if cause_of(error) != "item":
                    raise
                self.counts["desk.refused"] += 1
                self._on_bug(WORK, error)

    def _take_apart(
        self, db: sa.Connection, ids: Sequence[str], now_ns: int, closes_before_ns: int
    ) -> list[Change]:
        """Take in episodes so that a failure undoes these alone; return what it changed."""
        noted: list[Change] = []
        with db.begin_nested():
            self.take(db, noted, ids, now_ns, closes_before_ns)
        return noted

    def take(
        self,
        db: sa.Connection,
        found: list[Change],
        ids: Sequence[str],
        now_ns: int,
        closes_before_ns: int = 0,
    ) -> Board:
        """Take in these episodes as they are now; those that never were alarms are left out.

        closes_before_ns : what has ended, and first came before then, is closed
        """
        board = Board(db, found)
        unique = list(dict.fromkeys(ids))
        if not unique:
            return board
        board.load(unique)
        shelves = active_shelves(db)
        touched: list[str] = []
        for row, facts in self._read(db, unique):
            known = board.rows.get(facts.id)
            if known is None:
                self._add(board, facts, shelves, now_ns, row.first_received_ns < closes_before_ns)
                touched.append(facts.id)
            elif self._update(board, known, facts, f"{row.version} {row.esn}", now_ns):
                touched.append(facts.id)
        regroup(board, touched)
        board.flush()
        return board

    def _read(self, db: sa.Connection, ids: Sequence[str]) -> list[tuple[Any, Facts]]:
        found, statements = [], sql.statements_of(db.dialect.name)
        rows = db.exec_driver_sql(statements.newest, statements.listed(ids)).all()
        deciding = deciding_bodies(db, [row.id for row in rows if row.versions != 1])
        for row in rows:
            try:
                body = deciding.get(row.id, row.body)
                found.append((row, facts_of(row.id, row.body, body, shift_of_ns(row))))
            except (msgspec.MsgspecError, ValueError) as error:
                self.counts["desk.unreadable"] += 1
                self._on_bug(WORK, error)
        return found

    def _add(self, board: Board, facts: Facts, shelves: Sequence[Row], now_ns: int, is_old: bool) -> None:
        ranked = self._policy.rank(facts)
        board.add({
            **columns_of(facts), "id": facts.id, "kind": "violation", "raised_ns": now_ns,
            "over_ns": None if facts.is_open else now_ns, "case_id": facts.id,
            "priority": ranked.priority, "why": " ".join(ranked.why),
        })  # fmt: skip
        if is_old and not facts.is_open:
            board.change(facts.id, state="closed", since_ns=now_ns)
        else:
            shelve_or_time(board, facts.id, shelves, self._policy, now_ns)

    def _update(self, board: Board, known: Row, facts: Facts, shown: str, now_ns: int) -> bool:
        """Bring a row up to date; return whether its case may be another one now."""
        before = _placed(known)
        ranked = self._policy.rank(facts)
        was_urgent = known["priority"]
        over_ns = None if facts.is_open else known["over_ns"] or now_ns
        board.change(
            facts.id, **columns_of(facts), over_ns=over_ns, priority=ranked.priority, why=" ".join(ranked.why)
        )
        if known["state"] == "new" and ranked.priority < was_urgent:
            self._hurry(board, known, now_ns)
        if known["ended_at"] not in (None, shown) and known["resumed_ns"] is None:
            self._resume(board, known, now_ns)
        return before != _placed(known)

    def _hurry(self, board: Board, known: Row, now_ns: int) -> None:
        """Give an alarm that became more urgent less time; one of priority 1 leaves its shelf."""
        if known["shelf"] is not None and known["priority"] > 1:
            return
        due_ns = self._policy.acknowledge_by(known["priority"], now_ns)
        earlier_ns = min(due_ns, known["deadline_ns"] or due_ns)
        board.change(known["id"], shelf=None, deadline_ns=earlier_ns)

    def _resume(self, board: Board, known: Row, now_ns: int) -> None:
        """Note that an RSU has more to say of an episode that a person had ended.

        What it says is true: where the violation goes on, it has to be noticed again.
        """
        values: Row = {"resumed_ns": now_ns}
        if known["is_open"]:
            due_ns = self._policy.acknowledge_by(known["priority"], now_ns)
            values |= {"state": "new", "since_ns": now_ns, "deadline_ns": due_ns, "escalated": 0}
        n = append(board.db, Act(now_ns, None, "resume", known["id"], {"open": known["is_open"]}))
        board.change(known["id"], **values, version=n)


def _placed(row: Row) -> list[Any]:
    """Return what decides on the case of an alarm; how long an unidentified one lasts does not."""
    names = ("rule", "vehicle", "esn", "start_ns", "lon_deg", "lat_deg")
    return [*(row[name] for name in names), row["vehicle"] and row["last_ns"]]


def active_shelves(db: sa.Connection) -> list[Row]:
    """Return the shelves that hold alarms now, the oldest first."""
    rows = db.execute(sa.select(SHELF).where(SHELF.c.ended_ns.is_(None)).order_by(SHELF.c.n)).mappings()
    return [dict(row) for row in rows]


def shelve_or_time(board: Board, alarm_id: str, shelves: Sequence[Row], policy: Policy, now_ns: int) -> None:
    """Put a new alarm on the shelf that takes it; else its time to be acknowledged begins."""
    row = board.rows[alarm_id]
    shelf = policy.held_by(row, shelves)
    if shelf is None:
        board.change(alarm_id, deadline_ns=policy.acknowledge_by(row["priority"], now_ns), shelf=None)
        return
    board.change(alarm_id, shelf=shelf, deadline_ns=None)
    board.db.execute(sa.update(SHELF).where(SHELF.c.n == shelf).values(n_held=SHELF.c.n_held + 1))
    board.held.add(shelf)
