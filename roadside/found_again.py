"""Nameless vehicles that come back from where no radar sees: each gets the id again that it had before.

Vehicles of a lane keep their order and nearly their speed. A track that appears where one that was lost must
have arrived by now, along the road, is that vehicle. Only the id goes on: what was judged ended with the
track. Pure: a bounded table, stepped on the 100 ms grid.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from core.arrays import I64, Bools
from fusion.tracks import TrackBatch
from geofence.located import NO_LANE, Located
from geofence.map_changes import GONE, MapChanges
from roadside.pipeline_state import LostState

LOST_NS, KEPT_NS, MOST = 300_000_000, 60_000_000_000, 512  # unseen for so long; remembered so long, so many
MOVES_MPS = 3.0  # what stands out of sight may leave at any time
# Along the road: the mean of the motion model's two densities (0.3 m/s^2 over a second, 1 m/s^2 in one of
# twenty), the speed's own error, and how much longer a lane in a bend is than the road's axis (10 m beside
# it, a quarter of a right angle)
DENSITY, SPEED_SIGMA_MPS, BEND_SIGMA_M = 0.95 * 2.0 * 0.3**2 + 0.05 * 2.0 * 1.0**2, 0.2, 4.0
# It changed the lane: one in ten within ten seconds, to either side. Who was ahead of it in its lane and has
# not come yet has done so as well, since nobody passes another one in a lane
OTHER_LANE = 2.0 * math.log(20.0)
# So near a terminal's track that radar does not follow, a new one may be its vehicle: four sigmas of a usual
# fix and half of two lengths
REPORTER_M, SIGMAS = 15.0, 4.0
GATE, SURE = 9.0, 2.0 * math.log(9.0)  # three sigmas; nine times as likely as any other (a presumed name is)
MAY_BE = 16.0  # so far from due another one may be held up, and still be the one


@dataclass(slots=True)
class Last:
    """Where a nameless track was measured last."""

    lane: int
    s_m: float
    v_east: float
    v_north: float
    rate_mps: float  # of its station; 0 not known yet
    at_ns: int
    passed_on: bool = False  # the neighbour that it drives to knows it, or told us of it


class Found(NamedTuple):
    """A new track's id, and that of the vehicle that it is."""

    new: int
    before: int


class FoundAgain:
    """The nameless tracks of one RSU by id: those that radar follows, and those that it lost."""

    def __init__(self) -> None:
        self._last: dict[int, Last] = {}
        self._back: list[int] = []  # found in this tick, and a neighbour looks for them

    def step(
        self, t_ns: int, tracks: TrackBatch, located: Located, new: Bools, held: Sequence[int] = ()
    ) -> list[Found]:
        """Remember the nameless tracks of tick t_ns; return which of the new ones were lost before.

        new : (n,) the track is shown for the first time.  held : ids of all tracks that have not ended: one
        that is not shown at this tick is not lost, and may be shown again at the next
        """
        self._back = []
        here = dict.fromkeys([*tracks.track.tolist(), *held])
        found: list[Found] = []
        follows = (tracks.terminal < 0) & (t_ns - tracks.radar_ns <= LOST_NS) & np.isfinite(located.s_m)
        for i in np.flatnonzero(follows & new).tolist():
            if _may_be_named(t_ns, tracks, i):
                continue
            before = self._before(t_ns, tracks, located, i, here)
            if before is not None:
                found.append(Found(int(tracks.track[i]), before))
                here[before] = None
        self._note(t_ns, tracks, located, np.flatnonzero(follows), dict(found))
        self.forget(tracks.track[tracks.terminal >= 0].tolist())  # the name tells who it is
        if len(self._last) > len(here):
            self._forget_old(t_ns)
        return found

    def change_lanes(self, changes: MapChanges) -> None:
        """Remember the lanes of another map."""
        for last in self._last.values():
            number = changes.lane(last.lane)
            last.lane = NO_LANE if number == GONE else number

    def forget(self, ids: Sequence[int]) -> None:
        """Drop tracks that won't come back: merged, named, or a neighbour's."""
        for key in ids:
            self._last.pop(key, None)

    def _note(
        self, t_ns: int, tracks: TrackBatch, located: Located, rows: I64, renamed: Mapping[int, int]
    ) -> None:
        """Remember the tracks in `rows`; renamed : ids that they get, by their own."""
        columns = (tracks.track, located.lane, located.s_m, tracks.x[:, 2], tracks.x[:, 3])
        table, fresh_ns = self._last, t_ns - LOST_NS
        pop, hypot, copysign = table.pop, math.hypot, math.copysign
        for key, lane, s_m, v_east, v_north in zip(*(of[rows].tolist() for of in columns), strict=True):
            known = renamed.get(key, key) if renamed else key
            last = pop(known, None)  # the newest are last
            if last is None:
                table[known] = Last(lane, s_m, v_east, v_north, 0.0, t_ns)
                continue
            if last.passed_on:
                self._back.append(known)
                last.passed_on = False
            is_fresh = last.at_ns >= fresh_ns
            last.rate_mps = copysign(hypot(v_east, v_north), s_m - last.s_m) if is_fresh else 0.0
            last.lane, last.s_m, last.v_east, last.v_north, last.at_ns = lane, s_m, v_east, v_north, t_ns
            table[known] = last

    def _before(
        self, t_ns: int, tracks: TrackBatch, located: Located, i: int, here: dict[int, None]
    ) -> int | None:
        """Return the id of the lost track that new track i must be, None if it is none or may be several."""
        due = []
        for key, last in self._last.items():
            if key in here or abs(last.rate_mps) < MOVES_MPS:
                continue
            if last.v_east * tracks.x[i, 2] + last.v_north * tracks.x[i, 3] <= 0.0:
                continue  # the other way
            cost = _off(last, float(located.s_m[i]), t_ns)
            if cost < MAY_BE:
                due.append((key, last, cost))
        costs = []
        for key, last, cost in due:
            changed = last.lane != located.lane[i]
            ahead = sum(other.lane == last.lane and _is_ahead(other, last) for _, other, _ in due)
            costs.append((cost + OTHER_LANE * (changed + ahead), key))
        if not costs:
            return None
        best, *others = sorted(costs)
        if best[0] >= GATE or (others and others[0][0] - best[0] < SURE):
            return None
        found = self._last[best[1]]
        self.forget([key for key, other, _ in due if other.lane == found.lane and _is_ahead(other, found)])
        return best[1]

    def lost(self, t_ns: int, tracks: TrackBatch) -> list[LostState]:
        """Return the moving vehicles whose tracks ended since the last call: a neighbour may find them.

        One that a neighbour looks for and that is back here is among them, as one that stands.
        """
        here = dict.fromkeys(tracks.track.tolist())
        back = [(key, self._last[key]) for key in self._back if key in self._last]
        rows = [_state(key, replace(last, rate_mps=0.0)) for key, last in back]
        for key, last in self._last.items():
            if last.passed_on or key in here or t_ns - last.at_ns <= LOST_NS:
                continue
            last.passed_on = True
            if abs(last.rate_mps) >= MOVES_MPS:
                rows.append(_state(key, last))
        return rows

    def expect(self, now_ns: int, rows: Sequence[LostState]) -> None:
        """Remember vehicles that a neighbour lost on their way here; what we know better stays."""
        for row in rows:
            known = self._last.get(row.track)
            if (known is None or known.at_ns < row.at_ns) and not self._follows(now_ns, _last(row)):
                self._last.pop(row.track, None)
                self._last[row.track] = _last(row)
                self._last[row.track].passed_on = True
        for key in list(self._last)[: max(len(self._last) - 2 * MOST, 0)]:
            del self._last[key]  # no flood of them fills the memory before the next tick

    def _follows(self, now_ns: int, lost: Last) -> bool:
        """Whether radar follows a vehicle where this one must be, under another id: it is not lost at all."""
        return any(
            not last.passed_on
            and now_ns - last.at_ns <= LOST_NS
            and last.lane == lost.lane
            and last.rate_mps * lost.rate_mps > 0.0
            and _off(lost, last.s_m, last.at_ns) < GATE
            for last in self._last.values()
        )

    def _forget_old(self, t_ns: int) -> None:
        keys = [key for key, last in self._last.items() if t_ns - last.at_ns > KEPT_NS]
        self.forget([*keys, *list(self._last)[: max(len(self._last) - MOST, 0)]])

    def state(self) -> tuple[LostState, ...]:
        """Return the table as `/state` keeps it."""
        return tuple(_state(key, last) for key, last in self._last.items())

    def restore(self, rows: Sequence[LostState]) -> None:
        """Continue from the table of a `/state`."""
        self._last, self._back = {row.track: _last(row) for row in rows}, []


def _off(last: Last, s_m: float, t_ns: int) -> float:
    """Return how far from due a vehicle is at station s_m, in squared sigmas."""
    dt_s = abs(t_ns - last.at_ns) * 1e-9
    variance = DENSITY * dt_s**3 / 3.0 + (SPEED_SIGMA_MPS * dt_s) ** 2 + BEND_SIGMA_M**2
    return (s_m - last.s_m - last.rate_mps * (t_ns - last.at_ns) * 1e-9) ** 2 / variance


def _is_ahead(one: Last, other: Last) -> bool:
    """Return whether one vehicle drove ahead of another when that was measured last."""
    then_m = one.s_m + one.rate_mps * (other.at_ns - one.at_ns) * 1e-9
    return (then_m - other.s_m) * other.rate_mps > 0.0


def _state(key: int, last: Last) -> LostState:
    return LostState(
        track=key, lane=last.lane, s_m=last.s_m, v_east_mps=last.v_east, v_north_mps=last.v_north,
        rate_mps=last.rate_mps, at_ns=last.at_ns, passed_on=last.passed_on,
    )  # fmt: skip


def _last(row: LostState) -> Last:
    return Last(row.lane, row.s_m, row.v_east_mps, row.v_north_mps, row.rate_mps, row.at_ns, row.passed_on)


def _may_be_named(t_ns: int, tracks: TrackBatch, i: int) -> bool:
    """Whether track i may be the vehicle of a terminal whose own track radar does not follow."""
    loose = np.flatnonzero((tracks.terminal >= 0) & (t_ns - tracks.radar_ns > LOST_NS))
    apart = tracks.x[i, :2] - tracks.x[loose, :2]
    east_mps, north_mps = tracks.x[loose, 2:].T
    speed_mps = np.hypot(east_mps, north_mps)
    # along its course it may be anywhere on the two bodies, across only as far as both are known
    to_left = np.column_stack((-north_mps, east_mps)) / np.maximum(speed_mps, MOVES_MPS)[:, None]
    across_m = np.einsum("ka,ka->k", to_left, apart)
    spread = tracks.P[loose, :2, :2] + tracks.P[i, :2, :2]
    variance = np.einsum("ka,kab,kb->k", to_left, spread, to_left)
    variance += tracks.bias_m[loose] ** 2 + tracks.bias_m[i] ** 2
    near = np.hypot(*apart.T) <= REPORTER_M
    return bool((near & ((across_m**2 <= SIGMAS**2 * variance) | (speed_mps < MOVES_MPS))).any())
