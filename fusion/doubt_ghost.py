"""Whether there is a vehicle where a terminal says it is: radar's misses in plain sight as log odds."""

import math

from core.arrays import B1
from core.kernel import kernel
from fusion import doubt_table as col
from fusion import layout as at
from fusion.doubt_clock import is_timed
from fusion.doubt_table import Doubts
from fusion.layout import Settings, States, Terminals, Tracks
from fusion.models import predict_to
from fusion.shadows import DETECTED_NS, hides_beyond
from fusion.visibility import is_in_field

CELL_M = 16.0  # a vehicle passes it within a second: many scans
SECTORS = 16  # of courses: one is proved by those up to one and a half sectors, 34 degrees, beside it
REACH_NS = 60_000_000_000  # a place where radar saw no vehicle for a minute may be blocked or too far for it
# Misses that share a cause (aspect, clutter, what stands between) last while the vehicle drives about its own
# length: one look a second is independent of the last
LOOK_S = 1.0
STEP_S_MAX = 0.2  # ticks come each 0.1 s; after a gap nothing is known of the time between
REPORTED_NS = 2_000_000_000  # its last fix is newer: the place is the terminal's own word
KNOWN_NS = 2_000_000_000  # a vehicle that was seen or reported since then is still there, and hides others
MOVES_MPS = 2.0  # radars suppress what stands
PLACE_SIGMA_M_MAX = 5.0  # more uncertain, it may be behind something, or another vehicle
# Errors of fixes are stated too small by up to this factor (the identity's evidence takes the same), and a
# truck reflects up to half its length from its centre
WIDE, HALF_LENGTH_M = 2.5, 6.0
PACE_MPS = 3.0  # another vehicle that keeps its pace so closely may be the terminal's own
GHOST_MIN = math.log(1e-3)  # less likely than this, radar would miss a vehicle: as sure as a binding
# What a receiver loses under a bridge or between buildings it finds again within this; until then a vehicle
# that radar followed elsewhere is another one
ELSEWHERE_NS = 60_000_000_000
# Error of a vehicle's centre beside those of fix and track: where radar sees its end, where its antenna sits
SAME_M = 1.0
NOBODY, NAMED, ANOTHER = 0, 1, 2  # what radar sees at a terminal's place


@kernel(inner=True)
def _sector(v_east: float, v_north: float) -> int:
    """Return the sector of a course."""
    return math.floor((math.atan2(v_north, v_east) + math.pi) / (2.0 * math.pi) * SECTORS) % SECTORS


@kernel(inner=True)
def _cell(east_m: float, north_m: float, sector: int) -> tuple[int, int]:
    """Return the cell of a place and a course, and its place in the table."""
    ix, iy = math.floor(east_m / CELL_M), math.floor(north_m / CELL_M)
    cell = ((ix + 1_000_000) * 4_000_000 + iy + 1_000_000) * SECTORS + sector
    return cell, (ix * 73_856_093 + iy * 19_349_663 + sector * 83_492_791) % col.CELLS


@kernel(inner=True)
def _note_reach(tracks: Tracks, doubts: Doubts, t_ns: int) -> None:
    """Note the cells and courses in which radar sees confirmed vehicles."""
    ints, X = tracks.ints, tracks.states.X
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] == at.CONFIRMED and abs(t_ns - ints[i, at.RADAR_NS]) <= DETECTED_NS:
            sector = _sector(X[i, at.V_EAST], X[i, at.V_NORTH])
            for beside in range(-1, 2):
                cell, place = _cell(X[i, at.EAST], X[i, at.NORTH], (sector + beside) % SECTORS)
                doubts.reach_cell[place], doubts.reach_ns[place] = cell, t_ns


@kernel(inner=True)
def _may_be_shaded(
    tracks: Tracks, doubts: Doubts, t_ns: int, settings: Settings, q: int, east_m: float, north_m: float
) -> bool:
    """Return whether a vehicle that somebody knows of may hide a place from radar q.

    In a column each lorry is in the shadow of the one ahead: radar need not see who hides another. So one
    that only reports does as well, unless nobody was seen where it reports.
    """
    ints = tracks.ints
    for b in range(tracks.tally[at.T_HIGH]):
        if (
            ints[b, at.STATUS] != at.CONFIRMED
            or t_ns - max(ints[b, at.RADAR_NS], ints[b, at.GNSS_NS]) > KNOWN_NS
        ):
            continue
        w = ints[b, at.TERMINAL]
        if w >= 0 and doubts.ints[w, col.KINDS] & (col.GHOST | col.ASTRAY):
            continue
        if hides_beyond(tracks, b, settings.radars, q, east_m, north_m):
            return True
    return False


@kernel(inner=True)
def _would_be_seen(
    tracks: Tracks, doubts: Doubts, t_ns: int, settings: Settings, works: B1, scratch: States
) -> bool:
    """Return whether a radar that scans sees the vehicle of scratch's row 0.

    In its field, in no shadow, and proved by others that drove there the same way: what crosses on a bridge
    does not.
    """
    X = scratch.X
    east_m, north_m = X[0, at.EAST], X[0, at.NORTH]
    cell, place = _cell(east_m, north_m, _sector(X[0, at.V_EAST], X[0, at.V_NORTH]))
    if doubts.reach_cell[place] != cell or t_ns - doubts.reach_ns[place] > REACH_NS:
        return False
    for q in range(works.shape[0]):
        if not works[q] or not is_in_field(settings.radars, q, east_m, north_m):
            continue
        if not _may_be_shaded(tracks, doubts, t_ns, settings, q, east_m, north_m):
            return True
    return False


@kernel(inner=True)
def was_elsewhere(tracks: Tracks, terminals: Terminals, w: int, i: int, t_ns: int) -> bool:
    """Return whether radar followed track i already when it saw that nobody was where terminal w was."""
    alone_ns = terminals.ints[w, at.ALONE_NS]
    is_of_now = alone_ns > 0 and t_ns - alone_ns <= ELSEWHERE_NS
    return bool(is_of_now and tracks.ints[i, at.BORN] < alone_ns and tracks.ints[i, at.TERMINAL] != w)


@kernel(inner=True)
def _may_be_another(
    tracks: Tracks, terminals: Terminals, i: int, t_ns: int, scratch: States, variance_m2: float
) -> int:
    """Return whether a vehicle that radar sees may be that of track i's terminal: ANOTHER, NAMED or NOBODY.

    One at that very place that bears another terminal's name may have it wrongly: then that one is the ghost.

    scratch : track i predicted to t_ns, as row 0
    """
    ints, X, w = tracks.ints, tracks.states.X, tracks.ints[i, at.TERMINAL]
    near_m = HALF_LENGTH_M + 3.0 * WIDE * math.sqrt(variance_m2)
    same_m = SAME_M + 3.0 * math.sqrt(variance_m2)
    found = NOBODY
    for o in range(tracks.tally[at.T_HIGH]):
        if o == i or ints[o, at.STATUS] == at.FREE:
            continue
        if abs(t_ns - ints[o, at.RADAR_NS]) > DETECTED_NS:
            continue
        age_s = (t_ns - ints[o, at.STAMP]) * 1e-9
        v_e, v_n = X[o, at.V_EAST], X[o, at.V_NORTH]
        away = math.hypot(
            X[o, at.EAST] + v_e * age_s - scratch.X[0, at.EAST],
            X[o, at.NORTH] + v_n * age_s - scratch.X[0, at.NORTH],
        )
        pace = math.hypot(v_e - scratch.X[0, at.V_EAST], v_n - scratch.X[0, at.V_NORTH])
        may_be = pace <= PACE_MPS or ints[o, at.STATUS] != at.CONFIRMED
        if away > near_m or not may_be or was_elsewhere(tracks, terminals, w, o, t_ns):
            continue
        if ints[o, at.TERMINAL] < 0:
            return ANOTHER
        if away <= same_m:
            found = NAMED
    return found


@kernel(inner=True)
def _evidence(
    tracks: Tracks, terminals: Terminals, doubts: Doubts, i: int, t_ns: int, settings: Settings, works: B1,
    scratch: States,
) -> float:  # fmt: skip
    """Return +1 where radar does not see track i's vehicle although it would, -1 where it may, else 0."""
    ints, P = tracks.ints, scratch.P
    if t_ns - max(ints[i, at.GNSS_NS], ints[i, at.FIX_ACCEPTED_NS]) > REPORTED_NS:
        return 0.0
    predict_to(tracks.states, i, scratch, 0, max(t_ns - ints[i, at.STAMP], 0) * 1e-9, settings.tuning)
    variance_m2 = (P[0, at.EAST, at.EAST] + P[0, at.NORTH, at.NORTH]) / 2.0
    if variance_m2 > PLACE_SIGMA_M_MAX**2:
        return 0.0
    if math.hypot(scratch.X[0, at.V_EAST], scratch.X[0, at.V_NORTH]) < MOVES_MPS:
        return 0.0
    w, plain = ints[i, at.TERMINAL], _would_be_seen(tracks, doubts, t_ns, settings, works, scratch)
    if plain:
        doubts.ints[w, col.PLAIN_NS] = t_ns
    other = _may_be_another(tracks, terminals, i, t_ns, scratch, variance_m2)
    if other == ANOTHER:
        return -1.0
    return 1.0 if plain and other == NOBODY and not is_timed(doubts, w, t_ns) else 0.0


@kernel
def look_for_ghosts(
    tracks: Tracks, terminals: Terminals, doubts: Doubts, t_ns: int, settings: Settings, works: B1,
    scratch: States,
) -> None:  # fmt: skip
    """Advance the evidence of all terminals' tracks by one tick, and their bits GHOST and ASTRAY.

    works : (n_radars,) radar q scans.  Each second in plain sight is one look that misses a vehicle with
    1 - P_D; a vehicle that may be the terminal's takes the same back, one that is measured as its own all.
    What radar follows while it misses a ghost is not the ghost's vehicle, wherever either drives later. Whose
    terminal was with a vehicle has one still, elsewhere: a place that is off is likelier than none.
    """
    ints, seen, odds = tracks.ints, doubts.ints, doubts.floats
    per_s = -math.log(1.0 - settings.tuning[at.P_DETECT]) / LOOK_S
    _note_reach(tracks, doubts, t_ns)
    for i in range(tracks.tally[at.T_HIGH]):
        w = ints[i, at.TERMINAL]
        if w < 0 or ints[i, at.STATUS] != at.CONFIRMED:
            continue
        if seen[w, col.SERIAL] != ints[i, at.SERIAL]:
            seen[w, col.SERIAL], odds[w, col.UNSEEN] = ints[i, at.SERIAL], 0.0
        step_s = min(max(t_ns - seen[w, col.LOOKED_NS], 0) * 1e-9, STEP_S_MAX)
        seen[w, col.LOOKED_NS] = t_ns
        if ints[i, at.RADAR_NS] > 0 and t_ns - ints[i, at.RADAR_NS] <= settings.tuning[at.RADAR_TIMEOUT_NS]:
            odds[w, col.UNSEEN], terminals.ints[w, at.ALONE_NS], sign = 0.0, 0, 0.0
        else:
            sign = _evidence(tracks, terminals, doubts, i, t_ns, settings, works, scratch)
            unseen = odds[w, col.UNSEEN] - sign * step_s * per_s
            odds[w, col.UNSEEN] = min(max(unseen, 2.0 * GHOST_MIN), 0.0)  # so sure that 3 s undo it
        is_ghost = odds[w, col.UNSEEN] <= GHOST_MIN
        kind = col.ASTRAY if seen[w, col.PROVED] else col.GHOST
        seen[w, col.KINDS] = seen[w, col.KINDS] & ~(col.GHOST | col.ASTRAY) | (kind if is_ghost else 0)
        # not where its receiver is known to err: its vehicle is elsewhere, among those that radar follows
        if is_ghost and sign > 0.0 and not seen[w, col.KINDS] & ~col.GHOST:
            terminals.ints[w, at.ALONE_NS] = t_ns
