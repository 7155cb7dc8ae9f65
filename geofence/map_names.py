"""Names of a map that a violation may bear. Pure."""

from core.errors import MapError
from geofence.map.roadmap import RoadPlan
from geofence.plausible import TEXT_LENGTH_MAX, is_plain


def check_names(road: RoadPlan) -> None:
    """Refuse (MapError) names that a violation may not bear: an RSU would withhold each one on that lane."""
    names = [("version", road.version), *(("lane", lane.lane) for lane in road.lanes)]
    names += [("zone", zone.zone) for zone in road.zones]
    for kind, name in names:
        if not is_plain(name):
            raise MapError(f"{kind} {name[:60]!r}: must be plain text of up to {TEXT_LENGTH_MAX} characters")
