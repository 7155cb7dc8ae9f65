"""What a site file states of its radars: each one's own lines, else those of all, `[radars]`."""

from math import radians

from core.errors import ConfigError
from edge.sections import RadarConfig, RadarsConfig, SiteConfig
from fusion.config import RadarPose

REFLECTION = ("reflection_share", "sigma_reflection_share")


def pose_of(radar: RadarConfig, common: RadarsConfig, place: tuple[float, float, float]) -> RadarPose:
    """Return the radar in site metres.

    place : east and north [site metres], boresight [rad] counter-clockwise from east
    """
    share, sigma = _reflection(radar, common)
    heading_deg = _either(radar.sigma_heading_deg, common.sigma_heading_deg)
    return RadarPose(
        sensor=radar.id,
        east_m=place[0],
        north_m=place[1],
        height_m=radar.height_m,
        boresight_rad=place[2],
        range_m_max=radar.range_m_max,
        fov_rad=radians(radar.fov_deg),
        sigma_range_m=radar.sigma_range_m,
        sigma_azimuth_rad=radians(radar.sigma_azimuth_deg),
        sigma_range_rate_mps=radar.sigma_range_rate_mps,
        accepted=radar.accepted,
        reflects=radar.reflects or common.reflects,
        reflection_share=share,
        sigma_reflection_share=sigma,
        reflection_s=common.reflection_s if radar.reflection_s is None else radar.reflection_s,
        sigma_place_m=_either(radar.sigma_place_m, common.sigma_place_m),
        sigma_boresight_rad=None if heading_deg is None else radians(heading_deg),
    )


def check_reflections(config: SiteConfig, where: str) -> None:
    """Refuse half a statement of where radars see bodies, and one of radars that report centres."""
    tables: list[tuple[str, RadarsConfig | RadarConfig]] = [("radars", config.radars)]
    tables += [
        (f"rsu[{i}].radar[{j}]", r) for i, rsu in enumerate(config.rsu) for j, r in enumerate(rsu.radar)
    ]
    for key, table in tables:
        for name, other in (REFLECTION, REFLECTION[::-1]):
            value = getattr(table, name)
            if value is None:
                continue
            if getattr(table, other) is None:
                raise ConfigError(where, f"{key}.{name}", f"needs {other} beside it", value)
            if table.reflects == "centres":
                raise ConfigError(where, f"{key}.{name}", 'must be absent beside reflects = "centres"', value)


def _reflection(radar: RadarConfig, common: RadarsConfig) -> tuple[float | None, float | None]:
    """Return share and sigma; a radar's own `reflects` is a statement of its own, too."""
    if radar.reflection_share is not None or radar.reflects is not None:
        return radar.reflection_share, radar.sigma_reflection_share
    return common.reflection_share, common.sigma_reflection_share


def _either(own: float | None, common: float | None) -> float | None:
    return common if own is None else own
