"""The fences of a site's zones for one of its terminals. Pure."""

from collections.abc import Sequence

from edge.config import Site
from geofence.map.reading import Zone
from roadside.fence_exemptions import local_day, opened_zones
from roadside.zone_fences import Exported, fences_of


def fences_for(site: Site, zones: Sequence[Zone], terminal: str | None, now_ns: int) -> Exported:
    """Return the fences that a terminal may have now.

    terminal : None: any, so that zones which are open to some vehicles are left out
    """
    opened = opened_zones(zones, site.config.rules, site.vehicles, site.permits, terminal, now_ns)
    return fences_of(zones, site.frame, local_day(now_ns), opened)
