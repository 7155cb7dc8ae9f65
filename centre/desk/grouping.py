"""Puts alarms of the database into their cases: only those that a change can concern are read. Blocking."""

import math
from collections.abc import Iterable, Sequence

from centre.desk.board import Board, Row
from centre.desk.cases import (
    AGAIN_NS,
    EARTH_M,
    SAME_M,
    SAME_NS,
    TOGETHER_NS,
    Alarm,
    cases_of,
)  # fmt: skip
from centre.desk.statements import Window
from centre.desk_tables import ALARMS_MAX

REACH_DEG = math.degrees(1.01 * SAME_M / EARTH_M)  # a little more than the rule's: it decides itself
COSINE_MIN = 0.01  # beyond, a degree of longitude is no length: nothing on a road


def regroup(board: Board, touched: Sequence[str]) -> None:
    """Put these alarms, and those that belonged to them before or do now, into their cases.

    A full case stays as it is, so that a vehicle that flaps for hours costs no more with each alarm.
    """
    concerned: dict[str, None] = {row["id"]: None for row in board.those(touched) if not _is_full(row)}
    expanded: set[str] = set()
    former: set[str] = set()
    n_read, found = -1, dict[str, list[str]]()
    while True:
        rows = board.those(concerned)
        cases = {row["case_id"] for row in rows} - former
        former |= cases
        unread = [row for row in rows if row["id"] not in expanded]
        if not cases and not unread:
            break
        concerned |= dict.fromkeys(board.load_cases(cases))
        board.load_near(*_windows(unread))
        expanded.update(row["id"] for row in unread)
        if len(board.rows) != n_read:
            n_read, found = len(board.rows), _cases(board)
        for ids in found.values():
            if not concerned.keys().isdisjoint(ids):
                concerned |= dict.fromkeys(ids)
    for first, ids in found.items():
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


def _windows(rows: Iterable[Row]) -> tuple[list[Window], list[Window]]:
    """Return where alarms lie that `cases_of` could join with these: by vehicle, by rule and place.

    Rows close to each other have one window together, so that no row is read for each of its neighbours.
    """
    vehicles: dict[str, tuple[int, int]] = {}
    places: dict[tuple[str, int, int, int], list[Row]] = {}
    for row in rows:
        if not _counts(row):
            continue
        if row["vehicle"] is not None:
            until_ns = max(row["last_ns"] + AGAIN_NS, row["start_ns"] + TOGETHER_NS)
            known = vehicles.get(row["vehicle"], (row["start_ns"] - AGAIN_NS, until_ns))
            vehicles[row["vehicle"]] = min(known[0], row["start_ns"] - AGAIN_NS), max(known[1], until_ns)
        cell = [int(row[name] // REACH_DEG) for name in ("lat_deg", "lon_deg")]
        places.setdefault((row["rule"], row["start_ns"] // SAME_NS, cell[0], cell[1]), []).append(row)
    return [(vehicle, *span) for vehicle, span in vehicles.items()], [
        (rule, *_around(some)) for (rule, *_), some in places.items()
    ]


def _around(rows: Sequence[Row]) -> tuple[int, int, float, float, float, float]:
    """Return from when until when, and between which degrees, the rule of places joins with these."""
    starts_ns, lats, lons = ([row[name] for row in rows] for name in ("start_ns", "lat_deg", "lon_deg"))
    south, north = min(lats) - REACH_DEG, max(lats) + REACH_DEG
    cosine = math.cos(math.radians(max(abs(south), abs(north))))
    reach = REACH_DEG / cosine if cosine > COSINE_MIN else 360.0
    return (
        min(starts_ns) - SAME_NS, max(starts_ns) + SAME_NS, south, north, min(lons) - reach, max(lons) + reach
    )  # fmt: skip
