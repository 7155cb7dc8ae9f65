"""Episodes as violations: quantised, with the last seconds as evidence."""

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np

from core.arrays import F64, I64
from geofence.episodes import SHARED, OpenEpisode
from geofence.kernels import normal_cdf
from geofence.map.frames import SiteFrame
from geofence.rules import SHARED_COLUMNS
from geofence.state import R_D, R_EAST, R_NORTH, R_P_OUT, R_S, R_SIGMA_D, R_SPEED, R_VALUE, State
from geofence.violation import Violation

NAMESPACE = uuid.UUID("6f1d7f5e-0b0c-5b8a-9a50-7d2f0d1f3c11")


def episode_id(esn: str, track: int, rule: str, place: str | None, start_ns: int) -> str:
    """Return the id of an episode: from the opening RSU, track, rule, lane or zone, and start."""
    return str(uuid.uuid5(NAMESPACE, f"{esn}/{track}/{rule}/{place or ''}/{start_ns}"))


def number(value: float, digits: int) -> float | None:
    """Return the value rounded, None for NaN; never -0.0, whose bytes differ."""
    return None if value != value else round(value, digits) + 0.0


def probability(value: float, sigma: float) -> float:
    """Return the probability that the value is above its limit."""
    if sigma <= 0.0 or value != value:
        return 1.0 if value > 0.0 else 0.0
    return round(float(normal_cdf(value / sigma)), 6)


def probabilities(state: State, rule: str, rows: F64) -> list[float]:
    """Return the probability that a measured rule is broken in each of (m, ring columns) rows.

    That of a departure allows for how seldom drivers leave their lane (geofence.keeping).
    """
    column = R_VALUE + state.measured[rule]
    pairs = zip(rows[:, column].tolist(), rows[:, column + len(state.measured)].tolist(), strict=True)
    found = [probability(value, sigma) for value, sigma in pairs]
    if rule != "lane_departure":
        return found
    shown = rows[:, R_P_OUT].tolist()
    return [flat if p != p else round(p, 6) + 0.0 for p, flat in zip(shown, found, strict=True)]


def evidence(
    frame: SiteFrame, state: State, rule: str, ring: F64, ring_ns: I64, measures: Mapping[str, float]
) -> dict[str, list[Any]]:
    """Return the ring's rows as columns of equal length; `over` holds the values of the rule `rule`.

    ring : (m, ring columns).  ring_ns : (m,).  A rule with a shared column has no `over`.
    measures : what a tick measured beside it stands in the newest row of columns of its own
    """
    lon, lat = frame.lonlat_from_site(ring[:, R_EAST], ring[:, R_NORTH])
    value, p_violation = np.full(len(ring), np.nan), [0.0] * len(ring)
    if rule in state.measured:
        value, p_violation = ring[:, R_VALUE + state.measured[rule]], probabilities(state, rule, ring)
    shared = {
        column: [number(v, 3) for v in ring[:, R_VALUE + state.measured[name]].tolist()]
        for name, column in SHARED_COLUMNS.items()
    }
    columns: dict[str, list[Any]] = {
        "stamp_ns": ring_ns.tolist(),
        "lon_deg": np.round(lon, 7).tolist(),
        "lat_deg": np.round(lat, 7).tolist(),
        "s_m": [number(v, 2) for v in ring[:, R_S].tolist()],
        "d_m": [number(v, 3) for v in ring[:, R_D].tolist()],
        "sigma_d_m": [number(v, 3) for v in ring[:, R_SIGMA_D].tolist()],
        **shared,
        "speed_mps": np.round(ring[:, R_SPEED], 2).tolist(),
        "p_violation": p_violation,
    }
    if rule not in SHARED_COLUMNS:
        columns["over"] = [number(v, 3) for v in value.tolist()]
    if not any(value != value for value in measures.values()) and len(ring):
        columns |= {name: [*[None] * (len(ring) - 1), number(at, 2)] for name, at in measures.items()}
    return columns


def violation(episode: OpenEpisode, **of_version: Any) -> Violation:
    """Return one version: its episode's fields and those of the version alone."""
    shared = {name: getattr(episode, name) for name in SHARED}
    return Violation(**(shared | of_version))
