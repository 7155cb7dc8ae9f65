"""Terminals that report a drive along a hazmat lane where no vehicle is: stolen, replayed, made up."""

from dataclasses import dataclass, field

import numpy as np

from core.arrays import F64, I64
from core.classes import HAZMAT
from sim.chance import uniforms
from sim.fleet import Fleet
from sim.road import Poses, Road
from sim.site import section as sec

PAUSE_S = 45.0  # between two drives, as for vehicles


@dataclass(frozen=True, slots=True)
class Ghosts:
    """Registered terminals whose vehicles never drive; they pass through whatever is on the road."""

    road: Road
    fleet: Fleet
    seed: int
    from_m: float
    to_m: float
    rows: I64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def present(self, t_s: float) -> I64:
        """Return those that report now."""
        return self.rows[self._driven_m(t_s) < self.to_m - self.from_m]

    def poses(self, rows: I64, t_s: float) -> Poses:
        """Return where some of them say that they are."""
        driven_m = self._driven_m(t_s)[np.searchsorted(self.rows, rows)]
        way = 1 - 2 * (rows % 2)
        s_m = np.where(way > 0, self.from_m + driven_m, self.to_m - driven_m)
        left_m = np.full(len(rows), sec.lane_centre_m(sec.HAZMAT_LANE))
        return self.road.poses(way, s_m, left_m, self.fleet.wanted_mps[rows], np.zeros(len(rows)))

    def _driven_m(self, t_s: float) -> F64:
        """Return how far each one is on its drive, beyond the region's length while it pauses."""
        speed_mps = self.fleet.wanted_mps[self.rows]
        round_m = self.to_m - self.from_m + PAUSE_S * speed_mps
        return np.asarray((uniforms(self.seed, "ghost", self.rows, 0) * round_m + speed_mps * t_s) % round_m)


def ghost_rows(fleet: Fleet, n: int) -> I64:
    """Return the last n registered tank trucks, ascending: they are left out of the traffic."""
    trucks = np.flatnonzero((fleet.kind == HAZMAT) & fleet.reports)
    return trucks[max(len(trucks) - n, 0) :] if n else trucks[:0]
