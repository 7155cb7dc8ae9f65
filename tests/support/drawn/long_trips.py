"""Drawn trips whose truth is a sum of times: driving and rests, days and nights, lost contact, delays."""

from collections.abc import Callable
from typing import Any

from geofence.journeys.contact import Blind
from tests.support.drawn.trip_world import Trip
from tests.support.drawn.trips import ENTRY_M, EXIT_M, START_M, Parts, along, ran, seconds_of, when, whole
from tests.support.geofence_world import T0_NS

NS = 10**9
REST_S = 25.0
NIGHT_BEGINS_NS = T0_NS - (13 * 60 + 20) * NS  # 22:00 by the site's clock
OFTEN = {"continuous_s": 1e4, "daily_s": 1e4, "night_s": 1e4, "rest_s": REST_S}


def limits(**changes: float) -> dict[str, Any]:
    return {"driving_time": OFTEN | changes}


def broken_at(parts: Parts, limit_s: float, seconds: int, from_s: float = 0.0) -> float | None:
    """Return when driving without a rest first lasts longer than a limit; None: never. By tenths.

    from_s : what is driven before counts as a rest: before its entry nobody follows it, before night no night
    """
    driven_s = stood_s = 0.0
    for tenth in range(int(from_s * 10), seconds * 10):
        if ran(parts, tenth / 10)[1] > 0.0:
            driven_s, stood_s = driven_s + 0.1, 0.0
        else:
            stood_s += 0.1
            driven_s = 0.0 if stood_s >= REST_S else driven_s
        if driven_s > limit_s:
            return tenth / 10
    return None


def shift(rng: Any, rests: tuple[float, ...]) -> Parts:
    """Drive slowly through the road, and stand for these times."""
    speed = rng.uniform(2.0, 3.0)
    parts: Parts = [(40.0, speed)]
    for rest_s in rests:
        parts += [(rng.uniform(70.0, 85.0), speed), (rest_s, 0.0)]
    return [*parts, (1e6, speed)]


def drives_too_long(rng: Any) -> Trip:
    """Its rests are each too short."""
    parts = shift(rng, tuple(rng.uniform(5.0, REST_S - 5.0, int(rng.integers(0, 3)))))
    seconds, entered_s = seconds_of(parts), when(parts, ENTRY_M - START_M)
    left_s = when(parts, EXIT_M - START_M)
    limit_s = rng.uniform(130.0, 170.0)
    at_s = broken_at(parts, limit_s, seconds, entered_s)
    assert at_s is not None
    want = {("driving_time", "driving_continuous"): at_s} if at_s < left_s - 5.0 else {}
    return Trip(along(parts), seconds, want, rules=limits(continuous_s=limit_s), late_s=8.0)


def drives_and_rests(rng: Any) -> Trip:
    parts = shift(rng, tuple(rng.uniform(REST_S + 4.0, 60.0, 3)))
    limit_s = rng.uniform(130.0, 170.0)
    while broken_at(parts, limit_s - 5.0, seconds_of(parts)) is not None:
        limit_s += 20.0
    return Trip(along(parts), seconds_of(parts), rules=limits(continuous_s=limit_s), journeys=[whole(parts)])


def drives_too_long_in_a_day(rng: Any) -> Trip:
    """Its rests are long enough, but the sum of the day is too much."""
    parts = shift(rng, tuple(rng.uniform(REST_S + 4.0, 40.0, 2)))
    limit_s = rng.uniform(180.0, 220.0)
    driven_s, at_s = 0.0, when(parts, ENTRY_M - START_M)
    while driven_s <= limit_s:
        driven_s, at_s = driven_s + 0.1 * (ran(parts, at_s)[1] > 0.0), at_s + 0.1
    left_s = when(parts, EXIT_M - START_M)
    want = {("driving_time", "driving_daily"): at_s} if at_s < left_s - 5.0 else {}
    return Trip(along(parts), seconds_of(parts), want, rules=limits(daily_s=limit_s), late_s=8.0)


def drives_into_the_night(rng: Any) -> Trip:
    parts = shift(rng, tuple(rng.uniform(5.0, 60.0, int(rng.integers(0, 3)))))
    seconds, begins_s, limit_s = seconds_of(parts), float(rng.integers(90, 150)), rng.uniform(80.0, 110.0)
    at_s = broken_at(parts, limit_s, seconds, begins_s)
    left_s = when(parts, EXIT_M - START_M)
    want = {("driving_time", "driving_night"): at_s} if at_s is not None and at_s < left_s - 8.0 else {}
    if at_s is not None and left_s - 8.0 <= at_s < left_s + 8.0:
        return drives_into_the_night(rng)
    return Trip(along(parts), seconds, want, rules=limits(night_s=limit_s), late_s=8.0,
                t0_ns=NIGHT_BEGINS_NS - int(begins_s) * NS)  # fmt: skip


def rests_where_nobody_sees_it(rng: Any) -> Trip:
    """It rests in a gap, and comes in sight again further on: no time of that gap is known as driven."""
    speed = rng.uniform(2.5, 3.5)
    before_s, unseen_s, hidden_m = (
        rng.uniform(90.0, 110.0),
        rng.uniform(60.0, 120.0),
        rng.uniform(130.0, 200.0),
    )

    def at(t_s: float) -> dict[str, Any] | None:
        if before_s <= t_s < before_s + unseen_s:
            return None
        way_m = speed * t_s if t_s < before_s else speed * (t_s - unseen_s) + hidden_m
        return {"east": START_M + way_m, "v_east": speed}

    driven_s = before_s, (EXIT_M - START_M - hidden_m) / speed - before_s
    seconds = int(driven_s[1] + before_s + unseen_s) - 2
    hidden_s = hidden_m / (120 / 3.6)
    limit_s, daily_s = max(driven_s) + hidden_s + 6.0, sum(driven_s) + hidden_s + 6.0
    return Trip(at, seconds, rules=limits(continuous_s=limit_s, daily_s=daily_s), config={"lost_s": 300.0})


def lost(rng: Any) -> tuple[Callable[[float], dict[str, Any] | None], int]:
    """Drive, and be seen by nobody from a second on for a while, then again or never."""
    speed = rng.uniform(8.0, 14.0)
    from_s, for_s = when([(1e6, speed)], rng.uniform(250.0, 600.0)), rng.uniform(40.0, 90.0)

    def at(t_s: float) -> dict[str, Any] | None:
        if from_s <= t_s < from_s + for_s:
            return None
        return {"east": START_M + speed * (t_s if t_s < from_s else t_s - for_s), "v_east": speed}

    return at, int((EXIT_M + 40.0 - START_M) / speed + for_s) + 2


def is_lost(rng: Any) -> Trip:
    at, seconds = lost(rng)
    cause, blind = [
        ("terminal_silent", ()),
        ("gateway_silent", ()),
        ("radar_gap", (Blind(0.0, 1_000.0, "no_radar"),)),
        ("radar_silent", (Blind(0.0, 1_000.0, "silent"),)),
    ][int(rng.integers(4))]
    facts = {"began": "gate", "entry": "in", "exit": "out", "reason": "exit"}
    return Trip(
        at, seconds, journeys=[facts], config={"lost_s": 20.0}, lost=(cause, 1), blind=blind,
        gateway=cause != "gateway_silent",
    )  # fmt: skip


def is_unseen_for_a_moment(rng: Any) -> Trip:
    at, seconds = lost(rng)
    facts = {"began": "gate", "entry": "in", "exit": "out", "reason": "exit"}
    return Trip(at, seconds, journeys=[facts], config={"lost_s": 100.0}, lost=("", 0))


def is_overdue(rng: Any) -> Trip:
    speed, is_late = rng.uniform(4.0, 16.0), bool(rng.random() < 0.5)
    parts = [(1e6, speed)]
    start_s, left_s = when(parts, ENTRY_M - START_M), when(parts, EXIT_M - START_M)
    way_s = (EXIT_M - ENTRY_M) / (60 / 3.6)
    slack_s = max(left_s - start_s - way_s, 0.0) + (
        -rng.uniform(4.0, 8.0) if is_late else rng.uniform(4.0, 8.0)
    )
    if slack_s <= 0.0:
        slack_s, is_late = 20.0, False
    facts = whole(parts, overdue=is_late, due_s=(start_s + way_s + slack_s, 2.0))
    return Trip(along(parts), seconds_of(parts), journeys=[facts], speed_mps=speed,
                config={"overdue_share": 0.0, "overdue_s": slack_s})  # fmt: skip


LONG_TRIPS: dict[str, Callable[[Any], Trip]] = {
    trip.__name__: trip
    for trip in (
        drives_too_long, drives_and_rests, drives_too_long_in_a_day, drives_into_the_night,
        rests_where_nobody_sees_it, is_lost, is_unseen_for_a_moment, is_overdue,
    )
}  # fmt: skip
