"""Where the inputs of a whole site's recording go: a scan to its radar's RSU, a fix by stretch."""

from collections import Counter
from collections.abc import Sequence

from core.arrays import F64, Bools
from edge.config import Site
from geofence.map.roadmap import RoadPlan
from roadside.gateway.routing import Esns, router_of


class SiteRoutes:
    """The routes of a whole site's recording."""

    def __init__(self, site: Site, road: RoadPlan, skipped: Counter[str]) -> None:
        """skipped : counts inputs that go nowhere."""
        self._router, self._skipped = router_of(site.config.rsu, site.frame, road), skipped
        self._owners = {radar.id: (rsu.esn,) for rsu in site.config.rsu for radar in rsu.radar}
        self.everyone: Esns = tuple([rsu.esn for rsu in site.config.rsu])

    def of_fixes(self, terminals: Sequence[str], seen: Bools, east_m: F64, north_m: F64) -> list[Esns]:
        """Return the RSUs that get each fix; seen : (n,) its place is known."""
        placed = self._router.route_placed(terminals, seen, east_m, north_m)
        self._skipped["fix beyond every stretch"] += placed.count(())
        return placed

    def of_radar(self, sensor: str) -> Esns:
        """Return the RSU of a radar, none for one that the site lacks."""
        found = self._owners.get(sensor, ())
        self._skipped["scan of an unknown radar"] += not found
        return found

    def of_gateway(self) -> Esns:
        """Return none: the message was meant for one RSU; a whole site's recording has /gnss."""
        self._skipped["gateway message in a whole site's recording"] += 1
        return ()
