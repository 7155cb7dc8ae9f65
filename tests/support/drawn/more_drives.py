"""More drawn drives: convoys, stays, queues, silent trucks, closed and slow roads, long reversing."""

from collections.abc import Callable
from typing import Any

import numpy as np

from geofence.config import Grading, Hold
from geofence.rules.convoy import Config as ConvoyConfig
from geofence.rules.too_slow import Config as TooSlowConfig
from tests.support.drawn.drives import At, Drive, back_between, straight_on
from tests.support.geofence_world import feature, lonlat

EXPRESSWAY = {"expressways": ["main"], "too_slow": TooSlowConfig(expressway_mps=12.0)}


def _area(name: str, role: str, low_m: float, high_m: float, **more: Any) -> dict[str, Any]:
    """A zone across the eastern carriageway and beside it."""
    ring = [[low_m, -30.0], [high_m, -30.0], [high_m, 0.0], [low_m, 0.0], [low_m, -30.0]]
    return feature("zone", "Polygon", [lonlat(ring)], zone=name, role=role, **more)


def in_a_row(n: int, apart_m: float, speed: float, first_m: float) -> At:
    """Registered trucks one behind another; the test's world knows one terminal, which all of them have."""

    def at(t: float) -> list[dict[str, Any]]:
        return [
            {"track": k + 1, "east": first_m - k * apart_m + speed * t, "v_east": speed} for k in range(n)
        ]

    return at


def _convoy(rng: Any, apart_m: float) -> Drive:
    """Three trucks pass a tunnel in which two may be within 120 m."""
    tunnel, rules = _area("T", "tunnel", 200.0, 900.0), ConvoyConfig(vehicles_max=2, within_m=120.0)
    at = in_a_row(3, apart_m, rng.uniform(8.0, 10.0), 230.0)
    return Drive(at, 60.0, features=[tunnel], rules={"convoy": rules})


def drives_in_a_convoy(rng: Any) -> Drive:
    drive = _convoy(rng, rng.uniform(35.0, 50.0))
    drive.want = {"convoy": "warning"}
    return drive


def keeps_apart(rng: Any) -> Drive:
    return _convoy(rng, rng.uniform(75.0, 110.0))


def _stays(rng: Any, for_s: float, sigma: Callable[[float], float]) -> Drive:
    """Stand in a parking area where 20 s are allowed; it moves up once."""
    area = _area("P", "parking", 400.0, 440.0, stay_max_s=20)
    begin_s, moves_s = rng.uniform(3.0, 6.0), rng.uniform(8.0, 12.0)
    grades = Grading(notice=(Hold(over=0.0),), warning=(Hold(over=8.0),), violation=(Hold(over=99.0),))

    def at(t: float) -> list[dict[str, Any]]:
        up_m = 2.0 * min(max(t - begin_s - moves_s, 0.0), 2.0)
        is_up = 0.0 < t - begin_s - moves_s < 2.0
        gone_m = 12.0 * max(t - begin_s - for_s, 0.0)
        speed = 12.0 if t < begin_s or gone_m else 2.0 if is_up else 0.0
        east = 417.0 - 12.0 * max(begin_s - t, 0.0) + up_m + gone_m
        return [{"east": east, "v_east": speed, "sigma": sigma(t)}]

    return Drive(at, begin_s + for_s + 8.0, features=[area], rules={"parking_timeout": grades})


def stays_too_long(rng: Any) -> Drive:
    drive = _stays(rng, rng.uniform(34.0, 45.0), lambda _: 0.1)
    drive.want = {"parking_timeout": "warning"}
    return drive


def stays_too_long_for_uncertain_sensors(rng: Any) -> Drive:
    """Its place is coarse now and then; it stands there all the same."""
    period_s = rng.uniform(3.0, 6.0)
    drive = _stays(rng, rng.uniform(40.0, 50.0), lambda t: 0.1 if t // period_s % 2 == 0 else 7.0)
    drive.want, drive.is_coarse = {"parking_timeout": "warning"}, True
    return drive


def stays_as_long_as_it_may(rng: Any) -> Drive:
    return _stays(rng, rng.uniform(14.0, 19.0), lambda _: 0.1)


def queues(rng: Any) -> Drive:
    """Three trucks wait before what no radar sees, then drive on."""
    begin_s, for_s, gap = rng.uniform(4.0, 8.0), rng.uniform(40.0, 60.0), rng.uniform(20.0, 32.0)

    def at(t: float) -> list[dict[str, Any]]:
        ran = 10.0 * (min(t, begin_s) + max(t - begin_s - for_s, 0.0))
        speed = 0.0 if begin_s <= t < begin_s + for_s else 10.0
        return [{"track": k + 1, "east": 360.0 - k * gap + ran, "v_east": speed, "terminal": 0 if k else 2}
                for k in range(3)]  # fmt: skip

    return Drive(at, begin_s + for_s + 12.0)


def drives_dark(rng: Any) -> Drive:
    speed = rng.uniform(7.0, 9.0)
    at = straight_on(speed, terminal=-1, gnss_age_s=np.inf, kind=0)
    return Drive(at, 45.0, {"dark_vehicle": "warning"}, 0.0, 2.0)


def reports_seldom(rng: Any) -> Drive:
    speed, every_s = rng.uniform(8.0, 12.0), rng.uniform(5.0, 30.0)

    def at(t: float) -> list[dict[str, Any]]:
        return [{"east": 50.0 + speed * t, "v_east": speed, "gnss_age_s": t % every_s}]

    return Drive(at, 45.0)


def closes_before_it(rng: Any, *, inside: bool) -> Drive:
    """A closed area; who was inside when it closed may drive out."""
    low_m = 30.0 if inside else rng.uniform(300.0, 400.0)
    area = _area("C", "closed", low_m, low_m + 200.0)
    speed = rng.uniform(8.0, 14.0)
    drive = Drive(straight_on(speed), 50.0, features=[area])
    if not inside:
        drive.want, drive.begins_s, drive.within_s = {"closed_road": "violation"}, (low_m - 50.0) / speed, 0.1
    return drive


def enters_a_closed_road(rng: Any) -> Drive:
    return closes_before_it(rng, inside=False)


def leaves_a_closed_road(rng: Any) -> Drive:
    return closes_before_it(rng, inside=True)


def crawls_on_an_expressway(rng: Any) -> Drive:
    """In the field of the radar, which sees the lane free before it."""
    speed = rng.uniform(5.0, 8.0)
    at = straight_on(speed)
    return Drive(
        lambda t: [row | {"east": row["east"] + 490.0} for row in at(t)], 20.0, {"too_slow": "notice"}, 0.0,
        2.0, rules=EXPRESSWAY,
    )  # fmt: skip


def crawls_behind_another(rng: Any) -> Drive:
    speed = rng.uniform(5.0, 8.0)

    def at(t: float) -> list[dict[str, Any]]:
        ahead = {"track": 2, "east": 590.0 + speed * t, "v_east": speed, "terminal": 2, "kind": 2}
        return [{"track": 1, "east": 540.0 + speed * t, "v_east": speed}, ahead]

    return Drive(at, 20.0, rules=EXPRESSWAY)


def reverses_for_long(rng: Any) -> Drive:
    speed, for_s = rng.uniform(1.4, 1.9), rng.uniform(38.0, 45.0)
    return Drive(back_between(250.0, 10.0, for_s, speed), 65.0, {"wrong_way": "notice"}, 10.0, 3.0)


MORE_DRIVES: dict[str, Callable[[Any], Drive]] = {
    drive.__name__: drive
    for drive in (
        drives_in_a_convoy, keeps_apart, stays_too_long, stays_too_long_for_uncertain_sensors,
        stays_as_long_as_it_may, queues, drives_dark, reports_seldom, enters_a_closed_road,
        leaves_a_closed_road, crawls_on_an_expressway, crawls_behind_another, reverses_for_long,
    )
}  # fmt: skip
