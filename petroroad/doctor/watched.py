"""Parts of a stretch that only a neighbour's radars see: nobody shows who drives there without a terminal.

A vehicle belongs to the RSU on whose stretch it is. Where that one has no radar and its neighbour has, the
neighbour follows the vehicle and leaves it to the other, which does not know of it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from core.arrays import F64, Bools
from edge.config import Site
from fusion.config import RadarPose
from geofence.map.axis import Axis

STEP_M = 5.0  # between two places that are looked at
LEAST_M = 50.0  # a shorter part is what a handover needs anyway


def unwatched(site: Site, axis: Axis) -> Iterator[str]:
    """Yield one text for each such part of a stretch."""
    s_m = np.arange(axis.k0_m, axis.k0_m + axis.length_m, STEP_M)
    east_m, north_m = axis.site_of(s_m, np.zeros(len(s_m)))
    seen = {rsu.esn: _seen(site.radar_poses(rsu.esn), east_m, north_m) for rsu in site.config.rsu}
    for rsu in site.config.rsu:
        inside = (s_m >= rsu.stretch_m[0]) & (s_m < rsu.stretch_m[1])
        for other in rsu.neighbours:
            for from_m, to_m in _parts(s_m, inside & seen[other] & ~seen[rsu.esn]):
                yield (
                    f"{from_m:.0f} to {to_m:.0f} m belongs to {rsu.esn}, and only radars of {other} see it: "
                    "vehicles without a terminal are shown by nobody there"
                )


def _seen(radars: Sequence[RadarPose], east_m: F64, north_m: F64) -> Bools:
    """Return which places (n,) lie in the field of any of these radars."""
    found: Bools = np.zeros(len(east_m), dtype=np.bool_)
    for radar in radars:
        away_e, away_n = east_m - radar.east_m, north_m - radar.north_m
        aside = np.angle(np.exp(1j * (np.arctan2(away_n, away_e) - radar.boresight_rad)))
        found |= (np.hypot(away_e, away_n) <= radar.range_m_max) & (np.abs(aside) <= radar.fov_rad / 2.0)
    return found


def _parts(s_m: F64, hit: Bools) -> Iterator[tuple[float, float]]:
    """Yield from where to where it is hit, of parts that are long enough."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hit, [False]]).astype(np.int8)))
    for begin, end in edges.reshape(-1, 2).tolist():
        if (end - begin) * STEP_M >= LEAST_M:
            yield float(s_m[begin]), float(s_m[end - 1] + STEP_M)
