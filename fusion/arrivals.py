"""A scan's columns as rows of measurements, ready for the kernel; what is no number is left out."""

import math

import numpy as np

from fusion.layout import OBJECT, POLAR, R_BORESIGHT, R_EAST, R_NORTH, SOURCE, WHAT, Z0, Z1, Z2, Z3
from fusion.observations import ObjectScan, RadarScan
from fusion.table import Table


def polar_rows(table: Table, seen: RadarScan, q: int) -> tuple[int, int]:
    """Write the detections of radar q to table.M; return how many, and how many were odd."""
    good = np.isfinite(seen.range_m) & np.isfinite(seen.azimuth_rad) & (seen.range_m > 0.0)
    n = int(np.count_nonzero(good))
    if n > len(table.M):
        table.room(n)
    M, about = table.M[:n], table.about[:n]
    M[:] = 0.0
    M[:, WHAT], M[:, SOURCE] = POLAR, q
    M[:, Z0], M[:, Z1] = seen.azimuth_rad[good], seen.range_m[good]
    rate = seen.range_rate_mps[good]
    M[:, Z2] = np.where(np.isfinite(rate), rate, math.nan)
    about[:, :2], about[:, 2] = math.nan, 0.0
    return n, len(good) - n


def object_rows(table: Table, seen: ObjectScan, q: int) -> tuple[int, int]:
    """Write the objects of radar q, in the site frame, to table.M; return how many, and how many were odd."""
    good = np.isfinite(seen.x_m) & np.isfinite(seen.y_m) & np.isfinite(seen.vx_mps) & np.isfinite(seen.vy_mps)
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
    about[:, 2] = seen.kind[good]
    return n, len(good) - n
