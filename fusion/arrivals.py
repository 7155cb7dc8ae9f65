"""A scan's columns as rows of measurements, ready for the kernel; what is no number is left out."""

import math

import numpy as np

from core.arrays import F1, F2
from core.classes import N_CLASSES, UNKNOWN
from core.kernel import kernel
from fusion.layout import (
    N_MEAS,
    OBJECT,
    POLAR,
    R_BORESIGHT,
    R_EAST,
    R_NORTH,
    SOURCE,
    WHAT,
    Z0,
    Z1,
    Z2,
    Z3,
    Z4,
)
from fusion.observations import AZIMUTH_RAD_MAX, RANGE_M_MAX, RATE_MPS_MAX, ObjectScan, RadarScan
from fusion.track_store import Table


@kernel
def _fill_polar(
    range_m: F1, azimuth_rad: F1, rate_mps: F1, M: F2, about: F2, q: int, boresight_rad: float
) -> int:
    n = 0
    for d in range(range_m.shape[0]):
        if not (abs(azimuth_rad[d]) <= AZIMUTH_RAD_MAX and 0.0 < range_m[d] <= RANGE_M_MAX):
            continue  # NaN fails as well
        if abs(rate_mps[d]) > RATE_MPS_MAX:
            continue
        for a in range(N_MEAS):
            M[n, a] = 0.0
        M[n, WHAT], M[n, SOURCE] = POLAR, q
        M[n, Z0], M[n, Z1] = azimuth_rad[d], range_m[d]
        M[n, Z2] = rate_mps[d] if math.isfinite(rate_mps[d]) else math.nan
        bearing = azimuth_rad[d] + boresight_rad
        M[n, Z3], M[n, Z4] = math.cos(bearing), math.sin(bearing)
        about[n, 0], about[n, 1], about[n, 2] = math.nan, math.nan, 0.0
        n += 1
    return n


def polar_rows(table: Table, seen: RadarScan, q: int) -> tuple[int, int]:
    """Write the detections of radar q to table.M; return how many, and how many were odd."""
    if len(seen.range_m) > len(table.M):
        table.room(len(seen.range_m))
    n = _fill_polar(
        np.ascontiguousarray(seen.range_m), np.ascontiguousarray(seen.azimuth_rad),
        np.ascontiguousarray(seen.range_rate_mps), table.M, table.about, q,
        float(table.radars[q, R_BORESIGHT]),
    )  # fmt: skip
    return n, len(seen.range_m) - n


def object_rows(table: Table, seen: ObjectScan, q: int) -> tuple[int, int]:
    """Write the objects of radar q, in the site frame, to table.M; return how many, and how many were odd."""
    good = (np.maximum(np.abs(seen.x_m), np.abs(seen.y_m)) <= RANGE_M_MAX) & (
        np.maximum(np.abs(seen.vx_mps), np.abs(seen.vy_mps)) <= RATE_MPS_MAX
    )  # NaN fails as well
    n = int(np.count_nonzero(good))
    if n > len(table.M):
        table.room(n)
    M, about, pose = table.M[:n], table.about[:n], table.radars[q]
    c, s = math.cos(pose[R_BORESIGHT]), math.sin(pose[R_BORESIGHT])
    M[:] = 0.0
    M[:, WHAT], M[:, SOURCE] = OBJECT, q
    M[:, Z0] = pose[R_EAST] + c * seen.x_m[good] - s * seen.y_m[good]
    M[:, Z1] = pose[R_NORTH] + s * seen.x_m[good] + c * seen.y_m[good]
    M[:, Z2] = c * seen.vx_mps[good] - s * seen.vy_mps[good]
    M[:, Z3] = s * seen.vx_mps[good] + c * seen.vy_mps[good]
    length_m, width_m = seen.length_m[good], seen.width_m[good]
    about[:, 0] = np.where(length_m > 0.0, length_m, math.nan)  # logs write 0 for unknown
    about[:, 1] = np.where(width_m > 0.0, width_m, math.nan)
    kind = seen.kind[good]
    about[:, 2] = np.where((kind >= UNKNOWN) & (kind < N_CLASSES), kind, UNKNOWN)
    return n, len(good) - n
