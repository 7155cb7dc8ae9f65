"""The map that a site names: compiled, checked, or only read; a fault in it is the operator's error."""

from core.errors import ConfigError, MapError
from edge.config import Site
from geofence.map.reading import Features, read
from geofence.map.roadmap import RoadMap, RoadPlan, load_map, load_plan
from geofence.map_names import check_names
from geofence.permit_checks import permit_faults
from geofence.permits import PermitFault
from geofence.plausible import is_plain
from geofence.rule_checks import faults_of_names


def road_of(site: Site) -> RoadMap:
    """Return the compiled map; ConfigError names site file, map, feature, rule and place."""
    try:
        road = load_map(site.map_text, site.frame)
    except MapError as error:
        raise _refused(site, error) from error
    check_site(site, road)
    return road


def plan_of(site: Site) -> RoadPlan:
    """Return the checked map without the compiled look-ups, and without the compiler; raises as `road_of`."""
    try:
        plan = load_plan(site.map_text, site.frame)
    except MapError as error:
        raise _refused(site, error) from error
    check_site(site, plan)
    return plan


def check_site(site: Site, road: RoadPlan) -> None:
    """Refuse (ConfigError) a map whose names are none, or that the rules of the site do not fit."""
    try:
        check_names(road)
    except MapError as error:
        raise _refused(site, error) from error
    if not is_plain(site.config.rules.version):
        raise ConfigError(site.where, "rules.version", "must be plain text", site.config.rules.version)
    roles = {role for zone in road.zones for role in zone.roles}
    roads = {lane.road for lane in road.lanes}
    lanes, zones = {lane.lane for lane in road.lanes}, {zone.zone for zone in road.zones}
    for fault in faults_of_names(site.config.rules, roles, roads, lanes, zones):
        raise ConfigError(site.where, *fault)
    for wrong in permit_faults(road, site.permits, site.vehicles):
        raise _wrong_permit(site, wrong)


def _wrong_permit(site: Site, wrong: PermitFault) -> ConfigError:
    """Return the error of a permit, by its table or by the line of its file."""
    of_file = wrong.row - len(site.config.permit)
    if of_file < 0:
        return ConfigError(site.where, f"permit[{wrong.row}].{wrong.key}", wrong.rule, wrong.value)
    where = f"line {site.permit_rows[of_file].line}, column {wrong.key}"
    return ConfigError(site.config.permits or "permits", where, wrong.rule, wrong.value)


def features_of(site: Site) -> Features:
    """Return the map's features as read, nothing compiled; raises ConfigError as `road_of`."""
    try:
        return read(site.map_text, site.frame)
    except MapError as error:
        raise _refused(site, error) from error


def _refused(site: Site, error: MapError) -> ConfigError:
    return ConfigError(site.where, f"site.map {site.config.site.map}", str(error))
