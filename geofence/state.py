"""The memory of the monitor: one row for each judged track, in parallel arrays.

`State.graded` numbers the rules that have a row of evidence, `State.measured` those with columns in the ring.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.arrays import F64, I64, U64, Bools

if TYPE_CHECKING:  # it loads what reads maps
    from geofence.map_changes import MapChanges

# columns of State.evidence, per rule: three CUSUMs, whether the evidence suffices, six hold timers (two for
# each grade), time for which the rule has been kept, the last value that was judged, time for which the
# rule was ever seen to be kept
CUSUM, ENOUGH, HELD, CLEAR_S, LAST_VALUE, KEPT_S = 0, 3, 4, 10, 11, 12
EVIDENCE = 13
# columns of State.evidence_ns, per rule: since when each CUSUM has been above zero; last over; last judged
SINCE, LAST_OVER, JUDGED = 0, 3, 4
EVIDENCE_NS = 5
# columns of State.drift, the tests of geofence.drift: place, speed and error across the lane, then the upper
# triangle of their covariance; wander, error and line of a driver who keeps the lane, and theirs; what
# innovations say of sigma^2, and of how many; half the permitted span; then RAMPS times the age of a ramp,
# its two sums, and what that driver would make of it. Then those of geofence.claim: the last fix (place,
# velocity, variance of its fresh error, whose terminal's + 1), how often the claim was checked, what is
# trusted, what is used, log likelihoods of its scales. Then the probability that it leaves its lane
# (geofence.keeping). Then those of geofence.crossing: what a course differs by from its lane, its variance,
# log likelihoods of its scales; whether it follows, half the span, the offset and the velocity across at the
# last fix; the look's age, way, offset and distance, and the same of ONSETS onsets; what the newest fix
# proves. Then those of geofence.shifts: how far places and course went across since the fix before; whether
# the error may have moved; for how long it has (0: it did not), by how much now and at most, and for how long
# its place was in the lane; for how long the next one is kept; what was known of course and claim before, and
# that next one. Then those of geofence.own_way: whether it was on its own way last and nothing shows that it
# left it; how far its course shows that it went across since; its last course as a unit vector
PLACE, PLACE_COV, DRIVER, DRIVER_COV, NIS, NIS_SEEN, SPAN, RAMP = 0, 3, 9, 12, 18, 19, 20, 21
RAMPS, N_OF_RAMP = 6, 6
CLAIM_FIX = RAMP + RAMPS * N_OF_RAMP
CLAIM_WHOSE, CHECKS, CLAIM_TRUST, CLAIM_USED, CLAIM_SCORE = (CLAIM_FIX + k for k in range(5, 10))
SCALES = 9
LEAVING = CLAIM_SCORE + SCALES
COURSE_OFF, COURSE_VAR, COURSE_SCORE = LEAVING + 1, LEAVING + 2, LEAVING + 3
COURSE_SCALES = 10  # of a course's own error nine, then that of one which is computed from the places
CROSSES = COURSE_SCORE + COURSE_SCALES
CROSS_SPAN, OFFSET_LAST, SLIP_LAST, LOOK, ONSET = (CROSSES + k for k in (1, 2, 3, 4, 8))
ONSETS, N_OF_ONSET = 6, 4
CROSSED = ONSET + ONSETS * N_OF_ONSET
STEP_M, STEP_WAY_M, DOUBTED = CROSSED + 1, CROSSED + 2, CROSSED + 3
MOVED_S, MOVED_M, MOST_M, CALM_S, KEPT_FOR_S, KNOWN = (CROSSED + k for k in range(4, 10))
N_KNOWN = 2 + COURSE_SCALES + SCALES  # COURSE_OFF, COURSE_VAR, the scores of the course and of the claim
KNOWN_NEXT = KNOWN + N_KNOWN
OWN_WAY, WAY_SLIP_M, WAY_EAST, WAY_NORTH = (KNOWN_NEXT + N_KNOWN + k for k in range(4))
N_DRIFT = WAY_NORTH + 1
# Log likelihoods end here, so that a receiver that drives from open road into a cutting is believed no longer
# than for four bad fixes: each says ln(1 / geofence.claim.P_ODD) = 4 nats at most
SCORE_MAX = 12.0
# columns of State.stamps: of the newest observation, of the ring's newest row; rows that the ring was given;
# since when the vehicle stands, drives in a dedicated lane, in another; of the track's first and newest
# measurement, judged here or not; of its newest fix; of its newest gap that a nameless track may not have.
# The rules' own stamps follow by name
LAST, RING_LAST, RING_ROWS, STANDING, DEDICATED, ELSEWHERE, BORN, SEEN, FIXED, GAPPED = range(10)
N_STAMPS = 10
SHARED_STAMPS = {  # those that are carried with a track
    "observed_ns": LAST,
    "standing_since_ns": STANDING,
    "dedicated_since_ns": DEDICATED,
    "elsewhere_since_ns": ELSEWHERE,
    "born_ns": BORN,
    "seen_ns": SEEN,
    "fixed_ns": FIXED,
    "gapped_ns": GAPPED,
}
# columns of State.flags: was seen moving; presumed to be hazmat; has an excuse to stand; lane held + 1; its
# terminal's places can't be believed; left the lanes between its entry and its exit gate
MOVED, PRESUMED, EXCUSED, HINT, MISPLACED, AWAY = range(6)
N_FLAGS = 6

MOVED_MPS = 3.0  # faster, a vehicle was seen moving, whatever the noise of its speed: it is no post
# So long a thing must live to be a vehicle, if no terminal says so: a radar holds what it takes for an object
# by mistake for about a second
LIFE_NS = 2_000_000_000
BOTH_NS = 1_000_000_000  # judged within this long of each other, two tracks are rivals for one vehicle
RING_LENGTH = 50
RING_STEP_NS = 195_000_000  # five a second, whatever the radars' phases
# columns of State.ring: place, station, offset and its sigma, speed, probability of a departure; then values
# and sigmas of measured rules
R_EAST, R_NORTH, R_S, R_D, R_SIGMA_D, R_SPEED, R_P_OUT, R_VALUE = range(8)
NEVER_ASKED: tuple[list[int], list[int]] = ([-1], [])  # -1 is no track


class State:
    """One row for each track, for its life; the arrays grow as tracks come."""

    def __init__(
        self,
        rules: Sequence[str],
        measured: Sequence[str],
        graded: Sequence[str],
        own_stamps: Sequence[str] = (),
    ) -> None:
        """Make room for 64 tracks.

        rules : all rules.  measured : those with a column of values.  graded : those with a row of evidence,
        of which the measured ones are the first.  own_stamps : that single rules keep of each track
        """
        self.stamp = SHARED_STAMPS | {
            name: N_STAMPS + k for k, name in enumerate(own_stamps)
        }  # column by name
        self._n_stamps = N_STAMPS + len(own_stamps)
        self.rules = {name: number for number, name in enumerate(rules)}
        self.measured = {name: number for number, name in enumerate(measured)}
        self.graded = {name: number for number, name in enumerate(graded)}
        self._row: dict[int, int] = {}
        self._free: list[int] = []
        # the last question and its answer: that of a tick is repeated, unless an observation comes between
        self._asked: tuple[list[int], list[int]] = NEVER_ASKED
        self._allocate(64)

    def _allocate(self, n: int) -> None:
        n_graded, ring = len(self.graded), R_VALUE + 2 * len(self.measured)
        self.evidence: F64 = np.zeros((n, n_graded, EVIDENCE))
        self.evidence_ns: I64 = np.zeros((n, n_graded, EVIDENCE_NS), dtype=np.int64)
        self.drift: F64 = np.zeros((n, N_DRIFT))
        self.stamps: I64 = np.zeros((n, self._n_stamps), dtype=np.int64)
        self.flags: F64 = np.zeros((n, N_FLAGS))
        self.ring: F64 = np.zeros((n, RING_LENGTH, ring))
        self.ring_ns: I64 = np.zeros((n, RING_LENGTH), dtype=np.int64)
        self.open: Bools = np.zeros((n, len(self.rules)), dtype=np.bool_)
        self._free = list(range(n - 1, -1, -1))

    def _arrays(self) -> tuple[F64, I64, F64, I64, F64, F64, I64, Bools]:
        return (
            self.evidence, self.evidence_ns, self.drift, self.stamps, self.flags, self.ring, self.ring_ns,
            self.open,
        )  # fmt: skip

    def _grow(self) -> None:
        old = self._arrays()
        n = len(self.stamps)
        self._allocate(2 * n)
        for before, after in zip(old, self._arrays(), strict=True):
            after[:n] = before
        self._free = list(range(2 * n - 1, n - 1, -1))

    def rows(self, tracks: U64) -> I64:
        """Return the rows (n,) of the tracks, new ones where there are none; -1 for track 0 (tentative)."""
        rows = np.empty(len(tracks), dtype=np.int64)
        self.fill_rows(tracks, rows)
        return rows

    def fill_rows(self, tracks: U64, rows: I64) -> None:
        """Fill in what `rows` returns."""
        wanted: list[int] = tracks.tolist()
        if wanted == self._asked[0]:
            rows[:] = self._asked[1]
            return
        get = self._row.get
        found = [get(track, -1) for track in wanted]
        if -1 in found:
            for k, track in enumerate(wanted):
                if found[k] < 0 and track != 0:
                    found[k] = self.row(track)
        rows[:] = found
        self._asked = wanted, found

    def row(self, track: int) -> int:
        """Return the track's row, a new one where there is none."""
        row = self._row.get(track)
        if row is None:
            if not self._free:
                self._grow()
            self._asked = NEVER_ASKED
            row = self._row[track] = self._free.pop()
            for array in self._arrays():
                array[row] = 0
        return row

    def find(self, track: int) -> int | None:
        """Return the track's row if it has one."""
        return self._row.get(track)

    def tracks(self) -> list[int]:
        """Return all tracks with a row, in the order in which they came."""
        return list(self._row)

    def drop(self, track: int) -> None:
        """Forget the track."""
        row = self._row.pop(track, None)
        self._asked = NEVER_ASKED
        if row is not None:
            self._free.append(row)

    def rename(self, gone: int, survivor: int) -> None:
        """Give the survivor the row of the track that is gone; its own row is forgotten."""
        self.drop(survivor)
        self._row[survivor] = self._row.pop(gone)

    def is_open(self, rows: I64, rule: str) -> Bools:
        """Return in which rows (n,) an episode of the rule is open."""
        is_open: Bools = self.open[rows, self.rules[rule]]
        return is_open

    def away(self, rows: I64) -> Bools:
        """Return which tracks (n,) left the lanes between their gates; -1: a row that is none."""
        found: Bools = (rows >= 0) & (self.flags[rows, AWAY] > 0.0)
        return found

    def is_any_open(self, rule: str) -> bool:
        """Return whether any track has an open episode of the rule."""
        return bool(self.open[:, self.rules[rule]].any())

    def restart_shared(self, gone: int, survivor: int) -> None:
        """Clear the evidence of two tracks that prove to be one vehicle, if both were judged just now.

        While they shared the vehicle's detections, neither was at its place.
        """
        rows = [self._row[gone], self._row.get(survivor, -1)]
        if -1 not in rows:
            judged = self.evidence_ns[rows, :, JUDGED]
            both = (judged.min(axis=0) > 0) & (np.ptp(judged, axis=0) < BOTH_NS)
            self.evidence[np.ix_(rows, both.nonzero()[0], range(CUSUM, CLEAR_S))] = 0.0
            self.drift[rows] = 0.0

    def join_sights(self, mine: int, other: int) -> None:
        """Let both rows of one vehicle have lived as long, and kept each rule as long, as either has."""
        rows = [mine, other]
        born = self.stamps[rows, BORN]
        self.stamps[rows, BORN] = born.min() if born.min() > 0 else born.max()
        self.stamps[rows, SEEN] = self.stamps[rows, SEEN].max()
        self.evidence[rows, :, KEPT_S] = self.evidence[rows, :, KEPT_S].max(axis=0)

    def vouch(self, row: int, stamp_ns: int) -> None:
        """Take the track for a vehicle that has kept the rules: what is open of it says so."""
        self.stamps[row, BORN] = min(self.stamps[row, BORN] or stamp_ns, stamp_ns - LIFE_NS)
        self.evidence[row, :, KEPT_S] = np.maximum(self.evidence[row, :, KEPT_S], LIFE_NS * 1e-9)

    def clear_rule(self, row: int, rule: str) -> None:
        """Clear a rule's evidence, as after a close."""
        self.evidence[row, self.graded[rule], :KEPT_S] = 0.0
        self.evidence_ns[row, self.graded[rule], :LAST_OVER] = 0

    def newest(self, row: int) -> tuple[F64, I64]:
        """Return the ring's rows (m, columns) and their stamps (m,), oldest first."""
        count = int(self.stamps[row, RING_ROWS])
        order = np.arange(max(0, count - RING_LENGTH), count) % RING_LENGTH
        return self.ring[row, order], self.ring_ns[row, order]

    def newest_of_none(self) -> tuple[F64, I64]:
        """Return an empty ring."""
        return np.zeros((0, self.ring.shape[2])), np.zeros(0, dtype=np.int64)

    def newest_place(self, track: int, after_ns: int) -> F64 | None:
        """Return the track's newest place (east, north) [m]; None if it is not newer than `after_ns`."""
        row = self._row.get(track)
        if row is None or self.stamps[row, RING_LAST] < after_ns:
            return None
        at = (int(self.stamps[row, RING_ROWS]) - 1) % RING_LENGTH
        return self.ring[row, at, R_EAST : R_NORTH + 1]

    def continue_from(self, other: "State", anew: Collection[str]) -> None:
        """Take over all rows of another state, which must not be used any more, without some rules' evidence.

        anew : rules whose evidence starts anew; that a vehicle was seen to keep them stays
        """
        self.__dict__.update(other.__dict__)  # both have the same columns: those of the registry
        if "lane_departure" in anew:
            self.drift[:] = 0.0
            self.ring[:, :, R_P_OUT] = np.nan
        for rule in anew:
            if rule in self.graded:
                self.evidence[:, self.graded[rule], :KEPT_S] = 0.0
                self.evidence_ns[:, self.graded[rule], :LAST_OVER] = 0
            if rule in self.measured:
                column = R_VALUE + self.measured[rule]
                self.ring[:, :, column], self.ring[:, :, column + len(self.measured)] = np.nan, 0.0

    def restart_counts(self, counts: Iterable[tuple[Sequence[str], bool]]) -> None:
        """Forget since when vehicles have done what rules count.

        counts : the names of a rule's stamps, and whether it counts since when they stand
        """
        for names, counts_standing in counts:
            self.stamps[:, [self.stamp[name] for name in names]] = 0
            if counts_standing:
                self.stamps[:, STANDING] = 0

    def change_lanes(self, changes: "MapChanges") -> None:
        """Hold the lanes of another map; what was measured against lanes that changed starts anew."""
        held = self.flags[:, HINT].astype(np.int64) - 1
        on = np.flatnonzero(held >= 0)
        self.flags[on, HINT] = changes.lanes[held[on]] + 1.0
        anew, n = on[changes.changed[held[on]]], len(self.measured)
        self.evidence[anew, :n, :KEPT_S] = 0.0
        self.evidence_ns[anew, :n, :LAST_OVER] = 0
        self.drift[anew, :CLAIM_FIX] = 0.0  # what is known of its terminal stays
        self.drift[anew, LEAVING : COURSE_VAR + 1] = 0.0
        self.drift[anew, CROSSES : CROSSED + 1] = 0.0  # the onsets; what its course is worth stays
        self.drift[anew, KEPT_FOR_S] = 0.0
        self.ring[anew, :, R_P_OUT : R_VALUE + n], self.ring[anew, :, R_VALUE + n :] = np.nan, 0.0
        self.stamps[anew, DEDICATED] = self.stamps[anew, ELSEWHERE] = self.stamps[anew, STANDING] = 0

    def held_lane(self, track: int) -> int:
        """Return the lane that a track held last, -1 without one."""
        row = self._row.get(track)
        return -1 if row is None else int(self.flags[row, HINT]) - 1

    def fresh(self, track: int) -> int:
        """Give the track an empty row in place of any it had, and return its number."""
        self.drop(track)
        return self.row(track)


def since_ns(before: I64, holds: Bools, t_ns: int) -> I64:
    """Return since when something has held (n,), 0 where it does not hold at `t_ns`."""
    return np.where(holds, np.where(before == 0, t_ns, before), 0)
