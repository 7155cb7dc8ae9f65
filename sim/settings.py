"""What a scenario may set of traffic, sensors and their faults; each default is the plain case."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

VEHICLES_MAX = 20_000
NotNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Shares = tuple[Share, Share]  # each radar draws its own between the two
Metres = Annotated[float, Meta(ge=0.0, le=50.0)]
Density = Annotated[float, Meta(ge=0.0, le=1e-3)]  # 120 in a field of 150 degrees and 300 m: a frame has 512


class TrafficConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who drives."""

    vehicles: Annotated[int, Meta(ge=2, le=VEHICLES_MAX)] = 120  # on the road at a time, as far as they fit
    hazmat_share: Share = 0.6
    rsus: Annotated[int, Meta(ge=1)] = 4  # neighbouring ones around `middle_m` whose sensors are simulated
    middle_m: float = 23_000.0
    margin_m: Positive = 400.0  # driven beyond both ends of their stretches
    ends_share: Share = 0.0  # of the trips that end on the road, at a drawn station: the vehicle is gone
    platoon: Annotated[int, Meta(ge=1, le=20)] = 1  # vehicles that come and drive close together
    platoon_gap_m: Annotated[float, Meta(ge=4.0, le=50.0)] = 8.0  # between their bumpers


class RadarSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[radar]`: where vehicles reflect, what hides them, and what the site's file does not know."""

    reflection: Literal["centre", "body"] = "centre"  # body: the end and side that the radar faces
    depth_share: Annotated[float, Meta(ge=0.0, le=0.3)] = 0.1  # of the body, behind the near end: half-normal
    wander_share: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.2  # of the face's width, to either side: normal
    wander_s: Annotated[float, Meta(ge=0.05, le=60.0)] = 0.5  # after which the slow half of it is another
    trailer_share: Share = 0.0  # body: of the trucks that tow what no registry knows of
    trailer_m: Annotated[float, Meta(ge=0.0, le=15.0)] = 7.0  # how far it reaches behind them
    shadow: Literal["beam", "body"] = "beam"  # body: the line of sight crosses a nearer tall body in plan
    hidden_detection: Share = 0.5  # of its detections that remain in a shadow
    detection_near: Shares = (0.98, 0.98)  # of scans; falls with the range squared
    detection_far: Shares = (0.90, 0.90)  # at the end of the range
    clutter_per_m2: tuple[Density, Density] | None = None  # per scan; None: 0.45 a scan whatever the field
    pose_offset_m: Annotated[float, Meta(ge=0.0, le=5.0)] = (
        0.0  # 1 sigma, each axis: stands beside its survey
    )
    pose_rotation_deg: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.0  # 1 sigma: looks beside it
    range_offset_m: Annotated[float, Meta(ge=0.0, le=5.0)] = 0.0  # 1 sigma, each radar its own


class TerminalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[terminals]`: how wrong the fixes are, what the terminals say of it, and which ones deceive."""

    rate_hz: Literal[1, 2, 4, 5, 10] = 1  # fixes a second; above 1 JT/T 808 can't carry the stamps
    sigma_m: tuple[Metres, Metres] = (1.0, 1.5)  # 1 sigma of the lasting error, each axis; each draws its own
    tau_s: tuple[Positive, Positive] = (30.0, 60.0)  # how long it lasts
    white_m: Metres = 0.25  # 1 sigma of what is new in each fix
    constant_m: Metres = 0.0  # 1 sigma of an error that stays for the whole run, each axis
    told_factor: Annotated[float, Meta(ge=0.05, le=20.0)] | None = (
        None  # sigma told over true; None: told none
    )
    late_share: Share = 0.0  # of the fixes that come later than the network alone makes them
    late_s: tuple[NotNegative, NotNegative] = (0.5, 2.0)  # by how much
    silent_share: Share = 0.0  # of the registered vehicles whose terminals never report
    ghosts: Annotated[int, Meta(ge=0, le=50)] = 0  # terminals that report a drive where no vehicle is
    dragged_share: Share = 0.0  # of the terminals whose places drift off to one side
    drag_mps: Annotated[float, Meta(ge=0.0, le=5.0)] = 0.1  # how fast
    drag_from_s: NotNegative = 10.0  # of the run
    drag_m_max: Annotated[float, Meta(ge=0.0, le=500.0)] = 30.0


TRAFFIC = TrafficConfig()
RADAR = RadarSettings()
TERMINALS = TerminalSettings()
