"""Drawn trips as they are seen, and what journeys and rules make of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.config import JourneysConfig
from geofence.journeys.contact import Blind
from geofence.journeys.journey import Journey
from geofence.journeys.journeys import Journeys
from geofence.permits import PermitConfig
from tests.support.geofence_world import CAR, FRAME, T0_NS, World, batch, feature, lane, lonlat, road

NS = 10**9
WAYS_SEEN = ("steady", "gaps", "flicker", "seldom")
RIDES = VehicleConfig(
    terminal="13900000001", plate="辽L·A0001", class_="hazmat", hazmat_class="1.4", un="0336", length_m=16.0,
    width_m=2.5,
)  # fmt: skip
RAMP_M = (500.0, 1_000.0)  # stations of the lane beside the hazmat lane, which belongs to another road


def gate(name: str, role: str, s_m: float, road_name: str = "main") -> dict[str, Any]:
    """A gate across the eastern carriageway and the ramp."""
    return feature(
        "gate", "LineString", lonlat([(s_m, -14.0), (s_m, 0.0)]), gate=name, role=role, road=road_name
    )


def ramp() -> dict[str, Any]:
    """A lane of another road, right of the eastern hazmat lane."""
    left, right = ([(s_m, north) for s_m in RAMP_M] for north in (-9.5, -13.25))
    return lane("R0", left, right, road="ramp", left="EH")


@dataclass
class Trip:
    """What a truck does, and what must come of it."""

    at: Callable[[float], dict[str, Any] | None]  # its true state by seconds since the begin; None: unseen
    seconds: int
    want: dict[tuple[str, str], float] = field(default_factory=dict)  # rule and cause: second of the breach
    journeys: list[dict[str, Any]] | None = None  # facts of each whole journey, in order; None: any
    # Breaches that may be found or not, and the ways of being seen by which that is so
    unsure: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    permits: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)
    features: Sequence[dict[str, Any]] = (gate("in", "entry", 100.0), gate("out", "exit", 900.0))
    config: dict[str, Any] = field(default_factory=dict)
    blind: Sequence[Blind] = ()
    gateway: bool = True
    late_s: float = 2.0  # a look each second, and the tick after it
    vehicle: VehicleConfig = RIDES
    t0_ns: int = T0_NS
    lost: tuple[str, int] = ("", 0)  # the cause of lost contact, and how often it is
    speed_mps: float | None = None  # steady: its arrival is between those by its own and by the road's


@dataclass
class Seen:
    """What was made of a trip."""

    world: World
    versions: list[Journey]
    counts: list[str]


def run(trip: Trip, rng: Any, way_seen: str) -> Seen:
    """Look at a trip each second, and judge it at the tick after."""
    permits = [
        msgspec.convert({"terminal": trip.vehicle.terminal} | row, PermitConfig) for row in trip.permits
    ]
    road_map, rules = road(*trip.features), msgspec.convert(trip.rules, RulesConfig)
    world = World(road_map, rules, vehicles=(trip.vehicle, CAR), permits=permits)
    counts: list[str] = []
    journeys = Journeys(
        JourneysConfig(**trip.config), rules, road_map, FRAME, (trip.vehicle, CAR), permits, esn="RSU-1",
        journeys_max=4, count=counts.append, stretch_m=(0.0, 1_000.0),
    )  # fmt: skip
    seen, error, skip_until, last, gone = Seen(world, [], counts), np.zeros(2), -1.0, None, 0
    for t_s in range(trip.seconds):
        truth = trip.at(float(t_s))
        if truth is not None and way_seen == "gaps" and rng.random() < 0.04:
            skip_until = t_s + rng.uniform(0.0, 3.0)
        error = 0.5 * error + np.sqrt(0.75) * rng.normal(0.0, 1.0, 2)
        if truth is not None and t_s > skip_until:
            last = _measured(truth, error, rng, t_s, way_seen)
            gone = 0
        elif last is not None:  # the track coasts for some seconds, and ends
            gone += 1
            coasted = last["east"] + last.get("v_east", 0.0) * 1.0
            last = last | {"east": coasted, "radar_age_s": gone + 0.0, "gnss_age_s": gone + 0.2,
                           "enforcing_age_s": gone + 0.0}  # fmt: skip
            if gone > 4:
                world.end(trip.t0_ns + t_s * NS, [last["track"]])
                last = None
        _look(trip, seen, journeys, t_s, [] if last is None else [last])
    world.end(trip.t0_ns + trip.seconds * NS, [] if last is None else [last["track"]])
    return seen


def _look(trip: Trip, seen: Seen, journeys: Journeys, t_s: int, rows: list[dict[str, Any]]) -> None:
    world = seen.world
    for group in (0, 1):  # the tick at which the first journey is missed and tracks are forgotten; track 1's
        t_ns = trip.t0_ns + t_s * NS + group * NS // 10
        tracks = batch(t_ns, *rows)
        located, owned = world.monitor.locate(tracks, world.terminals), np.ones(len(tracks), np.bool_)
        seen.versions += journeys.step(t_ns, tracks, located, owned, trip.blind, gateway_present=trip.gateway)
        found = world.monitor.tick(t_ns, tracks, located, owned, gateway_present=trip.gateway, trips=journeys)
        world.out += [judged.violation for judged in found]


def _measured(truth: dict[str, Any], error: Any, rng: Any, t_s: int, way_seen: str) -> dict[str, Any]:
    """Return the truck as it is seen: by radar and terminal, or by its terminal alone."""
    alone = way_seen == "seldom" or (way_seen == "flicker" and t_s // 4 % 2 == 1)
    sigma = 1.2 if alone else 0.1
    row = {"track": 1, "north": -7.625, "v_east": 0.0, "v_north": 0.0, "terminal": 0} | truth
    noise = rng.normal(0.0, 0.08, 2)
    return row | {
        "east": row["east"] + sigma * 0.7 * error[0], "north": row["north"] + sigma * 0.7 * error[1],
        "v_east": row["v_east"] + noise[0], "v_north": row["v_north"] + noise[1], "sigma": sigma,
        "radar_age_s": np.inf if alone else 0.0, "enforcing_age_s": np.inf if alone else 0.0,
    }  # fmt: skip


def complaint(trip: Trip, seen: Seen, way_seen: str) -> str:
    """Return what is wrong with what came of a trip; "": nothing."""
    wanted = {key: at_s for key, at_s in trip.want.items() if way_seen not in trip.unsure.get(key, ())}
    late_s = trip.late_s + (8.0 if way_seen == "flicker" and trip.unsure else 0.0)
    episodes: dict[str, list[Any]] = {}
    for violation in seen.world.out:
        if violation.rule not in ("lane_departure",):
            episodes.setdefault(violation.id, []).append(violation)
    said = [f"{v[0].rule}/{v[0].reason} {(v[0].start_ns - trip.t0_ns) / NS:.1f} s "
            f"{[x.phase for x in v]}" for v in episodes.values()]  # fmt: skip
    got = sorted((v[0].rule, str(v[0].reason)) for v in episodes.values())
    if got != sorted(wanted):
        return f"wanted {sorted(wanted)}: {said}"
    for versions in episodes.values():
        if versions[-1].phase != "close":
            return f"never closed: {said}"
        begins_s = wanted[versions[0].rule, str(versions[0].reason)]
        after_s = (versions[0].start_ns - trip.t0_ns) / NS - begins_s
        if not -1.0 <= after_s <= late_s:
            return f"begins {after_s:.2f} s after {begins_s:.1f} s: {said}"
    causes = [reason for reason in seen.counts if reason.startswith("journeys.lost.")]
    if causes != [f"journeys.lost.{trip.lost[0]}"] * trip.lost[1]:
        return f"lost by {causes}, not {trip.lost}"
    return _journey_complaint(trip, seen)


def _journey_complaint(trip: Trip, seen: Seen) -> str:
    if trip.journeys is None:
        return ""
    last = {journey.id: journey for journey in seen.versions}
    if len(last) != len(trip.journeys):
        rows = [(j.began, j.entry, j.exit, j.reason, j.contact, j.cause) for j in last.values()]
        return f"{len(last)} journeys, not {len(trip.journeys)}: {rows}"
    for journey, wanted in zip(last.values(), trip.journeys, strict=True):
        for name, value in wanted.items():
            if name.endswith(("_s", "_m")):
                (want, within), is_time = value, name in ("start_s", "end_s", "due_s")
                got = getattr(journey, name[:-2] + "_ns") if is_time else getattr(journey, name)
                got = None if got is None else (got - trip.t0_ns) / NS if is_time else got
                if got is None or not abs(got - want) <= within:
                    return f"{name} is {got}, not {want}"
            elif getattr(journey, name) != value:
                return f"{name} is {getattr(journey, name)}, not {value}"
    return _arrival_complaint(trip, seen.versions)


def _arrival_complaint(trip: Trip, versions: list[Journey]) -> str:
    shares = [journey.share for journey in versions if journey.share is not None]
    if trip.speed_mps is None:
        return ""
    if shares != sorted(shares):
        return f"goes back: {shares}"
    for journey in versions:
        if journey.eta_ns is None or journey.exit_s_m is None or journey.s_m is None:
            continue
        left_s = [(journey.exit_s_m - journey.s_m) / mps for mps in (trip.speed_mps, 60 / 3.6)]
        eta_s = (journey.eta_ns - journey.stamp_ns) / NS
        if not min(left_s) - 2.0 <= eta_s <= max(left_s) + 2.0:
            return f"arrives in {eta_s:.1f} s, not {left_s}"
    return ""
