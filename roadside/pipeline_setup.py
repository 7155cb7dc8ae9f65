"""What one RSU's pipeline is made from. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from fusion.config import FusionConfig, RadarPose, Terminal
from fusion.layout import LaneCells
from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.config import DEFAULT, JourneysConfig
from geofence.journeys.journeys import Journeys
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap
from geofence.monitor import Monitor
from geofence.permits import PermitConfig
from geofence.plausible import Bounds, bounds_of


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
    permits: tuple[PermitConfig, ...] = ()


def bounds_of_setup(setup: Setup) -> Bounds:
    """Return where its violations can be."""
    axis, frame = setup.road.axis, setup.frame
    stations = [] if axis is None else [axis.k0_m, axis.k0_m + axis.length_m, *(setup.stretch_m or ())]
    return bounds_of((frame.lon_deg, frame.lat_deg), stations)


def journeys_of(setup: Setup, count: Callable[[str], None]) -> Journeys:
    """Return the journeys of its vehicles, none yet; count : counts a reason."""
    return Journeys(
        setup.journeys, setup.rules, setup.road, setup.frame, setup.vehicles, setup.permits,
        esn=setup.esn, journeys_max=setup.fusion.tracks_max, count=count, stretch_m=setup.stretch_m,
        neighbours=[esn for esn, _, _ in setup.neighbours],
    )  # fmt: skip


def monitor_of(setup: Setup, *, late: bool = False) -> Monitor:
    """Return a fresh monitor; late : of stored fixes, without radar."""
    return Monitor(
        setup.rules, setup.road, setup.frame, setup.vehicles, esn=setup.esn, stretch_m=setup.stretch_m,
        radars=() if late else setup.radars, late=late, permits=setup.permits,
    )  # fmt: skip
