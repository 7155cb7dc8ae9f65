"""Doubt in a terminal, as it is sent to a neighbour: it holds there until that has looked for itself."""

import math

import msgspec

from core.times import FUTURE_NS
from fusion import doubt_table as col
from fusion import layout as at
from fusion.doubt_ghost import GHOST_MIN
from fusion.doubt_table import DoubtTable
from fusion.track_store import TrackStore

Vector = tuple[float, float]
KINDS = col.GHOST | col.ASTRAY | col.DRAGGED | col.FROZEN | col.OVERCONFIDENT  # a terminal's own
PLACE_M_MAX, SUM_MAX, REPEATS_MAX = 200_000.0, 1e6, 2**31
SURE = 2.0 * GHOST_MIN  # of a ghost, at most


class CarriedJam(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The area in which receivers fail; its terminal bears the jam's name."""

    since_ns: int
    place_m: Vector
    reach_m: float


class CarriedDoubt(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """What an RSU holds against a terminal: kinds of doubt, and the sums that they rest on."""

    kinds: int = 0  # bits of fusion.doubt_table, those in KINDS
    proved: bool = False  # radar has followed it, bound to a vehicle
    unseen: float = 0.0  # log probability that radar misses a vehicle there
    error_m: Vector = (0.0, 0.0)  # mean over the last seconds, east and north
    squares: float = 0.0  # of normalised errors, over so many independent looks
    looks: float = 0.0
    step_squares: float = 0.0  # the same of their steps
    step_looks: float = 0.0
    anchor_ns: int = 0  # first of equal fixes; 0: the last two differ
    repeats: int = 0
    anchor_m: Vector = (0.0, 0.0)  # their place
    stood_m: Vector | None = (0.0, 0.0)  # the vehicle's at the first of them; None: radar had lost it
    jam: CarriedJam | None = None


def carried_doubt(doubts: DoubtTable, w: int) -> CarriedDoubt:
    """Return what is held against terminal w."""
    if w >= len(doubts.rows.ints):
        return CarriedDoubt()
    ints, floats = doubts.rows.ints[w].tolist(), doubts.rows.floats[w].tolist()
    stood = (floats[col.STOOD_E], floats[col.STOOD_N])
    return CarriedDoubt(
        kinds=ints[col.KINDS] & KINDS,
        proved=ints[col.PROVED] != 0,
        unseen=floats[col.UNSEEN],
        error_m=(floats[col.FAST_E], floats[col.FAST_N]),
        squares=floats[col.SQUARES],
        looks=floats[col.LOOKS],
        step_squares=floats[col.STEP_SQUARES],
        step_looks=floats[col.STEP_LOOKS],
        anchor_ns=ints[col.ANCHOR_NS],
        repeats=ints[col.REPEATS],
        anchor_m=(floats[col.ANCHOR_E], floats[col.ANCHOR_N]),
        stood_m=None if math.isnan(stood[0]) else stood,
        jam=_jam_of(doubts, w),
    )


def _jam_of(doubts: DoubtTable, w: int) -> CarriedJam | None:
    for jam, (east_m, north_m, reach_m) in zip(
        doubts.rows.jam_ints.tolist(), doubts.rows.jams.tolist(), strict=True
    ):
        if jam[col.J_SINCE_NS] and jam[col.J_BEARER] == w + 1:
            return CarriedJam(since_ns=jam[col.J_SINCE_NS], place_m=(east_m, north_m), reach_m=reach_m)
    return None


def is_sound(doubt: CarriedDoubt | None, now_ns: int) -> bool:
    """Whether a neighbour's doubt can be true by this clock; NaN fails each comparison."""
    if doubt is None:
        return True
    places = (*doubt.error_m, *doubt.anchor_m, *(doubt.stood_m or ()))
    jam = doubt.jam
    return (
        doubt.kinds & ~KINDS == 0
        and SURE <= doubt.unseen <= 0.0
        and all(abs(place) <= PLACE_M_MAX for place in places)
        and all(
            0.0 <= one <= SUM_MAX
            for one in (doubt.squares, doubt.looks, doubt.step_squares, doubt.step_looks)
        )
        and 0 <= doubt.anchor_ns <= now_ns + FUTURE_NS
        and 0 <= doubt.repeats <= REPEATS_MAX
        and (
            jam is None
            or (
                0 < jam.since_ns <= now_ns + FUTURE_NS
                and all(abs(place) <= PLACE_M_MAX for place in jam.place_m)
                and 0.0 <= jam.reach_m <= PLACE_M_MAX
            )
        )
    )


def adopt_doubt(
    doubts: DoubtTable, store: TrackStore, w: int, i: int, now_ns: int, doubt: CarriedDoubt
) -> None:
    """Hold a neighbour's doubt against terminal w, bound to row i, where we know nothing of it yet.

    What we have found out ourselves stays; the neighbour's flags hold until our own evidence clears them.
    """
    doubts.reserve(w + 1)
    ints, floats = doubts.rows.ints[w], doubts.rows.floats[w]
    flags, radar_ns = doubt.kinds, int(store.ints[i, at.RADAR_NS])
    ints[col.PROVED] |= doubt.proved
    looks_ourselves = ints[col.LOOKED_NS] > 0 and ints[col.SERIAL] == store.ints[i, at.SERIAL]
    if looks_ourselves or floats[col.UNSEEN] < 0.0:
        flags &= ~(col.GHOST | col.ASTRAY)
    else:
        ints[col.SERIAL], ints[col.LOOKED_NS] = store.ints[i, at.SERIAL], now_ns
        floats[col.UNSEEN] = max(
            doubt.unseen, GHOST_MIN
        )  # the first vehicle here that may be its own undoes it
    if radar_ns > 0 and not ints[col.VEHICLE]:  # it is its vehicle: means and anchor need not begin anew
        ints[col.VEHICLE], ints[col.VEHICLE_SERIAL] = i + 1, store.ints[i, at.SERIAL]
    if floats[col.AGE_S] == 0.0:
        floats[col.FAST_E], floats[col.FAST_N] = doubt.error_m
        floats[col.SQUARES], floats[col.LOOKS] = doubt.squares, doubt.looks
        floats[col.STEP_SQUARES], floats[col.STEP_LOOKS] = doubt.step_squares, doubt.step_looks
    if ints[col.ANCHOR_NS]:
        flags &= ~col.FROZEN
    else:
        ints[col.ANCHOR_NS], ints[col.REPEATS] = doubt.anchor_ns, doubt.repeats
        floats[col.ANCHOR_E], floats[col.ANCHOR_N] = doubt.anchor_m
        floats[col.STOOD_E], floats[col.STOOD_N] = doubt.stood_m or (float("nan"), float("nan"))
    ints[col.KINDS] |= flags
    if doubt.jam is not None:
        _adopt_jam(doubts, w, now_ns, doubt.jam)


def _adopt_jam(doubts: DoubtTable, w: int, now_ns: int, jam: CarriedJam) -> None:
    """Know a neighbour's jam, borne by terminal w, unless it lies in one of ours or there is no room."""
    ints, places = doubts.rows.jam_ints, doubts.rows.jams
    east_m, north_m = jam.place_m
    for (since_ns, _, _), (e, n, reach_m) in zip(ints.tolist(), places.tolist(), strict=True):
        away2 = (east_m - e) ** 2 + (north_m - n) ** 2
        if since_ns and away2 <= (reach_m + jam.reach_m + col.JAM_MARGIN_M) ** 2:
            return
    free = [j for j, row in enumerate(ints.tolist()) if not row[col.J_SINCE_NS]]
    if free:
        ints[free[0]] = jam.since_ns, now_ns, w + 1
        places[free[0]] = east_m, north_m, jam.reach_m
        doubts.rows.ints[w, col.KINDS] |= col.JAMMED | col.BEARS_JAM
