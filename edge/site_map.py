"""The map that a site names, compiled or only read; what is wrong with it is the operator's error."""

from edge.config import Site
from edge.errors import ConfigError
from geofence.errors import MapError
from geofence.map.reading import Features, read
from geofence.map.roadmap import RoadMap, load_map


def road_of(site: Site) -> RoadMap:
    """Return the compiled map; ConfigError names site file, map, feature, rule and place."""
    try:
        return load_map(site.map_text, site.frame)
    except MapError as error:
        raise _refused(site, error) from error


def features_of(site: Site) -> Features:
    """Return what the map says, feature by feature, nothing compiled; raises ConfigError as `road_of`."""
    try:
        return read(site.map_text, site.frame)
    except MapError as error:
        raise _refused(site, error) from error


def _refused(site: Site, error: MapError) -> ConfigError:
    return ConfigError(site.where, f"site.map {site.config.site.map}", str(error))
