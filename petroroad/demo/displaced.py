"""A site for a scenario that displaces its radars: it must not state that their survey was exact."""

import tomllib

from edge.config import Site, parse_site
from petroroad.toml_text import dumps
from sim.settings import RadarSettings


def site_for(site: Site, radar: RadarSettings) -> Site:
    """Return the site, without the sigmas of [radars] where simulated radars stand beside their survey."""
    tables = tomllib.loads(site.config_text)
    common = tables.get("radars", {})
    wrong = [
        name
        for name, sigma in (
            ("sigma_place_m", radar.pose_offset_m),
            ("sigma_heading_deg", radar.pose_rotation_deg),
        )
        if sigma > common.get(name, sigma)
    ]
    if not wrong:
        return site
    for name in wrong:
        del common[name]
    return parse_site(
        dumps(tables), site.map_text, site.registry_text, site.where, permits_text=site.permits_text
    )
