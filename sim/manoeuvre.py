"""What one vehicle does out of the ordinary, as functions of time: pure, no state. Seconds of the run."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["departure", "near_miss", "overspeed", "illegal_stop", "wrong_way", "off_road", "dark_vehicle"]
PEAK = 1.875  # fastest speed of the minimum-jerk curve, times duration over distance
WANDER_OFF_S = 1.5  # lane keeping yields to the manoeuvre over this long, and returns after it


@dataclass(frozen=True, slots=True, kw_only=True)
class Manoeuvre:
    """Sideways by `offset_m` (left positive) within `out_s`, held, and back within `back_s`."""

    kind: Kind
    vehicle: int
    start_s: float
    out_s: float
    hold_s: float
    back_s: float
    offset_m: float = 0.0
    speed_mps: float | None = None  # wanted while it lasts, negative backwards; None: as always

    @property
    def end_s(self) -> float:
        return self.start_s + self.out_s + self.hold_s + self.back_s

    @property
    def intrudes_left(self) -> bool:
        """Whether the lane to the left must make room."""
        return self.kind == "departure" and self.offset_m > 0.0

    def share(self, t_s: float) -> float:
        """Return how far out it is, 0 to 1."""
        since = t_s - self.start_s
        if since <= self.out_s:
            return smooth(since / self.out_s) if self.out_s > 0 else float(since >= 0)
        left = self.end_s - t_s
        return smooth(min(left / self.back_s, 1.0)) if self.back_s > 0 else float(left > 0)

    def wander_share(self, t_s: float) -> float:
        """Return how much of the ordinary lane wander is left, 1 to 0."""
        if self.offset_m == 0.0:
            return 1.0
        near_s = min(t_s - self.start_s, self.end_s - t_s)
        return 1.0 - smooth(near_s / WANDER_OFF_S)


def smooth(share: float) -> float:
    """Return the minimum-jerk curve from 0 to 1 (Flash and Hogan 1985)."""
    x = min(max(share, 0.0), 1.0)
    return x**3 * (10.0 + x * (6.0 * x - 15.0))


def sideways_s(distance_m: float, rate_mps: float) -> float:
    """Return the duration of the curve over a distance when its fastest speed is rate_mps."""
    return PEAK * distance_m / rate_mps


def crossing_s(margin_m: float, offset_m: float, out_s: float) -> float:
    """Return how long after its start the curve has covered margin_m of offset_m; by bisection."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if smooth(middle) * offset_m < margin_m else (low, middle)
    return high * out_s
