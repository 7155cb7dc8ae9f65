"""Another map while an RSU runs: compiled off its loop, or by a replay where it was published. Pure."""

import dataclasses
from collections.abc import Sequence

from core.errors import ConfigError, MapError
from edge.config_down import ConfigDown, unpacked_map
from fusion.config import RadarPose
from fusion.layout import LaneCells
from geofence.episode_book import Judged
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadMap, load_map
from geofence.map_changes import MapChanges, map_changes
from geofence.map_names import check_names
from geofence.monitor import Monitor
from geofence.permit_checks import permit_faults
from roadside.lane_cells import cells_of, points_of
from roadside.pipeline_setup import Setup, monitor_of


@dataclasses.dataclass(frozen=True, slots=True)
class Compiled:
    """A published map, ready to be judged by."""

    road: RoadMap
    cells: LaneCells  # of its lanes, over the radars


@dataclasses.dataclass(frozen=True, slots=True)
class Published:
    """A publication whose map is compiled; the recording has its bytes alone."""

    down: ConfigDown
    compiled: Compiled | None  # None: it can't be
    refused: str = ""  # the reason


def compiled_of(body: bytes, frame: SiteFrame, radars: Sequence[RadarPose]) -> Compiled:
    """Return a published map compiled; MapError names feature, rule and place."""
    try:
        text = unpacked_map(body)
    except ValueError as error:
        raise MapError(f"map: {error}") from error
    try:
        road = load_map(text, frame)
        check_names(road)
        return Compiled(road, cells_of(points_of(road.lanes), radars))
    except MapError:
        raise
    except Exception as error:  # the publication is retained: whatever escaped here would end each start anew
        raise MapError(f"map: can't be compiled: {type(error).__name__}: {error}") from error


def published(down: ConfigDown, frame: SiteFrame, radars: Sequence[RadarPose]) -> Published:
    """Return a publication with its map compiled, or the reason why it can't be."""
    assert down.map is not None, "it has a map"
    try:
        return Published(down, compiled_of(down.map, frame, radars))
    except MapError as error:
        return Published(down, None, str(error))


def check_map(setup: Setup) -> None:
    """Refuse (ConfigError) a setup whose permits the map does not fit."""
    if setup.road.axis is None:
        raise ConfigError("config/down", "map", "must have lanes or an axis", setup.road.version)
    for fault in permit_faults(setup.road, setup.permits, setup.vehicles):
        raise ConfigError("config/down", f"permit[{fault.row}].{fault.key}", fault.rule, fault.value)


def on_map(setup: Setup, compiled: Compiled) -> Setup:
    """Return the setup on another map."""
    return dataclasses.replace(setup, road=compiled.road, lanes=compiled.cells)


def change_map(
    monitor: Monitor, old: Setup, new: Setup, now_ns: int
) -> tuple[list[Judged], Monitor, MapChanges]:
    """Return the closes of what the map changes, a monitor that continues, and what changes."""
    found = map_changes(old.road, new.road)
    closes = monitor.close_on_map(now_ns, found)
    again = monitor_of(new)
    again.continue_on(monitor, found)
    return closes, again, found
