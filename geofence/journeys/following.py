"""Follow one vehicle from look to look: way, moving and standing time, dwells. Pure."""

from typing import NamedTuple

from geofence.journeys.journey import DWELLS_MAX, Dwell, Journey
from geofence.located import NO_LANE

NS = 1_000_000_000
# Between looks no further apart, the speed of the second is that of the way between them; over a longer gap
# only the stations at both ends are known
BRIDGED_S = 5.0
CRAWL_MPS = 1.0  # on the mean of a gap: slower, it stood for most of it
FASTEST_MPS = 120 / 3.6  # what is driven in a gap took at least as long as at the law's highest speed
DWELL_S = 60.0  # a shorter stop is traffic, at a gate or a light


class Look(NamedTuple):
    """What was seen of a vehicle at one tick."""

    t_ns: int
    seen_ns: int  # of its newest measurement
    s_m: float | None
    lon_deg: float
    lat_deg: float
    speed_mps: float
    track: int = 0
    lane: int = NO_LANE
    is_off_road: bool = False
    radar_ns: int = 0
    gnss_ns: int = 0


def follow(journey: Journey, look: Look, stop_mps: float) -> bool:
    """Advance a journey to a look; return whether a dwell began or ended.

    stop_mps : slower is standing.  Only time between two looks counts: a vehicle that came from elsewhere
    has moved at least so long
    """
    dt_s = (look.t_ns - journey.stamp_ns) / NS if journey.stamp_ns else 0.0
    is_standing = look.speed_mps < stop_mps
    if 0.0 < dt_s <= BRIDGED_S:
        journey.way_m += look.speed_mps * dt_s if not is_standing else 0.0
        if is_standing:
            journey.standing_s += dt_s
        else:
            journey.moving_s += dt_s
    elif dt_s > BRIDGED_S:
        bridge(journey, look.t_ns, look.s_m)
    changed = _dwell(journey, look, is_standing)
    journey.stamp_ns, journey.seen_ns = look.t_ns, max(journey.seen_ns, look.seen_ns)
    journey.s_m, journey.speed_mps = look.s_m, look.speed_mps
    journey.lon_deg, journey.lat_deg = look.lon_deg, look.lat_deg
    journey.speed_mps_max = max(journey.speed_mps_max, look.speed_mps)
    return changed


def bridge(journey: Journey, t_ns: int, s_m: float | None) -> None:
    """Count the gap until t_ns at station s_m by the stations at its ends: it moved if it was no crawl."""
    dt_s = (t_ns - journey.stamp_ns) / NS if journey.stamp_ns else 0.0
    if journey.s_m is None or s_m is None or dt_s <= 0.0:
        return
    way_m = abs(s_m - journey.s_m)
    journey.way_m += way_m
    if way_m / dt_s >= CRAWL_MPS:
        journey.moving_s += dt_s
        journey.standing_since_ns = 0
    else:
        journey.standing_s += dt_s


def _dwell(journey: Journey, look: Look, is_standing: bool) -> bool:
    """Advance the present stand; it is a dwell from DWELL_S on. Return whether one began or ended."""
    since_ns = journey.standing_since_ns
    if not is_standing:
        journey.standing_since_ns = 0
        return bool(since_ns) and bool(journey.dwells) and journey.dwells[-1].start_ns == since_ns
    if not since_ns:
        journey.standing_since_ns = look.t_ns
        return False
    held_s = (look.t_ns - since_ns) / NS
    if held_s < DWELL_S:
        return False
    if journey.dwells and journey.dwells[-1].start_ns == since_ns:
        journey.dwells[-1].standing_s = round(held_s, 1)
        return False
    journey.dwells.append(
        Dwell(
            s_m=look.s_m, lon_deg=look.lon_deg, lat_deg=look.lat_deg, start_ns=since_ns,
            standing_s=round(held_s, 1),
        )
    )  # fmt: skip
    del journey.dwells[:-DWELLS_MAX]
    return True


def quantise(journey: Journey) -> None:
    """Round the numbers of a journey to what a version shows."""
    journey.way_m, journey.moving_s = round(journey.way_m, 1), round(journey.moving_s, 1)
    journey.standing_s = round(journey.standing_s, 1)
    journey.lon_deg, journey.lat_deg = round(journey.lon_deg, 7), round(journey.lat_deg, 7)
    journey.speed_mps = round(journey.speed_mps, 2)
    journey.speed_mps_max = round(journey.speed_mps_max, 2)
    journey.s_m = None if journey.s_m is None else round(journey.s_m, 1)
    journey.entry_s_m = None if journey.entry_s_m is None else round(journey.entry_s_m, 1)
