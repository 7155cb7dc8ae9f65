"""The gates of the map as lines that vehicles cross between two looks, and the exits ahead of a vehicle."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F64
from geofence.journeys.journey import Journey
from geofence.map.axis import Axis
from geofence.map.reading import Gate


class Line(NamedTuple):
    """A gate and its station on the site's axis."""

    gate: str
    role: str
    road: str
    s_m: float


class Crossing(NamedTuple):
    """Vehicle i crossed a gate, after this share of its way."""

    i: int
    line: Line
    share: float


class Gates:
    """The gates of a map. Site metres."""

    def __init__(self, gates: Sequence[Gate], axis: Axis | None) -> None:
        """Know each gate's line in straight parts, and the station of its middle."""
        self.lines: list[Line] = []
        starts, ends, of = [np.zeros((0, 2))], [np.zeros((0, 2))], []
        for number, gate in enumerate(gates):
            points = np.asarray(gate.points, dtype=np.float64)
            middle = (points[0] + points[-1]) / 2.0
            s_m = float("nan") if axis is None else axis.station_at(float(middle[0]), float(middle[1]))[0]
            self.lines.append(Line(gate.gate, gate.role, gate.road, s_m))
            starts.append(points[:-1])
            ends.append(points[1:])
            of += [number] * (len(points) - 1)
        self._start, self._of = np.vstack(starts), of
        self._along = np.vstack(ends) - self._start
        known = [line.s_m for line in self.lines if line.s_m == line.s_m]
        self.range_m = (min(known), max(known)) if len(known) > 1 else None

    def crossed(self, before: F64, now: F64) -> list[Crossing]:
        """Return the gates that n vehicles crossed on the straight ways from before (n, 2) to now (n, 2).

        Two segments p + t r and q + u w cross where both t and u are in [0, 1):
        t = (q - p) x w / (r x w), u = (q - p) x r / (r x w).  In the order of vehicles, then of the way.
        """
        if not len(self._of) or not len(before):
            return []
        r, w = (now - before)[:, None, :], self._along[None, :, :]
        apart = self._start[None, :, :] - before[:, None, :]
        divisor = _cross(r, w)
        with np.errstate(divide="ignore", invalid="ignore"):
            t, u = _cross(apart, w) / divisor, _cross(apart, r) / divisor
        hits = np.argwhere((divisor != 0.0) & (t >= 0.0) & (t < 1.0) & (u >= 0.0) & (u < 1.0))
        found = [Crossing(i, self.lines[self._of[k]], float(t[i, k])) for i, k in hits.tolist()]
        return sorted(found, key=lambda crossing: (crossing.i, crossing.share))

    def is_between(self, s_m: float) -> bool:
        """Return whether a station lies between the outermost gates; without gates, every one does."""
        return self.range_m is None or self.range_m[0] <= s_m <= self.range_m[1]

    def exit_ahead(self, s_m: float, way: float, road: str | None) -> Line | None:
        """Return the last exit of the road ahead of a station; None where there is none.

        way : > 0 with rising stations.  Without a permit nobody knows which exit a vehicle will take; the
        last one gives the longest time, so that nobody is overdue who only drives further.
        """
        ahead = [
            line
            for line in self.lines
            if line.role == "exit" and road in (None, line.road) and (line.s_m - s_m) * way > 0.0
        ]
        return max(ahead, key=lambda line: abs(line.s_m - s_m), default=None)

    def renew_exits(self, journeys: Iterable[Journey]) -> None:
        """Put the exits of journeys where this map has them; a gate that it lacks is no exit to come."""
        for journey in journeys:
            line = None if journey.exit is None else self.named(journey.exit)
            journey.exit = None if line is None else line.gate
            journey.exit_s_m = None if line is None or line.s_m != line.s_m else round(line.s_m, 1)

    def named(self, gate: str) -> Line | None:
        """Return the gate of this name."""
        return next((line for line in self.lines if line.gate == gate), None)


def _cross(a: F64, b: F64) -> F64:
    product: F64 = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
