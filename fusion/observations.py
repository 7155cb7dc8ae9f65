"""Observations, one object per arrival: columns of measurements in site metres or the sensor's polar frame.

Bounds are checked where bytes become these objects (roadside), and nowhere else.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arrays import F64, I64

SIZE_M_MAX = 100.0  # of a vehicle
TARGET_HEIGHT_M = 1.0  # of the points that reflect radar, above the road
# Limits of measured numbers: beyond them the sensor is faulty, and squares would overflow in the covariances
RANGE_M_MAX, RATE_MPS_MAX, AZIMUTH_RAD_MAX = 100_000.0, 500.0, 100.0  # of a radar's target
SPEED_MPS_MAX, SIGMA_M_MAX, TAU_S_MAX = 200.0, 1_000.0, 1e6  # of a fix


@dataclass(slots=True, kw_only=True)  # frozen, it would cost 2 us for each scan
class RadarScan:
    """One scan of one radar as detections: columns of equal length (n,), in the sensor's frame."""

    sensor: str
    stamp_ns: int  # of the measurement, UTC
    arrived_ns: int  # at the socket
    scan: int
    range_m: F64  # slant range from the antenna; targets stand 1 m above the road
    azimuth_rad: F64  # counter-clockwise from boresight
    range_rate_mps: F64  # positive when receding; NaN where the radar gives none
    rcs_dbsm: F64  # NaN where unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScan:
    """One scan of a radar that tracks by itself: columns (n,), x forward and y left of the boresight."""

    sensor: str
    stamp_ns: int
    arrived_ns: int
    scan: int
    object_id: I64  # the radar's own number: fusion.coasted_objects; association does not use it
    x_m: F64
    y_m: F64
    vx_mps: F64
    vy_mps: F64
    length_m: F64  # SIZE_M_MAX at most; NaN where unknown
    width_m: F64
    kind: I64  # class of docs/design.md section 7


# Rows of GnssFixes.ints and .floats
F_STAMP, F_ARRIVED, F_SEQ = 0, 1, 2
F_ALARMS = 3  # where there is such a row: the terminal's alarms, which the tracker does not read
F_EAST, F_NORTH, F_HEADING, F_USABLE, F_SPEED, F_SIGMA, F_TAU, N_FIX = 0, 1, 2, 3, 4, 5, 6, 7
COLUMNS = {  # in the order of the rows
    "stamp_ns": ("ints", F_STAMP), "arrived_ns": ("ints", F_ARRIVED), "source_seq": ("ints", F_SEQ),
    "east_m": ("floats", F_EAST), "north_m": ("floats", F_NORTH), "heading_rad": ("floats", F_HEADING),
    "usable": ("floats", F_USABLE), "speed_mps": ("floats", F_SPEED), "sigma_m": ("floats", F_SIGMA),
    "tau_s": ("floats", F_TAU),
}  # fmt: skip


@dataclass(init=False, repr=False, eq=False)
class GnssFixes:
    """One message's fixes, each with its own stamp: columns (n,); absent numbers are NaN.

    The columns are the rows of two matrices: a kernel takes these, and no view of each.
    """

    terminal: tuple[str, ...]
    stamp_ns: I64
    arrived_ns: I64
    source_seq: I64  # -1 where the source has none
    east_m: F64  # of the antenna, site frame
    north_m: F64
    speed_mps: F64
    heading_rad: F64  # counter-clockwise from east, convergence applied
    sigma_m: F64  # 1 sigma per axis as reported; NaN: FusionConfig says
    tau_s: F64  # correlation time of the error; NaN: FusionConfig says
    usable: F64  # 1.0 judged, 0.0 received only (no fix, or quality none)
    ints: I64 = field(init=False)  # (3 or 4, n)
    floats: F64 = field(init=False)  # (>= N_FIX, n)

    def __init__(self, *, terminal: tuple[str, ...], **columns: F64 | I64) -> None:
        assert columns.keys() == COLUMNS.keys(), "each column of n fixes"
        self.terminal = terminal
        whole = [columns[name] for name, (matrix, _) in COLUMNS.items() if matrix == "ints"]
        other = [columns[name] for name, (matrix, _) in COLUMNS.items() if matrix == "floats"]
        self.ints, self.floats = np.array(whole, dtype=np.int64), np.array(other, dtype=np.float64)

    @classmethod
    def of(cls, terminal: tuple[str, ...], ints: I64, floats: F64) -> "GnssFixes":
        """Return the fixes of two matrices, which are not copied."""
        fixes = cls.__new__(cls)
        fixes.terminal, fixes.ints, fixes.floats = terminal, ints, floats
        return fixes

    def states_alarms(self) -> bool:
        """Return whether any of the terminals states an alarm."""
        ints = self.ints
        return len(ints) > F_ALARMS and any(ints[F_ALARMS].tolist())

    def __getattr__(self, name: str) -> Any:
        """Return a column."""
        if name not in COLUMNS:
            raise AttributeError(name)
        matrix, row = COLUMNS[name]
        return getattr(self, matrix)[row]


Observation = RadarScan | ObjectScan | GnssFixes
