"""Configuration of the tracker, its radars and terminals; errors of sensors that no configuration states."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from core.classes import HAZMAT

# Errors that no configuration states
WHITE_SHARE = 0.25  # of a fix's stated sigma that is new in each fix; the rest is the lasting bias
QUANTUM_M = 0.03  # 1 sigma of positions cut to 1e-6 degrees (JT/T 808)
COURSE_SIGMA_RAD = 0.02  # of a reported course: whole degrees, antenna sway
# 1 sigma per axis [m] of a fix by its kind, where the receiver states no sigma; `single` is not here:
# it gets gnss_sigma_m
QUALITY_SIGMA_M = {
    "fixed": 0.05,  # RTK with integers: 0.01 m and 1 ppm of the baseline; the antenna's survey is no better
    "float": 0.4,  # RTK without them: decimetres while it converges
    "dgnss": 0.8,  # SBAS: horizontal 95 % within about 2 m (EGNOS and WAAS performance reports)
    "dead_reckoning": 5.0,  # without satellites: 2 % of the way, some hundred metres into a tunnel
}
OBJECT_LAG_S = 0.5  # a radar's own tracker has the speed across its beam from the places of about this long

Positive = Annotated[float, Meta(gt=0.0)]
Share = Annotated[float, Meta(gt=0.0, lt=1.0)]
SelfCalibration = Literal["off", "report", "apply"]
# What a radar reports of a vehicle: a point of its body, which is learnt of each radar, or its centre
Reflects = Literal["bodies", "centres"]


class FusionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[fusion]` of the site file: how vehicles move, and the errors of sensors that state none."""

    accel_along_mps2: Positive = 1.0  # 1 sigma of a manoeuvring truck's acceleration along its course
    accel_cross_mps2: Positive = 0.35  # the same across it: lane changes
    # The same while it keeps its speed: hills, gears, following. With less, a brake of 5 m/s^2 leaves the
    # gate of a range rate before it is noticed
    accel_calm_along_mps2: Positive = 0.3
    accel_calm_cross_mps2: Positive = 0.15  # the same while it keeps its lane: steering
    accel_tau_s: Positive = 1.0  # how long an acceleration lasts; PSD = 2 sigma^2 tau
    accel_bend_mps2: Positive = 0.5  # 1 sigma of the acceleration across the course in bends, in addition
    bend_tau_s: Positive = 20.0  # how long a bend lasts
    speed_unseen_mps: Positive = 12.0  # 1 sigma of the velocity that a first detection does not measure
    gate_probability: Share = 0.999
    detection_probability: Share = 0.9
    clutter_per_m2: Positive = 1e-5  # false detections per scan and square metre
    false_tracks_per_hour: Positive = 0.01  # wanted rate per radar; the confirmation threshold follows
    radar_timeout_s: Positive = 1.0  # a track that only radar fed ends after this long without it
    gnss_timeout_s: Positive = 35.0  # the longest silence of a terminal: slow ones report each 30 s
    gnss_sigma_m: Positive = 1.5  # JT/T 808 states no accuracy
    gnss_tau_s: Positive = 30.0
    gnss_sigma_speed_mps: Positive = 0.3
    # of whole-second stamps (JT/T 808): a bias along the road
    gnss_stamp_sigma_s: Annotated[float, Meta(ge=0.0)] = 0.1
    identity_accept_p: Share = 0.999  # wanted probability that a binding is right
    history_s: Annotated[float, Meta(ge=2.0)] = 2.5  # how far a late measurement is rewound
    tracks_max: Annotated[int, Meta(ge=1)] = 4_096
    self_calibration: SelfCalibration = "apply"  # errors of radars' poses: learnt from traffic, applied


class RadarPose(msgspec.Struct, frozen=True, kw_only=True):
    """One radar in the site frame, with its stated errors (1 sigma)."""

    sensor: str
    east_m: float
    north_m: float
    height_m: float  # above the road
    boresight_rad: float  # counter-clockwise from east, convergence applied
    range_m_max: float
    fov_rad: float  # full width
    sigma_range_m: float
    sigma_azimuth_rad: float
    sigma_range_rate_mps: float
    accepted: bool  # commissioned; else it tracks but does not enforce
    reflects: Reflects = "bodies"
    # Share of a body's length from its centre to where this radar sees it, with 1 sigma; None: learnt
    reflection_share: float | None = None
    sigma_reflection_share: float | None = None
    reflection_s: float = 1.0  # how long that point stays: correlation time of its scatter
    # What the survey leaves unknown of the pose, and no number of scans averages: place per axis, boresight;
    # None: how good the survey was is learnt from traffic
    sigma_place_m: float | None = None
    sigma_boresight_rad: float | None = None


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """A registered terminal and its vehicle."""

    terminal: str
    length_m: float | None = None
    width_m: float | None = None
    antenna_forward_m: float = 0.0  # of the vehicle's centre
    antenna_left_m: float = 0.0
    kind: int = HAZMAT  # class of docs/design.md section 7
    clock_offset_s: float = 0.0  # how far its clock is ahead of UTC, as the registry states
