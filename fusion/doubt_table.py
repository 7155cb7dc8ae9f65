"""The memory of doubt: evidence against each terminal, and where radar has seen vehicles of late.

Columns are imported as `col`. Site metres; stamps are UTC nanoseconds, 0 never.
"""

from typing import NamedTuple

import msgspec
import numpy as np

from core.arrays import F2, F64, I1, I2, I64, U8
from fusion.columns import Columns, columns_of, read_floats, read_ints

# Kinds of doubt, as bits
GHOST, DRAGGED, FROZEN, OVERCONFIDENT = 1, 2, 4, 8
# It fails in a jam; it is the one that bears the jam's name; the track, of whatever terminal, is in its area
JAMMED, BEARS_JAM, IN_JAM = 16, 32, 64
# Radar sees no vehicle where the terminal reports, as with a ghost, but once saw it with one: so the vehicle
# exists and the reported place is wrong. The violation's reason is `dragged`
ASTRAY = 128
NAMES = {  # of `gnss_integrity`
    DRAGGED: "dragged", FROZEN: "frozen", OVERCONFIDENT: "overconfident", BEARS_JAM: "jammed",
}  # fmt: skip
OF_TERMINAL = GHOST | DRAGGED | FROZEN | OVERCONFIDENT | ASTRAY  # none of these while it is jammed

# Column of `ints` (n, N_INT), one row for each terminal:
# KINDS bits; LOOKED_NS last tick of the ghost's evidence, of the track with SERIAL;
# VEHICLE row + 1 of the radar's track that its fixes are compared with, VEHICLE_SERIAL its serial number,
# ERROR_NS stamp of the last error, BOUND_NS of the last one while bound to it;
# ANCHOR_NS stamp of the first of equal fixes, REPEATS how many followed;
# TIMED_SERIAL serial number + 1 of the vehicle that its clock is compared with, 0 none, TIMED_FROM_NS stamp
# of the first such fix, TIMED_NS of the last, TIMED_AT_NS the arrival of the last
KINDS, LOOKED_NS, SERIAL, VEHICLE, VEHICLE_SERIAL, ERROR_NS, BOUND_NS, ANCHOR_NS, REPEATS = range(9)
TIMED_SERIAL, TIMED_FROM_NS, TIMED_NS, TIMED_AT_NS = range(9, 13)
JAM_SHOWS_NS = 2_000_000_000  # so soon after the first one fails, others do
SOUND, FAILING = 1, 2  # STATE, 0 not known
NOISY_CHI2 = 9.21  # NOISE beyond it (two dimensions): 1 in 100, were the errors of all looks the same
# PLACED_NS, LOST_NS stamps of the last report with a position, without; FAILS_NS the tick since which it
# fails, 0 it does not; STATE of the last tick (fusion.doubt_jam);
# PLAIN_NS the last tick at which its own track was in plain sight of a radar that did not see it;
# PROVED 1 once radar has followed it, bound to a vehicle, for as long as means are compared over
PLACED_NS, LOST_NS, FAILS_NS, STATE, PLAIN_NS, PROVED = range(13, 19)
N_INT = 19
INT_COLUMNS = (
    "kinds", "looked_ns", "serial", "vehicle", "vehicle_serial", "error_ns", "bound_ns", "anchor_ns",
    "repeats", "timed_serial", "timed_from_ns", "timed_ns", "timed_arrived_ns", "placed_ns", "lost_ns",
    "fails_ns", "state", "plain_ns", "proved",
)  # fmt: skip
# Column of `floats` (n, N_FLOAT):
# UNSEEN log probability that radar misses a vehicle there;
# FAST, SLOW mean errors east and north over the last few and twenty seconds [m], over AGE_S seconds at most;
# SQUARES sum of squared normalised errors over LOOKS independent looks;
# ANCHOR the place of equal fixes, STOOD the vehicle's place at the first of them;
# TIMED_N so many fixes show MEAN and squared SPREAD of the clock's offset [s], the QUICKest way of a report
# [s], the vehicle's mean speed MPS; CLOCK_S the offset that was just found, else 0
UNSEEN, FAST_E, FAST_N, SLOW_E, SLOW_N, AGE_S, SQUARES, LOOKS, ANCHOR_E, ANCHOR_N, STOOD_E, STOOD_N = range(
    12
)
TIMED_N, TIMED_MEAN, TIMED_SPREAD, TIMED_QUICK, TIMED_MPS, CLOCK_S = range(12, 18)
# NOISE mean of the last squared errors; AT the vehicle's place at the last tick, FAILS where it began to fail
NOISE, AT_E, AT_N, FAILS_E, FAILS_N = range(18, 23)
# SLIDE_AT mean of the error along and across the vehicle's course, SLIDE_VAR its variances, that course as a
# unit vector; then ONSETS of a slide, from the oldest on (fusion.doubt_slide)
SLIDE_AT, SLIDE_VAR, SLIDE_C, SLIDE_S, ONSET = 23, 25, 27, 28, 29
ONSETS, N_OF_ONSET = 6, 7
# STEP the last error, its MEAN change in a second; sum of their normalised squares, worth so many LOOKS
STEP_E, STEP_N, STEP_MEAN_E, STEP_MEAN_N, STEP_SQUARES, STEP_LOOKS = (
    ONSET + ONSETS * N_OF_ONSET + k for k in range(6)
)
N_FLOAT = STEP_LOOKS + 1
OF_ONSET = (
    "age_s", "response_along_s", "response_across_s", "score_along", "score_across", "power_along",
    "power_across",
)  # fmt: skip
FLOAT_COLUMNS = (
    "unseen", "fast_east_m", "fast_north_m", "slow_east_m", "slow_north_m", "age_s", "squares", "looks",
    "anchor_east_m", "anchor_north_m", "stood_east_m", "stood_north_m", "timed_n", "timed_mean_s",
    "timed_spread_s2", "timed_quick_s", "timed_mps", "clock_s", "noise", "at_east_m", "at_north_m",
    "fails_east_m", "fails_north_m", "slide_along_m", "slide_across_m", "slide_var_along_m2",
    "slide_var_across_m2", "slide_course_east", "slide_course_north",
    *(f"onset{k}_{name}" for k in range(ONSETS) for name in OF_ONSET),
    "step_east_m", "step_north_m", "step_mean_east_mps", "step_mean_north_mps", "step_squares", "step_looks",
)  # fmt: skip
CELLS = 16_384  # some hundred cells of a road of 2 km, three courses in each
# Column of `jam_ints` (JAMS, 3): since when, 0 none; the last tick at which somebody failed; row + 1 of the
# terminal that bears the name. Of `jams` (JAMS, 3): its centre and reach [m]
JAMS = 8
JAM_MARGIN_M = 100.0  # around the places of those that fail
J_SINCE_NS, J_LAST_NS, J_BEARER = range(3)
J_EAST, J_NORTH, J_REACH = range(3)
JAM_COLUMNS, JAM_PLACES = ("since_ns", "last_ns", "bearer"), ("east_m", "north_m", "reach_m")
REACH_COLUMNS = ("place", "cell", "stamp_ns")


class Doubts(NamedTuple):
    """The arrays, as kernels read them."""

    ints: I2  # (n, N_INT)
    floats: F2  # (n, N_FLOAT)
    reach_cell: I1  # (CELLS,) cell of each place of the hashed table
    reach_ns: I1  # (CELLS,) when radar last saw a vehicle there
    jam_ints: I2  # (JAMS, 3)
    jams: F2  # (JAMS, 3)


class DoubtState(msgspec.Struct, frozen=True, kw_only=True):
    """The whole memory; what is missing starts fresh."""

    ints: Columns | None = None  # terminal, INT_COLUMNS
    floats: Columns | None = None  # the same rows: FLOAT_COLUMNS
    reach: Columns | None = None  # REACH_COLUMNS
    jams: Columns | None = None  # JAM_COLUMNS of the present ones
    jam_places: Columns | None = None  # the same rows: JAM_PLACES


class DoubtTable:
    """The arrays, which grow with the terminals."""

    def __init__(self) -> None:
        self.rows = Doubts(
            ints=np.zeros((64, N_INT), dtype=np.int64),
            floats=np.zeros((64, N_FLOAT)),
            reach_cell=np.zeros(CELLS, dtype=np.int64),
            reach_ns=np.zeros(CELLS, dtype=np.int64),
            jam_ints=np.zeros((JAMS, len(JAM_COLUMNS)), dtype=np.int64),
            jams=np.zeros((JAMS, len(JAM_PLACES))),
        )

    def reserve(self, n: int) -> None:
        """Make room for n terminals."""
        have = len(self.rows.ints)
        if n <= have:
            return
        more = max(n, 2 * have) - have
        self.rows = self.rows._replace(
            ints=np.concatenate([self.rows.ints, np.zeros((more, N_INT), dtype=np.int64)]),
            floats=np.concatenate([self.rows.floats, np.zeros((more, N_FLOAT))]),
        )

    def pop_clocks(self, terminal: I64) -> list[tuple[int, float]]:
        """Return the offsets [s] of clocks that were just found, by the terminals' rows, and forget them."""
        found = self.rows.floats[:, CLOCK_S]
        offsets = [(w, float(found[w])) for w in dict.fromkeys(terminal.tolist()) if found[w]]
        for w, _ in offsets:
            found[w] = 0.0
        return offsets

    def kinds(self, terminal: I64) -> U8:
        """Return the bits (n,) of the terminals' rows; 0 for -1."""
        known = (terminal >= 0) & (terminal < len(self.rows.ints))
        kinds = np.where(known, self.rows.ints[np.where(known, terminal, 0), KINDS], 0)
        kinds = np.where(kinds & ASTRAY, kinds | DRAGGED, kinds)
        return np.where(kinds & JAMMED, kinds & ~OF_TERMINAL, kinds).astype(np.uint8)

    def in_jam(self, east_m: F64, north_m: F64) -> U8:
        """Return the bit IN_JAM where places (n,) lie in the area of a jam."""
        bits = np.zeros(len(east_m), dtype=np.uint8)
        for j in np.flatnonzero(self.rows.jam_ints[:, J_SINCE_NS]).tolist():
            east, north, reach_m = self.rows.jams[j].tolist()
            bits[np.hypot(east_m - east, north_m - north) <= reach_m + JAM_MARGIN_M] = IN_JAM
        return bits

    def state(self) -> DoubtState:
        """Return the memory in named columns."""
        ints, floats = self.rows.ints, self.rows.floats
        used = np.flatnonzero(ints.any(axis=1) | floats.any(axis=1))
        seen = np.flatnonzero(self.rows.reach_ns)
        jams = np.flatnonzero(self.rows.jam_ints[:, J_SINCE_NS])
        reach: I64 = np.column_stack([seen, self.rows.reach_cell[seen], self.rows.reach_ns[seen]])
        return DoubtState(
            ints=columns_of(("terminal", *INT_COLUMNS), np.column_stack([used, ints[used]])),
            floats=columns_of(FLOAT_COLUMNS, floats[used]),
            reach=columns_of(REACH_COLUMNS, reach),
            jams=columns_of(JAM_COLUMNS, self.rows.jam_ints[jams]),
            jam_places=columns_of(JAM_PLACES, self.rows.jams[jams]),
        )

    def restore(self, state: DoubtState | None) -> None:
        """Continue from a state; None: nothing is known."""
        if state is None:
            return
        ints = read_ints(state.ints, ("terminal", *INT_COLUMNS))
        floats: F64 = read_floats(state.floats, FLOAT_COLUMNS)
        self.reserve(int(ints[:, 0].max()) + 1 if len(ints) else 0)
        self.rows.ints[ints[:, 0]] = ints[:, 1:]
        self.rows.floats[ints[:, 0]] = floats
        jams = read_ints(state.jams, JAM_COLUMNS)[:JAMS]
        places = read_floats(state.jam_places, JAM_PLACES)[:JAMS]
        if len(jams) == len(places):
            self.rows.jam_ints[: len(jams)], self.rows.jams[: len(jams)] = jams, places
        reach = read_ints(state.reach, REACH_COLUMNS)
        self.rows.reach_cell[reach[:, 0]], self.rows.reach_ns[reach[:, 0]] = reach[:, 1], reach[:, 2]
