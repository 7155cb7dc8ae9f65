"""The setup of each RSU's pipeline, made from a loaded site; the same for the live agent and for replay.

A module of its own: the pipeline may not import the loader of files, and a replay needs no sockets.
"""

from edge.config import Site
from edge.site_map import road_of
from roadside.lane_cells import cells_of, points_of
from roadside.pipeline_setup import Setup


def setups(site: Site, *, expects_gateway: bool, esns: tuple[str, ...] | None = None) -> dict[str, Setup]:
    """Return the setup of each RSU (of `esns` only), in the site's order; the map is compiled once.

    expects_gateway : whether silence of the gateway means that nobody could report
    """
    road = road_of(site)
    points = points_of(road.lanes)
    stretches = {rsu.esn: rsu.stretch_m for rsu in site.config.rsu}
    made = {}
    for rsu in site.config.rsu:
        if esns is not None and rsu.esn not in esns:
            continue
        made[rsu.esn] = Setup(
            esn=rsu.esn,
            place=site.place(rsu.esn),
            stretch_m=stretches[rsu.esn] if road.axis is not None else None,
            neighbours=tuple((esn, *stretches[esn]) for esn in rsu.neighbours if esn in stretches),
            fusion=site.config.fusion,
            radars=site.radar_poses(rsu.esn),
            terminals=site.terminals(),
            rules=site.config.rules,
            vehicles=tuple(site.vehicles),
            road=road,
            frame=site.frame,
            expects_gateway=expects_gateway,
            lanes=cells_of(points, site.radar_poses(rsu.esn)),
            journeys=site.config.journeys,
            permits=site.permits,
        )
    return made
