"""What is remembered of each judged track, as rows of parallel arrays; and how a row travels."""

from collections.abc import Sequence

import numpy as np

from core.kernel import F64, I64, U64, Bools
from geofence.violation import Rule

RULES: tuple[Rule, ...] = (
    "lane_departure", "off_dedicated_road", "wrong_way", "overspeed", "illegal_stop", "dark_vehicle",
)  # fmt: skip
LANE_DEPARTURE, OFF_ROAD, WRONG_WAY, OVERSPEED, ILLEGAL_STOP, DARK = range(6)
N_RULES = len(RULES)
UNDECIDABLE = N_RULES  # the slot of the episode that records it
N_SLOTS = N_RULES + 1

# columns of State.evidence, per rule: three CUSUMs, whether the evidence suffices, six hold timers (two for
# each grade), time without, newest value and its sigma
CUSUM, ENOUGH, HELD, CLEAR_S, VALUE, SIGMA = 0, 3, 4, 10, 11, 12
EVIDENCE = 13
# columns of State.evidence_ns, per rule: since when each CUSUM has been above zero; last over; last judged
SINCE, LAST_OVER, JUDGED = 0, 3, 4
EVIDENCE_NS = 5
# columns of State.stamps: of the newest observation, of the ring's newest row; since when the vehicle stands,
# is without report, can't be judged, can be judged again, drives in a dedicated lane, in another; ring rows
LAST, RING_LAST, STANDING, SILENT, BLIND, SEEING, DEDICATED, ELSEWHERE, RING_ROWS = range(9)
STAMPS = 9
# columns of State.flags: was seen moving; taken for a hazmat vehicle; has an excuse to stand; lane held + 1
MOVED, PRESUMED, EXCUSED, HINT = range(4)
FLAGS = 4

MOVED_MPS = 3.0  # faster, a vehicle was seen moving, whatever the noise of its speed: it is no post
BOTH_NS = 1_000_000_000  # judged within this long of each other, two tracks are rivals for one vehicle
RING_LENGTH = 50
RING_STEP_NS = 195_000_000  # five a second, whatever the radars' phases
# columns of State.ring: place, station, offset and its sigma, speed; then value and sigma of each rule
R_EAST, R_NORTH, R_S, R_D, R_SIGMA_D, R_SPEED, R_VALUE = range(7)
RING = R_VALUE + 2 * N_RULES


class State:
    """Rows that grow in number as tracks come; a row's number is the track's for its life."""

    def __init__(self) -> None:
        self._row: dict[int, int] = {}
        self._free: list[int] = []
        self._allocate(64)

    def _allocate(self, n: int) -> None:
        self.evidence: F64 = np.zeros((n, N_RULES, EVIDENCE))
        self.evidence_ns: I64 = np.zeros((n, N_RULES, EVIDENCE_NS), dtype=np.int64)
        self.stamps: I64 = np.zeros((n, STAMPS), dtype=np.int64)
        self.flags: F64 = np.zeros((n, FLAGS))
        self.ring: F64 = np.zeros((n, RING_LENGTH, RING))
        self.ring_ns: I64 = np.zeros((n, RING_LENGTH), dtype=np.int64)
        self.open: Bools = np.zeros((n, N_SLOTS), dtype=np.bool_)
        self._free = list(range(n - 1, -1, -1))

    def _arrays(self) -> tuple[F64, I64, I64, F64, F64, I64, Bools]:
        return (
            self.evidence, self.evidence_ns, self.stamps, self.flags, self.ring, self.ring_ns, self.open,
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
        get, wanted = self._row.get, tracks.tolist()
        found = [get(track, -1) for track in wanted]
        if -1 in found:
            found = [self.row(track) if track != 0 else -1 for track in wanted]
        return np.array(found, dtype=np.int64)

    def row(self, track: int) -> int:
        """Return the track's row, a new one where there is none."""
        row = self._row.get(track)
        if row is None:
            if not self._free:
                self._grow()
            row = self._row[track] = self._free.pop()
            for array in self._arrays():
                array[row] = 0
        return row

    def find(self, track: int) -> int | None:
        """Return the track's row if it has one."""
        return self._row.get(track)

    def tracks(self) -> list[int]:
        """Return all tracks with a row, in the order of their coming."""
        return list(self._row)

    def drop(self, track: int) -> None:
        """Forget the track."""
        row = self._row.pop(track, None)
        if row is not None:
            self._free.append(row)

    def rename(self, gone: int, survivor: int) -> None:
        """Let the survivor have the row of the one that is gone; its own is forgotten."""
        self.drop(survivor)
        self._row[survivor] = self._row.pop(gone)

    def doubt(self, gone: int, survivor: int) -> None:
        """Start the evidence of two tracks that prove to be one vehicle anew, if both were judged just now.

        While they shared its detections, neither told its place.
        """
        rows = [self._row[gone], self._row.get(survivor, -1)]
        if -1 not in rows:
            judged = self.evidence_ns[rows, :, JUDGED]
            both = (judged.min(axis=0) > 0) & (np.ptp(judged, axis=0) < BOTH_NS)
            self.evidence[np.ix_(rows, both.nonzero()[0], range(CUSUM, CLEAR_S))] = 0.0

    def clear_rule(self, row: int, rule: int) -> None:
        """Start a rule's evidence anew, as after a close."""
        self.evidence[row, rule, :VALUE] = 0.0
        self.evidence_ns[row, rule, :LAST_OVER] = 0

    def newest(self, row: int) -> tuple[F64, I64]:
        """Return the ring's rows (m, RING) and their stamps (m,), oldest first."""
        count = int(self.stamps[row, RING_ROWS])
        order = np.arange(max(0, count - RING_LENGTH), count) % RING_LENGTH
        return self.ring[row, order], self.ring_ns[row, order]

    def newest_place(self, track: int, after_ns: int) -> F64 | None:
        """Return where the track was last (east, north), None where that was not after `after_ns`."""
        row = self._row.get(track)
        if row is None or self.stamps[row, RING_LAST] < after_ns:
            return None
        at = (int(self.stamps[row, RING_ROWS]) - 1) % RING_LENGTH
        return self.ring[row, at, R_EAST : R_NORTH + 1]

    def packed(self, row: int) -> tuple[bytes, tuple[int, ...], bytes, list[int]]:
        """Return a row as (numbers, stamps, ring, ring stamps)."""
        ring, ring_ns = self.newest(row)
        numbers = np.concatenate([self.evidence[row].ravel(), self.flags[row]])
        stamps = np.concatenate([self.evidence_ns[row].ravel(), self.stamps[row]])
        return numbers.tobytes(), tuple(stamps.tolist()), ring.tobytes(), ring_ns.tolist()

    def unpack(
        self,
        track: int,
        numbers: bytes,
        stamps: Sequence[int],
        ring: bytes,
        ring_ns: Sequence[int],
    ) -> int:
        """Put a packed row in for the track and return its number; ValueError where it has another shape."""
        row = self.row(track)
        split, split_ns = N_RULES * EVIDENCE, N_RULES * EVIDENCE_NS
        all_numbers, all_stamps = np.frombuffer(numbers), np.array(stamps, np.int64)
        if len(all_numbers) != split + FLAGS or len(all_stamps) != split_ns + STAMPS:
            raise ValueError("a carried judgement of another version")
        rows = np.frombuffer(ring).reshape(-1, RING)[-RING_LENGTH:]
        self.evidence[row] = all_numbers[:split].reshape(N_RULES, EVIDENCE)
        self.flags[row] = all_numbers[split:]
        self.evidence_ns[row] = all_stamps[:split_ns].reshape(N_RULES, EVIDENCE_NS)
        self.stamps[row] = all_stamps[split_ns:]
        self.ring[row, : len(rows)], self.ring_ns[row, : len(rows)] = rows, ring_ns[-RING_LENGTH:]
        self.stamps[row, RING_ROWS] = len(rows)
        self.open[row] = False
        return row

    @staticmethod
    def newest_of_none() -> tuple[F64, I64]:
        """Return an empty ring."""
        return np.zeros((0, RING)), np.zeros(0, dtype=np.int64)
