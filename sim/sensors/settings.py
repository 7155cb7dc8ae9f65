"""What a scenario may set of the sensors and their faults; each default is the sensor of the site's file."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

NotNegative = Annotated[float, Meta(ge=0.0)]
Positive = Annotated[float, Meta(gt=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Shares = tuple[Share, Share]  # each radar draws its own between the two
Metres = Annotated[float, Meta(ge=0.0, le=50.0)]
Density = Annotated[float, Meta(ge=0.0, le=1e-3)]  # 120 in a field of 150 degrees and 300 m: a frame has 512


class RadarSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[radar]`: where vehicles reflect, what hides them, and what the site's file does not know."""

    reflection: Literal["centre", "body"] = "centre"  # body: the end and side that the radar faces
    depth_share: Annotated[float, Meta(ge=0.0, le=0.3)] = 0.1  # of the body, behind the near end: half-normal
    wander_share: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.2  # of the face's width, to either side: normal
    wander_s: Annotated[float, Meta(ge=0.05, le=60.0)] = 0.5  # after which the slow half of it is another
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


RADAR = RadarSettings()
