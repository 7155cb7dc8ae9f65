"""What one RSU's pipeline is made from. Pure."""

from dataclasses import dataclass

from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.layout import LaneCells
from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.config import DEFAULT, JourneysConfig
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap


@dataclass(frozen=True, kw_only=True)
class Setup:
    """An RSU's name and place, its sensors, its rules and its road."""

    esn: str
    place: int  # the RSU's index in the site file
    stretch_m: tuple[float, float] | None
    neighbours: tuple[tuple[str, float, float], ...]
    fusion: FusionConfig
    radars: tuple[RadarPose, ...]
    terminals: tuple[Terminal, ...]
    rules: RulesConfig
    vehicles: tuple[VehicleConfig, ...]
    road: RoadMap
    frame: SiteFrame
    expects_gateway: bool
    lanes: LaneCells | None = None  # of `road`, for the tracker
    journeys: JourneysConfig = DEFAULT
