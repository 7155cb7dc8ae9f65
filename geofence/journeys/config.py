"""`[journeys]` of the site file."""

from typing import Annotated

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0.0, le=604_800.0)]


class JourneysConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a journey is overdue, lost and given up."""

    lost_s: Seconds = 60.0  # without a measurement: two reports of the slowest terminals (30 s) are missing
    overdue_share: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.5  # of the time that the way should take
    # beside that share: the rest of 20 min that a driver may need (道路运输车辆动态监督管理办法)
    overdue_s: Seconds = 1_200.0
    off_road_s: Seconds = 300.0  # so long beside the road, a vehicle has left it
    # a journey without a sign of its vehicle is kept on the board so long: somebody must look for it; a
    # lorry that stays for the night is gone from the road
    give_up_s: Seconds = 43_200.0


DEFAULT = JourneysConfig()
