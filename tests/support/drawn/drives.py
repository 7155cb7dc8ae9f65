"""Drives whose truth is known by how they were drawn: a rule that is clearly broken once, or clearly kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from geofence.calendar import Holiday
from geofence.config import RulesConfig
from tests.support.geofence_world import T0_NS, World, drift, feature, lonlat, road

At = Callable[[float], list[dict[str, Any]]]


@dataclass
class Drive:
    """What vehicles do, and what must come of it."""

    at: At  # the vehicles at a time, without errors of measurement
    seconds: float
    want: dict[str, str] = field(default_factory=dict)  # rule: the least grade of its one episode
    begins_s: float | None = None  # when the rule is broken first, and
    within_s: float = 0.0  # by how much its episode may begin later, where it says that
    features: list[Any] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    is_coarse: bool = False  # its place is uncertain at times, which is recorded

    def world(self) -> World:
        """A monitor for it."""
        return World(road(*self.features), RulesConfig(**self.rules))


def straight_on(speed_mps: float, **more: Any) -> At:
    return lambda t: [{"east": 50.0 + speed_mps * t, "v_east": speed_mps} | more]


def back_between(east_m: float, begin_s: float, for_s: float, speed_mps: float) -> At:
    """Drive on from a place, but reverse for a while."""

    def at(t: float) -> list[dict[str, Any]]:
        back = min(max(t - begin_s, 0.0), for_s)
        forth = 12.0 * min(t, begin_s) + 12.0 * max(t - begin_s - for_s, 0.0)
        is_back = begin_s <= t < begin_s + for_s
        return [{"east": east_m + forth - speed_mps * back, "v_east": -speed_mps if is_back else 12.0}]

    return at


def plain(rng: Any) -> Drive:
    wander, turn = rng.uniform(0.0, 0.25), rng.uniform(4.0, 9.0)

    def at(t: float) -> list[dict[str, Any]]:
        north, across = (
            wander * np.sin(t / turn * 2 * np.pi),
            wander / turn * 2 * np.pi * np.cos(t / turn * 2 * np.pi),
        )
        return [{"east": 50.0 + speed * t, "v_east": speed, "north": -7.625 + north, "v_north": across}]

    speed = rng.uniform(8.0, 16.4)
    return Drive(at, 40.0)


def too_fast(rng: Any) -> Drive:
    begin_s, slow, fast = rng.uniform(5.0, 10.0), rng.uniform(8.0, 15.0), 60 / 3.6 * rng.uniform(1.25, 1.5)

    def at(t: float) -> list[dict[str, Any]]:
        ran = (
            slow * min(t, begin_s)
            + fast * min(max(t - begin_s, 0.0), 12.0)
            + slow * max(t - begin_s - 12.0, 0.0)
        )
        is_fast = begin_s <= t < begin_s + 12.0
        return [{"east": 50.0 + ran, "v_east": fast if is_fast else slow}]

    return Drive(at, 34.0, {"overspeed": "violation"}, begin_s, 4.0)


def departs(rng: Any) -> Drive:
    begin_s, speed = rng.uniform(6.0, 10.0), rng.uniform(0.5, 1.5)
    at = drift(rng.uniform(1.4, 2.2), speed, begin_s, rng.uniform(4.0, 7.0), float(rng.choice([-1.0, 1.0])))
    return Drive(lambda t: [at(t)], 40.0, {"lane_departure": "violation"}, begin_s + 0.625 / speed, 3.5)


def comes_near(rng: Any) -> Drive:
    at = drift(
        -rng.uniform(0.25, 0.5), rng.uniform(0.2, 0.6), 8.0, rng.uniform(1.0, 9.0), float(rng.choice([-1, 1]))
    )
    return Drive(lambda t: [at(t)], 35.0)


def _zone(rng: Any, role: str, lane: str = "H", **more: Any) -> tuple[dict[str, Any], float, float]:
    from_m, long_m = rng.uniform(250.0, 400.0), float(np.exp(rng.uniform(np.log(3.0), np.log(150.0))))
    low, high = {"H": (-9.5, -5.75), "G": (-5.75, -2.0), "off": (-40.0, -12.0)}[lane]
    ring = [[from_m, low], [from_m + long_m, low], [from_m + long_m, high], [from_m, high], [from_m, low]]
    return feature("zone", "Polygon", [lonlat(ring)], zone="Z", role=role, **more), from_m, long_m


def enters(rng: Any) -> Drive:
    zone, from_m, _ = _zone(rng, "no_entry")
    speed = rng.uniform(8.0, 16.4)
    return Drive(straight_on(speed), 50.0, {"zone_entry": "violation"}, (from_m - 50.0) / speed, 0.1, [zone])


def passes_beside(rng: Any) -> Drive:
    zone, *_ = _zone(rng, "no_entry", str(rng.choice(["G", "off"])))
    return Drive(straight_on(rng.uniform(8.0, 16.4)), 50.0, features=[zone])


def _window(rng: Any, *, holds: bool) -> tuple[dict[str, Any], list[Holiday]]:
    """Times of a zone that hold, or don't, in the hour around T0; by the calendar of the standard library."""
    now = datetime.fromtimestamp(T0_NS / 1e9, UTC) + timedelta(hours=8)
    days = ("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")
    today, yesterday = days[now.weekday()], days[now.weekday() - 1]
    before, after = now - timedelta(hours=2), now + timedelta(hours=int(rng.integers(2, 18)))
    span = f"{before:%H:%M}-{after:%H:%M}"
    first = today if before.date() == now.date() else yesterday
    over = f"{now + timedelta(hours=3):%H:%M}-{now + timedelta(hours=6):%H:%M}"
    holiday = [Holiday(first=f"{before:%Y-%m-%d}")]
    if holds:
        rows = [({"time_window": span}, []), ({"time_window": f"{first} {span}"}, []), ({}, []),
                ({"valid_from": f"{before:%Y-%m-%d}", "time_window": span}, []),
                ({"time_window": f"PH {span}"}, holiday)]  # fmt: skip
    else:
        other = days[(now.weekday() + 3) % 7]
        rows = [({"time_window": over}, []), ({"time_window": f"{other} 00:00-24:00"}, []),
                ({"valid_to": f"{now - timedelta(days=3):%Y-%m-%d}"}, []),
                ({"time_window": f"PH {span}"}, []),
                ({"valid_from": f"{now + timedelta(days=2):%Y-%m-%d}", "time_window": span}, []),
                ({"time_window": f"{span}; PH off"}, holiday)]  # fmt: skip
    return rows[int(rng.integers(len(rows)))]


def forbidden_now(rng: Any) -> Drive:
    more, holidays = _window(rng, holds=True)
    zone, from_m, _ = _zone(rng, "no_entry", **more)
    speed = rng.uniform(8.0, 16.4)
    rule = "time_window" if "time_window" in more or "valid_from" in more else "zone_entry"
    begins_s = (from_m - 50.0) / speed
    return Drive(straight_on(speed), 50.0, {rule: "violation"}, begins_s, 0.1, [zone], {"holidays": holidays})


def forbidden_at_another_time(rng: Any) -> Drive:
    more, holidays = _window(rng, holds=False)
    zone, *_ = _zone(rng, "no_entry", **more)
    return Drive(straight_on(rng.uniform(8.0, 16.4)), 50.0, features=[zone], rules={"holidays": holidays})


def wrong_way(rng: Any) -> Drive:
    speed = rng.uniform(6.0, 14.0)
    return Drive(lambda t: [{"east": 900.0 - speed * t, "v_east": -speed}], 30.0, {"wrong_way": "violation"})


def creeps_back(rng: Any) -> Drive:
    speed, for_s = rng.uniform(0.4, 0.8), rng.uniform(3.0, 9.0)
    return Drive(back_between(50.0, 10.0, for_s, speed), 35.0)


def stops(rng: Any) -> Drive:
    begin_s, for_s = rng.uniform(5.0, 10.0), rng.uniform(40.0, 60.0)

    def at(t: float) -> list[dict[str, Any]]:
        ran = 12.0 * (min(t, begin_s) + max(t - begin_s - for_s, 0.0))
        return [{"east": 380.0 + ran, "v_east": 0.0 if begin_s <= t < begin_s + for_s else 12.0}]

    return Drive(at, begin_s + for_s + 15.0, {"illegal_stop": "warning"}, begin_s, 20.0)


def waits_at_a_gate(rng: Any) -> Drive:
    line = lonlat([[470.0, -12.0], [470.0, 0.0]])
    gate = feature("gate", "LineString", line, gate="N", role="exit", road="main")
    gap = rng.uniform(20.0, 30.0)

    def at(t: float) -> list[dict[str, Any]]:
        ran, speed = 10.0 * (min(t, 6.0) + max(t - 60.0, 0.0)), 0.0 if 6.0 <= t < 60.0 else 10.0
        return [{"track": 1, "east": 400.0 + ran, "v_east": speed},
                {"track": 2, "east": 400.0 - gap + ran, "v_east": speed, "terminal": 2}]  # fmt: skip

    return Drive(at, 75.0, features=[gate])


def _pair(speed: float, apart_m: float) -> At:
    ahead = {"v_east": speed, "track": 1, "terminal": 2}
    truck = {"v_east": speed, "track": 2}
    return lambda t: [ahead | {"east": 60.0 + speed * t}, truck | {"east": 60.0 - apart_m + speed * t}]


def follows_closely(rng: Any) -> Drive:
    speed = rng.uniform(16.9, 17.2)
    rules = {"expressways": ["main"]}
    return Drive(_pair(speed, rng.uniform(25.0, 40.0)), 35.0, {"following_distance": "notice"}, rules=rules)


def follows_well(rng: Any) -> Drive:
    speed = rng.uniform(16.9, 17.2)
    return Drive(_pair(speed, rng.uniform(75.0, 95.0)), 35.0, rules={"expressways": ["main"]})


def car_in_the_wrong_lane(rng: Any) -> Drive:
    car = {"terminal": 1, "kind": 1, "length": 4.5, "width": 1.8}
    return Drive(straight_on(rng.uniform(10.0, 16.0), **car), 35.0, {"unauthorised_vehicle": "violation"})


DRIVES: dict[str, Callable[[Any], Drive]] = {
    drive.__name__: drive
    for drive in (
        plain, too_fast, departs, comes_near, enters, passes_beside, forbidden_now, forbidden_at_another_time,
        wrong_way, creeps_back, stops, waits_at_a_gate, follows_closely, follows_well, car_in_the_wrong_lane,
    )
}  # fmt: skip
