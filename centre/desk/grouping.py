"""Puts alarms of the database into their cases: only those that a change can concern are read. Blocking."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from centre.desk.board import Board, Row
from centre.desk.cases import AGAIN_NS, ALARMS_MAX, LASTS_NS, SAME_NS, TOGETHER_NS, Alarm, cases_of
from centre.desk.rows import parts_of
from centre.desk_tables import HANDLING

_since_ns: sa.BindParameter[int] = sa.bindparam("since_ns")
_until_ns: sa.BindParameter[int] = sa.bindparam("until_ns")
_may_join = sa.and_(HANDLING.c.kind == "violation", HANDLING.c.case_n < ALARMS_MAX)
_of_vehicle = sa.and_(
    HANDLING.c.vehicle == sa.bindparam("vehicle"),
    HANDLING.c.start_ns.between(_since_ns - LASTS_NS, _until_ns), HANDLING.c.last_ns >= _since_ns, _may_join,
)  # fmt: skip
_of_rule = sa.and_(
    HANDLING.c.rule == sa.bindparam("rule"), HANDLING.c.start_ns.between(_since_ns, _until_ns), _may_join
)


def regroup(board: Board, touched: Sequence[str]) -> None:
    """Put these alarms, and those that belonged to them before or do now, into their cases.

    A full case stays as it is, so that a vehicle that flaps for hours costs no more with each alarm.
    """
    concerned: dict[str, None] = {row["id"]: None for row in board.those(touched) if not _is_full(row)}
    expanded: set[str] = set()
    former: set[str] = set()
    while True:
        rows = board.those(concerned)
        cases = {row["case_id"] for row in rows} - former
        former |= cases
        unread = [row for row in rows if row["id"] not in expanded]
        if not cases and not unread:
            break
        members = [
            each for some in parts_of(cases) for each in board.load_where(HANDLING.c.case_id.in_(some))
        ]
        concerned |= dict.fromkeys(members)
        _load_near(board, unread)
        expanded.update(row["id"] for row in unread)
        for ids in _cases(board).values():
            if not concerned.keys().isdisjoint(ids):
                concerned |= dict.fromkeys(ids)
    for first, ids in _cases(board).items():
        for each in ids:
            if each in concerned:
                board.change(each, case_id=first, case_n=len(ids))


def _cases(board: Board) -> dict[str, list[str]]:
    return cases_of([_alarm(row) for row in board.rows.values() if _counts(row)])


def _is_full(row: Row) -> bool:
    return bool(row["case_n"] >= ALARMS_MAX)


def _counts(row: Row) -> bool:
    return (
        row["kind"] == "violation"
        and row["lon_deg"] is not None
        and not row["exercise"]
        and not _is_full(row)
    )


def _alarm(row: Row) -> Alarm:
    return Alarm(*[row[name] for name in Alarm._fields])


def _load_near(board: Board, rows: Iterable[Row]) -> None:
    """Read whatever `cases_of` could join with these alarms."""
    for row in rows:
        if not _counts(row):
            continue
        if row["vehicle"] is not None:
            until_ns = max(row["last_ns"] + AGAIN_NS, row["start_ns"] + TOGETHER_NS)
            board.load_where(
                _of_vehicle, vehicle=row["vehicle"], since_ns=row["start_ns"] - AGAIN_NS, until_ns=until_ns
            )
        since_ns, until_ns = row["start_ns"] - SAME_NS, row["start_ns"] + SAME_NS
        board.load_where(_of_rule, rule=row["rule"], since_ns=since_ns, until_ns=until_ns)
