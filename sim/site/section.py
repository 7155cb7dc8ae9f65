"""The cross-section of the synthetic Panjin road and the places along it, as the waypoints file states them.

Offsets count from the middle of the carriageway's side: `left of travel`; the axis is the median's middle.
Everything here is SYNTHETIC: plausible, not surveyed.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from geofence.map.frames import SiteFrame
from sim.alignment import Alignment, alignment_of

ORIGIN = (122.065, 40.895)  # lon_deg, lat_deg of the site frame
LANE_M = 3.75
MEDIAN_M = 4.0
SHOULDER_M = 3.0
N_LANES = 3  # per direction, index 0 rightmost
HAZMAT_LANE, MIXED_LANE, CARS_LANE = 0, 1, 2  # indices of lanes
EDGE_M = MEDIAN_M / 2 + N_LANES * LANE_M  # axis to the right edge of the hazmat lane
POLE_M = EDGE_M + SHOULDER_M + 1.5  # axis to the poles
DIRECTIONS = {"SB": 1, "NB": -1}  # along the axis, against it
RAMP_LANE_M = 300.0
GATE_NORTH_M, GATE_SOUTH_M = 800.0, 39_000.0
OVERPASS_M, OVERPASS_LENGTH_M, OVERPASS_RISE_M = 11_500.0, 600.0, 7.5
# direction, station where the nose lies, on- or off-ramp; the northbound ones mirror the waypoints' own
RAMPS = (
    ("A", "SB", 5_400.0, "off"),
    ("A", "SB", 6_200.0, "on"),
    ("A", "NB", 6_200.0, "off"),
    ("A", "NB", 5_400.0, "on"),
    ("B", "SB", 21_000.0, "off"),
    ("B", "SB", 21_800.0, "on"),
    ("B", "NB", 21_800.0, "off"),
    ("B", "NB", 21_000.0, "on"),
    ("C", "SB", 36_200.0, "on"),
)


@dataclass(frozen=True, slots=True)
class Ramp:
    """A lane right of the hazmat lane along which traffic joins or leaves."""

    name: str
    direction: str
    kind: str  # on, off
    from_m: float  # stations of the parallel lane, ascending
    to_m: float


def ramps() -> tuple[Ramp, ...]:
    """Return the parallel lanes of all ramps."""
    return tuple(
        Ramp(f"{name}-{direction}-{kind}", direction, kind, *sorted((nose_m, nose_m + reach_m)))
        for name, direction, nose_m, kind in RAMPS
        for reach_m in [RAMP_LANE_M * DIRECTIONS[direction] * (1 if kind == "on" else -1)]
    )


def lane_centre_m(index: int) -> float:
    """Return the lane's centre, left of travel positive, from the axis."""
    return -(MEDIAN_M / 2 + (N_LANES - 1 - index + 0.5) * LANE_M)


def waypoints() -> dict[str, object]:
    """Return the shipped waypoints file."""
    text = resources.files("sim.site").joinpath("panjin_waypoints.json").read_text(encoding="utf-8")
    found: dict[str, object] = json.loads(text)
    return found


def panjin_axis(control_points: Iterable[dict[str, float]], frame: SiteFrame) -> Alignment:
    """Return the axis through the control points with their fillets, in site metres."""
    points = list(control_points)
    east, north = frame.site_from_lonlat([p["lon"] for p in points], [p["lat"] for p in points])
    corners = list(zip(east.tolist(), north.tolist(), strict=True))
    return alignment_of(corners, [p["fillet_radius_m"] for p in points])
