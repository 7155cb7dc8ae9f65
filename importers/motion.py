"""Whether times, places and speeds of a log fit together: the check on a guessed unit or clock. Pure."""

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

MOVER_MPS_MIN = 2.0  # slower, the noise of places is longer than the way
FASTEST_MPS = 100.0
PAIRS_MIN = 3
DOUBT = 1.6  # way / (speed * time) beyond this factor, or below its inverse
RATIO_REFUSED = 10.0
NOTHING_M = 0.1  # a mover that does not move
WAY_M_MIN = 1.0  # shorter, its direction is noise
TURN_RAD_MAX = math.radians(60.0)
_DEGREE_M = 111_320.0


class Leg(NamedTuple):
    """One mover from one state to the next."""

    dt_s: float
    way_m: float
    speed_mps: float  # stated, the mean of both ends
    turn_rad: float = 0.0  # between the way and the stated heading, 0 to pi

    @property
    def ratio(self) -> float:
        """Return way / (speed * time)."""
        return max(self.way_m, NOTHING_M) / (self.speed_mps * max(self.dt_s, 1e-6))


def way_m(lon_a_deg: float, lat_a_deg: float, lon_b_deg: float, lat_b_deg: float) -> float:
    """Return the distance of two places near each other."""
    east = (lon_b_deg - lon_a_deg) * math.cos(math.radians(lat_a_deg))
    return math.hypot(east, lat_b_deg - lat_a_deg) * _DEGREE_M


def bearing_rad(lon_a_deg: float, lat_a_deg: float, lon_b_deg: float, lat_b_deg: float) -> float:
    """Return the direction from a to b near it, clockwise from north."""
    return math.atan2((lon_b_deg - lon_a_deg) * math.cos(math.radians(lat_a_deg)), lat_b_deg - lat_a_deg)


def turn_rad(a_rad: float, b_rad: float) -> float:
    """Return the angle between two directions, 0 to pi."""
    return abs(math.remainder(a_rad - b_rad, math.tau))


def misfit(legs: Sequence[Leg]) -> float | None:
    """Return how badly they fit: the median |ln(way / (speed * time))|; None where too few move."""
    if len(legs) < PAIRS_MIN:
        return None
    return median(abs(math.log(leg.ratio)) for leg in legs)


def ratio(legs: Sequence[Leg]) -> float | None:
    """Return the median of way / (speed * time), 1 where they fit; None where too few move."""
    return median(leg.ratio for leg in legs) if len(legs) >= PAIRS_MIN else None


def check(legs: Sequence[Leg], counts: Counter[str]) -> float | None:
    """Count motion faster than any vehicle's, and doubts (speeds, headings); return the ratio.

    Raises ValueError where places and times contradict the stated speeds by an order of magnitude.
    """
    found = ratio(legs)
    too_fast = [leg for leg in legs if leg.way_m > FASTEST_MPS * leg.dt_s]
    counts["motion_too_fast"] += len(too_fast)
    if found is None:
        if legs and len(too_fast) == len(legs):
            worst_mps = max(leg.way_m / max(leg.dt_s, 1e-6) for leg in legs)
            raise ValueError(f"its places and times make everyone drive up to {worst_mps:.0f} m/s")
        return None
    if not 1.0 / RATIO_REFUSED <= found <= RATIO_REFUSED:
        rule = f"its places and times make movers {found:.3g} times as fast as it states"
        raise ValueError(f"{rule}: the unit of its times, places or speeds is another one")
    if not 1.0 / DOUBT <= found <= DOUBT:
        counts["motion_doubtful"] += 1
    turns = [leg.turn_rad for leg in legs if leg.way_m >= WAY_M_MIN]
    if len(turns) >= PAIRS_MIN and median(turns) > TURN_RAD_MAX:
        counts["heading_doubtful"] += 1  # degrees for radians, from east for from north
    return found
