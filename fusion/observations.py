"""What sensors saw, in site metres or the sensor's polar frame: one object per arrival, columns inside.

Bounds are checked where bytes become these objects (roadside), and nowhere else.
"""

from dataclasses import dataclass

from core.arrays import F64, I64

SIZE_M_MAX = 100.0  # of a vehicle
TARGET_HEIGHT_M = 1.0  # of what a radar sees, above the road
# What a sensor's number can be; beyond, it is a fault, and its square would overflow in the covariances.
RANGE_M_MAX, RATE_MPS_MAX, AZIMUTH_RAD_MAX = 100_000.0, 500.0, 100.0  # of a radar's target
SPEED_MPS_MAX, SIGMA_M_MAX, TAU_S_MAX = 200.0, 1_000.0, 1e6  # of a fix


@dataclass(frozen=True, slots=True, kw_only=True)
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
    object_id: I64  # the radar's own number; reserved: association does not use it yet
    x_m: F64
    y_m: F64
    vx_mps: F64
    vy_mps: F64
    length_m: F64  # SIZE_M_MAX at most; NaN where unknown
    width_m: F64
    kind: I64  # class of docs/design.md section 7


@dataclass(frozen=True, slots=True, kw_only=True)
class GnssFixes:
    """One message's fixes, each with its own stamp: columns (n,); absent numbers are NaN."""

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


Observation = RadarScan | ObjectScan | GnssFixes
