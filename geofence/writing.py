"""Episodes as violations: quantised, with the last seconds as evidence."""

import uuid
from typing import Any

import numpy as np

from core.kernel import F64, I64
from geofence.episodes import OpenEpisode
from geofence.kernels import normal_cdf
from geofence.map.frames import SiteFrame
from geofence.state import (
    LANE_DEPARTURE,
    N_RULES,
    R_D,
    R_EAST,
    R_NORTH,
    R_S,
    R_SIGMA_D,
    R_SPEED,
    R_VALUE,
    UNDECIDABLE,
)  # fmt: skip
from geofence.violation import Phase, Stamps, Violation

NAMESPACE = uuid.UUID("6f1d7f5e-0b0c-5b8a-9a50-7d2f0d1f3c11")


def episode_id(esn: str, track: int, rule: str, slot: int, place: str | None, start_ns: int) -> str:
    """Return the id of an episode: from the opening RSU, track, rule, lane or zone, and start."""
    what = "undecidable" if slot == UNDECIDABLE else rule
    return str(uuid.uuid5(NAMESPACE, f"{esn}/{track}/{what}/{place or ''}/{start_ns}"))


def number(value: float, digits: int) -> float | None:
    """Return the value rounded, None for NaN; never -0.0, whose bytes differ."""
    return None if value != value else round(value, digits) + 0.0


def probability(value: float, sigma: float) -> float:
    """Return the probability that the value is above its limit."""
    if sigma <= 0.0 or value != value:
        return 1.0 if value > 0.0 else 0.0
    return round(float(normal_cdf(value / sigma)), 6)


def evidence(frame: SiteFrame, slot: int, ring: F64, ring_ns: I64) -> dict[str, list[Any]]:
    """Return the ring's rows as columns of equal length; `over` is the rule's own measure."""
    rule = LANE_DEPARTURE if slot == UNDECIDABLE else slot
    lon, lat = frame.lonlat_from_site(ring[:, R_EAST], ring[:, R_NORTH])
    value, sigma = ring[:, R_VALUE + rule], ring[:, R_VALUE + N_RULES + rule]
    columns: dict[str, list[Any]] = {
        "stamp_ns": ring_ns.tolist(),
        "lon_deg": np.round(lon, 7).tolist(),
        "lat_deg": np.round(lat, 7).tolist(),
        "s_m": [number(v, 2) for v in ring[:, R_S].tolist()],
        "d_m": [number(v, 3) for v in ring[:, R_D].tolist()],
        "sigma_d_m": [number(v, 3) for v in ring[:, R_SIGMA_D].tolist()],
        "excess_m": [number(v, 3) for v in ring[:, R_VALUE + LANE_DEPARTURE].tolist()],
        "speed_mps": np.round(ring[:, R_SPEED], 2).tolist(),
        "p_violation": [probability(v, s) for v, s in zip(value.tolist(), sigma.tolist(), strict=True)],
    }
    if rule != LANE_DEPARTURE:
        columns["over"] = [number(v, 3) for v in value.tolist()]
    return columns


def violation(
    episode: OpenEpisode,
    *,
    phase: Phase,
    esn: str,
    end_ns: int | None,
    stamps: Stamps,
    map_version: str,
    rules_version: str,
    columns: dict[str, list[Any]],
    reason: str | None = None,
) -> Violation:
    """Return one version of the episode."""
    return Violation(
        id=episode.id,
        version=episode.version,
        hop=episode.hop,
        phase=phase,
        grade=episode.grade,
        rule=episode.rule,
        vehicle=episode.vehicle,
        identity_p=episode.identity_p,
        track=episode.track,
        esn=esn,
        start_ns=episode.start_ns,
        confirmed_ns=episode.confirmed_ns,
        end_ns=end_ns,
        lon_deg=episode.lon_deg,
        lat_deg=episode.lat_deg,
        lane=episode.lane,
        zone=episode.zone,
        s_m=episode.s_m,
        d_m=episode.d_m,
        sigma_d_m=episode.sigma_d_m,
        p_violation=episode.p_violation,
        speed_mps=episode.speed_mps,
        limit_mps=episode.limit_mps if episode.rule == "overspeed" else None,
        map_version=map_version,
        rules_version=rules_version,
        stamps=stamps,
        reason=reason,
        evidence=columns,
    )
