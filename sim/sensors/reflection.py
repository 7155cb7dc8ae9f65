"""Where a body reflects a radar, and what stands in its line of sight. In plan; site metres.

A body is a rectangle. It reflects from the end that faces the radar, or from its side where the radar looks
across it: the chance of a face is its width times the squared cosine of the angle to its normal, so a long
side counts for little at a grazing angle. Behind a face the depth is half-normal (a bumper, then axles and
tanks); along a face the point wanders about its middle. Half of each variance is slow, half new in each scan.
The model is assumed, not measured.
"""

import math
from dataclasses import dataclass

import numpy as np

from core.arrays import F64, I64, Bools
from sim.chance import normals, uniforms
from sim.settings import RadarSettings

CORNERS = ((0.5, 0.5), (0.5, -0.5), (-0.5, 0.5), (-0.5, -0.5))  # forward, left; of length and width
TICK_S = 0.05


def body_points(
    settings: RadarSettings, seed: int, keys: I64, scan: int, sight: tuple[F64, F64], size: tuple[F64, F64]
) -> tuple[F64, F64]:
    """Return where bodies reflect: forward and left of their centres [m], (radars, n).

    keys : (radars, n) of radar and vehicle
    sight : from the body to the radar, forward and left in the body's frame [m], each (radars, n)
    size : length and width [m], each (n,)
    """
    forward, left = sight
    length, width = size
    reach = np.maximum(np.hypot(forward, left), 1e-6)
    end, side = width * (forward / reach) ** 2, length * (left / reach) ** 2
    depth = np.abs(_wandering(settings, seed, "radar.depth", keys, scan))
    beside = np.clip(
        settings.wander_share * _wandering(settings, seed, "radar.beside", keys, scan), -0.5, 0.5
    )
    by_side = uniforms(seed, "radar.face", keys, scan // _knot(settings)) < side / np.maximum(
        end + side, 1e-9
    )
    near = 0.5 - np.minimum(
        settings.depth_share * depth, 1.0
    )  # of the body, towards the radar from the centre
    along = np.where(by_side, beside, np.copysign(near, forward) * np.ones_like(beside))
    across = np.where(by_side, np.copysign(1.0, left) * near, beside)
    return length * along, width * across


def _knot(settings: RadarSettings) -> int:
    return max(round(settings.wander_s / TICK_S), 1)


def _wandering(settings: RadarSettings, seed: int, name: str, keys: I64, scan: int) -> F64:
    """Return standard normal values, half of whose variance is correlated over `wander_s`.

    Between two knots the slow part turns from one draw to the next (cos, sin: the variance stays 1), so no
    state is kept, and no radar changes what another one sees.
    """
    knot = _knot(settings)
    before, part = divmod(scan, knot)
    turn = 0.5 * math.pi * part / knot
    slow = math.cos(turn) * normals(seed, f"{name}.slow", keys, before)
    slow += math.sin(turn) * normals(seed, f"{name}.slow", keys, before + 1)
    return np.asarray(math.sqrt(0.5) * (slow + normals(seed, f"{name}.fast", keys, scan)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Bodies:
    """n rectangles in a radar's field; their centres from the radar [m], arrays (n,)."""

    east_m: F64
    north_m: F64
    heading_rad: F64
    length_m: F64
    width_m: F64
    tall: Bools  # hides what is behind it


def behind_bodies(east_m: F64, north_m: F64, bodies: Bodies) -> Bools:
    """Return the mask (n,) of reflecting points whose line of sight crosses another body that is tall.

    east_m, north_m : the point of each body, from the radar, (n,)
    """
    b = bodies
    azimuth, reach = np.arctan2(north_m, east_m), np.hypot(east_m, north_m)
    cos, sin = np.cos(b.heading_rad), np.sin(b.heading_rad)
    middle = np.arctan2(b.north_m, b.east_m)
    edges = []
    for forward, left in CORNERS:
        east = b.east_m + forward * b.length_m * cos - left * b.width_m * sin
        north = b.north_m + forward * b.length_m * sin + left * b.width_m * cos
        edges.append(_turned(np.arctan2(north, east) - middle))
    low, high = np.min(edges, axis=0), np.max(edges, axis=0)
    off = _turned(azimuth[:, None] - middle[None, :])
    nearer = np.hypot(b.east_m, b.north_m)[None, :] < reach[:, None]  # one beside the point is not before it
    crossed = (off > low) & (off < high) & nearer & b.tall[None, :]
    np.fill_diagonal(crossed, val=False)
    return np.asarray(crossed.any(axis=1))


def _turned(angle: F64) -> F64:
    """Return angles within half a turn of zero."""
    return np.asarray(np.arctan2(np.sin(angle), np.cos(angle)))
