"""Trips from gate to gate that are drawn at random, each with what must come of it, by plain arithmetic."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from geofence.config import VehicleConfig
from tests.support.drawn.trip_world import Trip, gate, ramp
from tests.support.geofence_world import T0_NS, feature, lonlat

START_M, ENTRY_M, EXIT_M = 20.0, 100.0, 900.0
FUEL = VehicleConfig(
    terminal="13900000001", plate="辽L·A0001", class_="hazmat", hazmat_class="3", un="1203", length_m=16.0,
    width_m=2.5,
)  # fmt: skip
# by fixes of 1.2 m alone nobody knows the lane
LANE_UNSURE = {("route_deviation", "off_route"): ("seldom",)}
Parts = list[tuple[float, float]]  # seconds and m/s


def local(t_s: float) -> str:
    """Return a second of the trip as a permit states it."""
    at = datetime.fromtimestamp(T0_NS / 1e9, UTC) + timedelta(seconds=t_s)
    return at.astimezone(timezone(timedelta(hours=8))).isoformat()


def permit(**changes: Any) -> dict[str, Any]:
    return {"permit": "P1", "start": local(-3_600.0), "end": local(86_400.0)} | changes


def ran(parts: Parts, t_s: float) -> tuple[float, float]:
    """Return the way after t_s seconds and the speed then; the last part lasts for ever."""
    way_m = 0.0
    for k, (seconds, speed) in enumerate(parts):
        if t_s < seconds or k == len(parts) - 1:
            return way_m + speed * t_s, speed
        way_m, t_s = way_m + speed * seconds, t_s - seconds
    raise AssertionError


def when(parts: Parts, way_m: float) -> float:
    """Return when a way is made."""
    at_s = 0.0
    for seconds, speed in parts:
        if speed * seconds >= way_m and speed > 0.0:
            return at_s + way_m / speed
        way_m, at_s = way_m - speed * seconds, at_s + seconds
    raise AssertionError


def along(parts: Parts, start_m: float = START_M, **more: Any) -> Callable[[float], dict[str, Any]]:
    def at(t_s: float) -> dict[str, Any]:
        way_m, speed = ran(parts, t_s)
        return {"east": start_m + way_m, "v_east": speed} | more

    return at


def seconds_of(parts: Parts, to_m: float = EXIT_M + 40.0) -> int:
    return int(when(parts, to_m - START_M)) + 2


def whole(parts: Parts, **more: Any) -> dict[str, Any]:
    """Return what the summary of a trip from gate to gate must say."""
    standing = sum(seconds for seconds, speed in parts if speed == 0.0)
    return {
        "began": "gate", "entry": "in", "exit": "out", "reason": "exit", "share": 1.0,
        "start_s": (when(parts, ENTRY_M - START_M), 1.5), "end_s": (when(parts, EXIT_M - START_M), 1.5),
        "way_m": (EXIT_M - ENTRY_M, 70.0), "standing_s": (standing, 4.0),
    } | more  # fmt: skip


def _stop(rng: Any, low_m: float, high_m: float, speed: float, for_s: float) -> Parts:
    """Stop once on the way."""
    at_m = rng.uniform(low_m, high_m) - START_M
    return [(at_m / speed, speed), (for_s, 0.0), (1e6, speed)]


def passes_through(rng: Any) -> Trip:
    parts = [(1e6, rng.uniform(6.0, 20.0))]
    return Trip(along(parts), seconds_of(parts), journeys=[whole(parts)])


def stands_on_the_way(rng: Any) -> Trip:
    for_s = rng.uniform(20.0, 150.0)
    parts = _stop(rng, 200.0, 800.0, rng.uniform(8.0, 16.0), for_s)
    return Trip(along(parts), seconds_of(parts), journeys=[whole(parts)])


def creeps_through_its_gate(rng: Any) -> Trip:
    """A toll gate: it stands before the bar, creeps over the line, stands again, and drives on."""
    line_m, speed, creep = float(rng.choice([ENTRY_M, EXIT_M])), rng.uniform(6.0, 16.0), rng.uniform(0.3, 0.9)
    before_m, beyond_m = rng.uniform(1.5, 5.0), rng.uniform(1.5, 5.0)
    waits = rng.uniform(5.0, 25.0, 2)
    parts = [((line_m - before_m - START_M) / speed, speed), (waits[0], 0.0),
             ((before_m + beyond_m) / creep, creep), (waits[1], 0.0), (1e6, speed)]  # fmt: skip
    facts = whole(parts)
    facts |= {"start_s": (facts["start_s"][0], 30.0), "end_s": (facts["end_s"][0], 30.0)}
    del facts["standing_s"]  # some creep more slowly than what counts as standing
    return Trip(along(parts), seconds_of(parts), journeys=[facts])


def waits_before_its_exit(rng: Any) -> Trip:
    """It stands just before the line, with an error that leads over it, and drives through later."""
    speed, for_s = rng.uniform(6.0, 16.0), rng.uniform(20.0, 60.0)
    stop_m = float(rng.choice([ENTRY_M, EXIT_M])) - rng.uniform(0.3, 1.0) - START_M
    parts = [(stop_m / speed, speed), (for_s, 0.0), (1e6, speed)]
    facts = whole(parts)
    near_s = for_s + 3.0  # nobody can know on which side of the line it stands
    facts |= {"start_s": (facts["start_s"][0], near_s), "end_s": (facts["end_s"][0], near_s)}
    facts["standing_s"] = (for_s / 2, for_s / 2 + 4.0)
    return Trip(along(parts), seconds_of(parts), journeys=[facts])


def has_its_permit(rng: Any) -> Trip:
    parts = [(1e6, rng.uniform(8.0, 16.0))]
    exact = {"entry": "in", "exit": "out", "roads": ("main",), "start": local(0.0), "end": local(200.0)}
    other = {"permit": "P0", "entry": "other", "end": local(100.0)}
    permits = [permit(**exact)] + ([permit(**other)] if rng.random() < 0.5 else [])
    return Trip(along(parts), seconds_of(parts), permits=permits, journeys=[whole(parts, permit="P1")])


def has_none(rng: Any) -> Trip:
    parts = [(1e6, rng.uniform(8.0, 16.0))]
    at_s = when(parts, ENTRY_M - START_M)
    rows, cause = [
        ([permit(terminal="1")], "no_permit"),
        ([permit(entry="elsewhere")], "permit_route"),
        ([permit(roads=("port",))], "permit_route"),
        ([permit(start=local(3_000.0))], "permit_time"),
        ([permit(end=local(-60.0))], "permit_time"),
        # way and time must hold in one: one has the way, the other the time
        ([permit(end=local(-60.0)), permit(permit="P2", entry="elsewhere")], "permit_route"),
    ][int(rng.integers(6))]
    want = {("permit", cause): at_s}
    if "roads" in rows[0]:
        want["route_deviation", "off_route"] = at_s
    return Trip(along(parts), seconds_of(parts), want, permits=rows, unsure=LANE_UNSURE, late_s=2.5)


def its_permit_ends(rng: Any) -> Trip:
    speed = rng.uniform(8.0, 14.0)
    parts = [(1e6, speed)]
    end_s = int(rng.uniform(when(parts, 300.0), when(parts, 700.0)))
    facts = whole(parts, overdue=True, due_s=(end_s, 0.1))
    return Trip(
        along(parts), seconds_of(parts), {("permit", "permit_time"): end_s},
        permits=[permit(end=local(end_s))], journeys=[facts],
    )  # fmt: skip


def fuel_needs_none(rng: Any) -> Trip:
    trip = has_none(rng)
    want = {key: at_s for key, at_s in trip.want.items() if key[0] == "route_deviation"}
    return replace(trip, want=want, vehicle=FUEL)


def comes_twice(rng: Any) -> Trip:
    """One permit is one trip; with two permits, both trips are covered."""
    speed, enough = rng.uniform(8.0, 16.0), bool(rng.random() < 0.5)
    parts = [(1e6, speed)]
    first_s = seconds_of(parts)
    pause_s = rng.integers(20, 300)

    def at(t_s: float) -> dict[str, Any] | None:
        if t_s < first_s:
            return along(parts)(t_s)
        return None if t_s < first_s + pause_s else along(parts)(t_s - first_s - pause_s)

    again_s = first_s + pause_s + when(parts, ENTRY_M - START_M)
    permits = [permit(), permit(permit="P2", end=local(80_000.0))][: 2 if enough else 1]
    want = {} if enough else {("permit", "permit_used"): again_s}
    whole_second = {
        "began": "gate",
        "entry": "in",
        "exit": "out",
        "reason": "exit",
        "start_s": (again_s, 1.5),
    }
    return Trip(at, 2 * first_s + int(pause_s), want, permits=permits, journeys=[whole(parts), whole_second])


def tunnel(rng: Any, *, forbidden: bool) -> Trip:
    speed = rng.uniform(8.0, 16.0)
    parts = [(1e6, speed)]
    from_m, long_m = rng.uniform(200.0, 400.0), rng.uniform(25.0, 250.0)
    if rng.random() < 0.4:  # it stands in it for a while
        parts = [
            ((from_m + long_m / 2 - START_M) / speed, speed),
            (rng.uniform(10.0, 30.0), 0.0),
            (1e6, speed),
        ]
    ring = [
        (from_m, -14.0),
        (from_m + long_m, -14.0),
        (from_m + long_m, -2.0),
        (from_m, -2.0),
        (from_m, -14.0),
    ]
    category = str(rng.choice(list("BCDE")))
    codes = [code for code in "BCDE" if (category >= code) == forbidden]
    zone = feature("zone", "Polygon", [lonlat(ring)], zone="T", role=f"tunnel_{category.lower()}")
    features = [gate("in", "entry", ENTRY_M), gate("out", "exit", EXIT_M), zone]
    want = {("permit", "tunnel_code"): when(parts, from_m - START_M)} if forbidden and codes else {}
    permits = [permit(tunnel=str(rng.choice(codes)))] if codes else [permit()]
    return Trip(along(parts), seconds_of(parts), want, permits=permits, features=features,
                journeys=[whole(parts)])  # fmt: skip


def tunnel_that_is_closed_to_it(rng: Any) -> Trip:
    return tunnel(rng, forbidden=True)


def tunnel_that_is_open_to_it(rng: Any) -> Trip:
    return tunnel(rng, forbidden=False)


def _over_to_the_ramp(speed: float, from_s: float, to_s: float) -> Callable[[float], dict[str, Any]]:
    """Change to the ramp's lane from a second on, within 3 s, and back before another one."""

    def at(t_s: float) -> dict[str, Any]:
        over, back = min(max(t_s - from_s, 0.0) / 3.0, 1.0), min(max(t_s - to_s, 0.0) / 3.0, 1.0)
        across = (0.0 < over < 1.0) - (0.0 < back < 1.0)
        return {"east": START_M + speed * t_s, "v_east": speed, "north": -7.625 - 3.75 * (over - back),
                "v_north": -1.25 * across}  # fmt: skip

    return at


def leaves_its_route(rng: Any) -> Trip:
    speed = rng.uniform(8.0, 14.0)
    from_s = (rng.uniform(540.0, 600.0) - START_M) / speed
    to_s = from_s + 3.0 + rng.uniform(16.0, 20.0)
    features = [gate("in", "entry", ENTRY_M), gate("out", "exit", EXIT_M), ramp()]
    return Trip(
        _over_to_the_ramp(speed, from_s, to_s), seconds_of([(1e6, speed)]),
        {("route_deviation", "off_route"): from_s + 2.0}, permits=[permit(roads=("main",))],
        features=features, unsure=LANE_UNSURE, late_s=3.0,
    )  # fmt: skip


def keeps_its_route(rng: Any) -> Trip:
    """It may use the ramp, or touches it for 2 s only."""
    speed = rng.uniform(8.0, 14.0)
    from_s, may = (rng.uniform(540.0, 600.0) - START_M) / speed, bool(rng.random() < 0.5)
    to_s = from_s + 3.0 + (rng.uniform(9.0, 15.0) if may else 1.0)
    features = [gate("in", "entry", ENTRY_M), gate("out", "exit", EXIT_M), ramp()]
    roads = ("main", "ramp") if may else ("main",)
    return Trip(_over_to_the_ramp(speed, from_s, to_s), seconds_of([(1e6, speed)]),
                permits=[permit(roads=roads)], features=features)  # fmt: skip


def _side_exit() -> list[dict[str, Any]]:
    """A gate on the ramp alone, at station 620."""
    line = lonlat([(620.0, -14.0), (620.0, -10.0)])
    side = feature("gate", "LineString", line, gate="side", role="exit", road="ramp")
    return [gate("in", "entry", ENTRY_M), gate("out", "exit", EXIT_M), side, ramp()]


def misses_its_exit(rng: Any) -> Trip:
    speed = rng.uniform(8.0, 14.0)
    parts = [(1e6, speed)]
    at = along(parts)
    if rng.random() < 0.5:  # it stops beside the road, and drives on
        stop_m, for_s = rng.uniform(840.0, 870.0) - START_M, rng.uniform(10.0, 40.0)
        parts = [(stop_m / speed, speed), (for_s, 0.0), (1e6, speed)]
        stop_s = stop_m / speed

        def at(t_s: float) -> dict[str, Any]:
            aside = min(max(t_s - stop_s + 6.0, 0.0) / 5.0, 1.0) - min(
                max(t_s - stop_s - for_s - 1.0, 0.0) / 5.0, 1.0
            )
            return along(parts)(t_s) | {"north": -7.625 - 5.5 * aside}

    features = [row for row in _side_exit() if row["properties"].get("lane") != "R0"]
    return Trip(
        at, seconds_of(parts), {("missed_exit", "missed_exit"): when(parts, 720.0 - START_M)},
        permits=[permit(exit="side")], features=features, late_s=3.0,
    )  # fmt: skip


def takes_its_exit(rng: Any) -> Trip:
    speed = rng.uniform(8.0, 14.0)
    from_s = (rng.uniform(520.0, 550.0) - START_M) / speed
    facts = {"began": "gate", "entry": "in", "exit": "side", "reason": "exit"}
    facts["end_s"] = ((620.0 - START_M) / speed, 1.5)
    return Trip(
        _over_to_the_ramp(speed, from_s, 1e6), int((700.0 - START_M) / speed), permits=[permit(exit="side")],
        features=_side_exit(), journeys=[facts],
    )  # fmt: skip


TRIPS: dict[str, Callable[[Any], Trip]] = {
    trip.__name__: trip
    for trip in (
        passes_through, stands_on_the_way, creeps_through_its_gate, waits_before_its_exit, has_its_permit,
        has_none, its_permit_ends, fuel_needs_none, comes_twice, tunnel_that_is_closed_to_it,
        tunnel_that_is_open_to_it, leaves_its_route, keeps_its_route, misses_its_exit, takes_its_exit,
    )
}  # fmt: skip
