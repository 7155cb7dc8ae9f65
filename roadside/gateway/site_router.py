"""From a loaded site to its router: the gateway's live one, and a whole-site replay's, are the same."""

import numpy as np

from edge.config import Site
from geofence.map.roadmap import RoadMap
from roadside.gateway.routing import Router, Stretch


def router_of(site: Site, road: RoadMap) -> Router:
    """Return what routes fixes to the site's RSUs by the map's axis."""
    rsus = site.config.rsu
    east_m, north_m = site.frame.site_from_lonlat(
        np.array([rsu.lon_deg for rsu in rsus]), np.array([rsu.lat_deg for rsu in rsus])
    )
    stretches = [
        Stretch(rsu.esn, *rsu.stretch_m, east, north)
        for rsu, east, north in zip(rsus, east_m.tolist(), north_m.tolist(), strict=True)
    ]
    gates = [(float(gate.points[:, 0].mean()), float(gate.points[:, 1].mean())) for gate in road.gates]
    return Router(site.frame, road.axis, stretches, gates)
