"""Recorded traffic in place of the simulator's own: vehicles and their poses, tick by tick."""

from collections.abc import Sequence

import numpy as np

from core.arrays import F64, I64
from importers.commonroad import Trajectory
from sim.fleet import RCS_DBSM, Fleet
from sim.road import Poses
from sim.traffic import SIM_TICK_NS

RCS_OTHER_DBSM = 0.0


class RecordedTraffic:
    """Plays trajectories; between two states everyone moves evenly, after the last on with its speed."""

    def __init__(self, vehicles: Sequence[Trajectory], dt_s: float, offset_m: tuple[float, float]) -> None:
        first = min(float(vehicle.step[0]) for vehicle in vehicles)
        self.tick = 0
        self._vehicles = vehicles
        self._t_s = [(vehicle.step - first) * dt_s for vehicle in vehicles]
        self._from_s = np.array([t[0] for t in self._t_s])
        self._to_s = np.array([t[-1] for t in self._t_s])
        self._offset_m = offset_m
        self.duration_s = float(self._to_s.max())

    @property
    def t_s(self) -> float:
        """Time since the first state."""
        return self.tick * (SIM_TICK_NS / 1e9)

    def active_rows(self) -> I64:
        """Return the vehicles that are present in this tick."""
        here = (self._from_s <= self.t_s + 1e-9) & (self.t_s <= self._to_s + 1e-9)
        return np.flatnonzero(here).astype(np.int64)

    def poses(self, rows: I64, after_s: F64 | float = 0.0) -> Poses:
        """Return where they are up to a tick later; after_s broadcasts against the rows, which come last."""
        at_s = np.asarray(self.t_s + after_s, dtype=np.float64)
        shape = np.broadcast_shapes(at_s.shape, (len(rows),))
        at_s = np.broadcast_to(at_s, shape)
        x, y, heading, speed = (np.empty(shape) for _ in range(4))
        for k, i in enumerate(rows.tolist()):
            vehicle, t_s = self._vehicles[i], self._t_s[i]
            beyond_s = np.maximum(at_s[..., k] - t_s[-1], 0.0)
            heading[..., k] = np.interp(at_s[..., k], t_s, vehicle.heading_rad)
            speed[..., k] = np.interp(at_s[..., k], t_s, vehicle.speed_mps)
            on_m = speed[..., k] * beyond_s
            x[..., k] = np.interp(at_s[..., k], t_s, vehicle.x_m) + on_m * np.cos(heading[..., k])
            y[..., k] = np.interp(at_s[..., k], t_s, vehicle.y_m) + on_m * np.sin(heading[..., k])
        nowhere = np.full(shape, np.nan)
        return Poses(
            east_m=x - self._offset_m[0],
            north_m=y - self._offset_m[1],
            heading_rad=heading,
            speed_mps=speed,
            s_m=nowhere,
            left_m=nowhere,
        )


def fleet_of(vehicles: Sequence[Trajectory], n_terminals: int) -> Fleet:
    """Return the vehicles as the sensors need them; the first `n_terminals` report their position."""
    n = len(vehicles)
    named = [f"V{vehicle.id}" if i < n_terminals else None for i, vehicle in enumerate(vehicles)]
    return Fleet(
        kind=np.array([vehicle.kind for vehicle in vehicles], dtype=np.int64),
        length_m=np.array([vehicle.length_m for vehicle in vehicles]),
        width_m=np.array([vehicle.width_m for vehicle in vehicles]),
        antenna_forward_m=np.zeros(n),
        antenna_left_m=np.zeros(n),
        wanted_mps=np.zeros(n),
        rcs_dbsm=np.array([RCS_DBSM.get(vehicle.kind, RCS_OTHER_DBSM) for vehicle in vehicles]),
        terminal=tuple(named),
        plate=(None,) * n,
        reports=np.array([name is not None for name in named], dtype=np.bool_),
    )
