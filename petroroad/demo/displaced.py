"""A site for a scenario whose radars are others than its file states: it must not be wrong about them."""

import tomllib
from typing import Any

from edge.config import Site, parse_site
from petroroad.toml_text import dumps
from sim.settings import RadarSettings

REFLECTION = ("reflects", "reflection_share", "sigma_reflection_share", "reflection_s")


def site_for(site: Site, radar: RadarSettings) -> Site:
    """Return the site, its [radars] without what the simulated radars of a scenario make untrue.

    No sigmas where they stand beside their survey; where they report centres, that, and nothing of bodies: a
    tracker that expects the near end of a lorry would think it five metres behind its place.
    """
    tables = tomllib.loads(site.config_text)
    common: dict[str, Any] = tables.get("radars", {})
    wrong = [
        name
        for name, sigma in (
            ("sigma_place_m", radar.pose_offset_m),
            ("sigma_heading_deg", radar.pose_rotation_deg),
        )
        if sigma > common.get(name, sigma)
    ]
    of_centres = radar.reflection == "centre" and common.get("reflects") != "centres"
    if not wrong and not of_centres:
        return site
    for name in wrong:
        del common[name]
<<<<<<< HEAD
    return parse_site(
        dumps(tables), site.map_text, site.registry_text, site.where, permits_text=site.permits_text
    )
=======
    if of_centres:
        for table in (common, *(row for rsu in tables["rsu"] for row in rsu.get("radar", []))):
            for name in REFLECTION:
                table.pop(name, None)
        tables["radars"] = common | {"reflects": "centres"}
    return parse_site(dumps(tables), site.map_text, site.registry_text, site.where)
>>>>>>> x-proof9
