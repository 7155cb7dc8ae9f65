"""When a vehicle is expected out, when it is overdue, and how far it has come. Pure arithmetic."""

from geofence.journeys.config import JourneysConfig
from geofence.journeys.journey import Journey

NS = 1_000_000_000
# The speed that the road allows counts as much as so many seconds of the vehicle's own driving: over less
# than two minutes a speed is that of one queue or one gate
PRIOR_S = 120.0
CRAWL_MPS = 1.0  # slower, no time of arrival makes sense


def pace_mps(journey: Journey, road_mps: float) -> float:
    """Return the speed at which the rest will be driven [m/s].

    The mean of its own moving time and PRIOR_S at road_mps, each weighted by its length.
    """
    return max((journey.way_m + PRIOR_S * road_mps) / (journey.moving_s + PRIOR_S), CRAWL_MPS)


def expect(journey: Journey, road_mps: float, config: JourneysConfig) -> None:
    """Set when the vehicle is expected out, and from when on it is overdue, by the road's speed alone."""
    left_m = _left_m(journey, journey.entry_s_m)
    if left_m is None:
        journey.expected_ns = journey.due_ns = journey.eta_ns = None
        return
    way_s = left_m / max(road_mps, CRAWL_MPS)
    journey.expected_ns = journey.start_ns + round(way_s * NS)
    journey.due_ns = journey.expected_ns + round((config.overdue_share * way_s + config.overdue_s) * NS)


def progress(journey: Journey, t_ns: int, road_mps: float) -> None:
    """Set the share of the way, the time of arrival by the vehicle's own pace, and whether it is overdue."""
    left_m = _left_m(journey, journey.s_m)
    journey.share = share_of(journey)
    journey.eta_ns = None
    if left_m is not None:
        journey.eta_ns = t_ns + round(left_m / pace_mps(journey, road_mps) * NS)
    journey.overdue = journey.due_ns is not None and t_ns > journey.due_ns


def share_of(journey: Journey) -> float | None:
    """Return the share of the way from entry to exit that is done; None where one of both is not known."""
    left_m, whole_m = _left_m(journey, journey.s_m), _left_m(journey, journey.entry_s_m)
    if left_m is None or not whole_m:
        return None
    return round(min(max(1.0 - left_m / whole_m, 0.0), 1.0), 3)


def _left_m(journey: Journey, s_m: float | None) -> float | None:
    if journey.exit_s_m is None or s_m is None:
        return None
    return abs(journey.exit_s_m - s_m)
