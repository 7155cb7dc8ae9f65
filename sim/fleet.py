"""All vehicles that may drive: the registry's, and unregistered cars and trucks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import F64, I64, Bools
from core.classes import BUS, CAR, HAZMAT, TRUCK
from geofence.config import VehicleConfig
from sim.chance import uniforms

RCS_DBSM = {CAR: 8.0, BUS: 18.0, TRUCK: 18.0, HAZMAT: 20.0}
_SPEED_MPS = {
    CAR: (19.0, 21.8),
    BUS: (18.5, 21.0),
    TRUCK: (18.0, 21.0),
    HAZMAT: (14.7, 16.1),
}  # below the limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """n vehicles; the row is the vehicle's number everywhere, its truth id is one more."""

    kind: I64
    length_m: F64
    width_m: F64
    antenna_forward_m: F64
    antenna_left_m: F64
    wanted_mps: F64
    rcs_dbsm: F64
    terminal: tuple[str | None, ...]
    plate: tuple[str | None, ...]
    reports: Bools  # has a terminal

    def __len__(self) -> int:
        return len(self.kind)


def fleet_of(vehicles: Sequence[VehicleConfig], n_trucks: int, n_cars: int, seed: int) -> Fleet:
    """Return the registered vehicles, then unregistered trucks, then cars."""
    known = [v for v in vehicles if v.kind in RCS_DBSM]
    kind = np.array([v.kind for v in known] + [TRUCK] * n_trucks + [CAR] * n_cars, dtype=np.int64)
    n, n_known = len(kind), len(known)
    rows = np.arange(n)
    draw = uniforms(seed, "fleet.length", rows, 0)
    length = np.where(kind == CAR, 4.2 + 0.8 * draw, 9.0 + 4.0 * draw)
    width = np.where(kind == CAR, 1.85, 2.5)
    length[:n_known] = [v.length_m or float(length[i]) for i, v in enumerate(known)]
    width[:n_known] = [v.width_m or float(width[i]) for i, v in enumerate(known)]
    slowest = np.array([_SPEED_MPS[int(k)][0] for k in kind])
    fastest = np.array([_SPEED_MPS[int(k)][1] for k in kind])
    nobody: list[str | None] = [None] * (n - n_known)
    return Fleet(
        kind=kind,
        length_m=length,
        width_m=width,
        antenna_forward_m=np.array([v.antenna_m[0] for v in known] + [0.0] * (n - n_known)),
        antenna_left_m=np.array([v.antenna_m[1] for v in known] + [0.0] * (n - n_known)),
        wanted_mps=slowest + (fastest - slowest) * uniforms(seed, "fleet.speed", rows, 0),
        rcs_dbsm=np.array([RCS_DBSM[int(k)] for k in kind]),
        terminal=tuple([v.terminal for v in known] + nobody),
        plate=tuple([v.plate for v in known] + nobody),
        reports=np.array([True] * n_known + [False] * (n - n_known)),
    )
