"""What a journey breaks of its permit: way, time, one trip, tunnels, the exit. Pure.

Rules read it as breaches (geofence.breaches); here they are found at each look at a vehicle. A site without
permits judges nothing: nobody could know who has one.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.arrays import F64
from geofence.breaches import BREACHES_MAX, Breach, key_of
from geofence.config import RulesConfig, section_of
from geofence.journeys.driving import drive, limits_broken
from geofence.journeys.following import Look
from geofence.journeys.gates import Gates
from geofence.journeys.journey import Journey
from geofence.journeys.past import Past
from geofence.map.reading import Zone
from geofence.map.zones import ZoneShape
from geofence.permits import TUNNEL_ROLES, Entered, PermitConfig, choose, is_forbidden
from geofence.writing import probability

NS = 1_000_000_000
TUNNEL_SIGMAS = 4.0  # of the place's error, by which a vehicle must be in a tunnel, as for other zones


class Sight(NamedTuple):
    """What a look at a vehicle has beside its place and speed."""

    place: F64  # (2,) site metres
    sigma_m: float  # of the place, the mean of both axes
    road: str | None  # of its lane; None: off the lanes
    p_lane: float


class Breaking:
    """Finds the breaches of journeys."""

    def __init__(self, permits: Sequence[PermitConfig], rules: RulesConfig, past: Past) -> None:
        self._by_name = {permit.permit: permit for permit in permits}
        self._of: dict[str, list[PermitConfig]] = {}
        for permit in permits:
            self._of.setdefault(permit.terminal, []).append(permit)
        self._past = past
        self.configure(rules)

    def change_map(self, gates: Gates, zones: Sequence[Zone]) -> None:
        """Look by the gates and tunnels of this map from now on; called before the first look."""
        self._gates = gates
        self._tunnels = [
            (ZoneShape(zone.zone, zone.polygon), TUNNEL_ROLES[role])
            for zone in zones
            for role in zone.roles
            if role in TUNNEL_ROLES
        ]

    def configure(self, rules: RulesConfig) -> None:
        """Look by other rules from now on."""
        self._goods = section_of(rules, "permit").goods
        self._route: Any = section_of(rules, "route_deviation")
        self._exit: Any = section_of(rules, "missed_exit")
        self._driving: Any = section_of(rules, "driving_time")

    def enter(self, journey: Journey) -> None:
        """Choose the permit of a journey that begins, and note what it lacks."""
        if not self._by_name:
            return
        # one that was seen on the road only may be the rest of a trip that this permit covers
        used = [] if journey.began == "seen" else list(self._past.used)
        entered = Entered(journey.start_ns, journey.entry, journey.road)
        permit, fault = choose(self._of.get(journey.terminal, ()), entered, used)
        if permit is not None:
            journey.permit, journey.waybill = permit.permit, permit.waybill
        if fault not in (None, "permit_time") and self._needs_permit(journey):
            journey.broken[key_of("permit", str(fault))] = Breach(since_ns=journey.start_ns)

    def drive(self, journey: Journey, t_ns: int, moving_s: float, standing_s: float) -> bool:
        """Add seen time to the vehicle's driving time; return whether a breach began or ended."""
        if journey.driving is None:
            return False
        before = len(journey.broken)
        drive(journey.driving, t_ns, moving_s, standing_s, self._driving)
        driving, config = journey.driving, self._driving
        is_young = len(driving.hours) * 3_600.0 <= config.daily_s
        if not before and is_young and driving.driven_s <= min(config.continuous_s, config.night_s):
            return False  # the usual case: nothing can be broken yet
        for scope, p in limits_broken(journey.driving, self._driving).items():
            self._set(journey, "driving_time", scope, t_ns, p)
        return before != len(journey.broken)

    def note_fatigue(self, journey: Journey, t_ns: int, *, reported: bool) -> None:
        """Note whether the vehicle's own terminal reports fatigue or a day's driving time that is used up."""
        counts = journey.driving is not None and reported
        self._set(journey, "driving_time", "driving_terminal", t_ns, 1.0 if counts else None)

    def leave(self, journey: Journey) -> None:
        """Note that the trip of a journey's permit is made, or is made elsewhere."""
        self._past.use(journey.permit, journey.id)

    def permit_of(self, journey: Journey) -> PermitConfig | None:
        """Return the permit under which a journey is made."""
        return None if journey.permit is None else self._by_name.get(journey.permit)

    def look(self, journey: Journey, look: Look, sight: Sight) -> bool:
        """Advance the breaches of a journey's permit to a look; return whether one began or ended."""
        permit = self.permit_of(journey)
        if permit is None:
            return False
        before = set(journey.broken)
        late = self._needs_permit(journey) and not permit.holds(look.t_ns)
        self._set(journey, "permit", "permit_time", look.t_ns, 1.0 if late else None)
        self._set(journey, "permit", "tunnel_code", look.t_ns, self._in_tunnel(permit, sight))
        off_p = self._off_route(journey, permit, look, sight)
        self._set(journey, "route_deviation", "off_route", look.t_ns, off_p)
        self._set(
            journey, "missed_exit", "missed_exit", look.t_ns, self._beyond_exit(journey, permit, look, sight)
        )
        return before != set(journey.broken)

    def _needs_permit(self, journey: Journey) -> bool:
        """Return whether the cargo is of a class, or of a division of one, that needs a permit."""
        kind = None if journey.vehicle is None else journey.vehicle.hazmat_class
        return kind is not None and any(
            kind == goods or kind.startswith(f"{goods}.") for goods in self._goods
        )

    @staticmethod
    def _set(journey: Journey, rule: str, scope: str, t_ns: int, p: float | None) -> None:
        """Begin, continue or end a breach; p : its probability now, None: it is none."""
        key = key_of(rule, scope)
        if p is None:
            journey.broken.pop(key, None)
        elif key in journey.broken:
            journey.broken[key].p = p
        elif len(journey.broken) < BREACHES_MAX:
            journey.broken[key] = Breach(since_ns=t_ns, p=p)

    def _in_tunnel(self, permit: PermitConfig, sight: Sight) -> float | None:
        if permit.tunnel is None:
            return None
        for zone, category in self._tunnels:
            if not is_forbidden(permit.tunnel, category):
                continue
            passage = zone.passage(sight.place[None, :], np.zeros(1, dtype=np.int64))
            if passage is not None and passage.depth_m > TUNNEL_SIGMAS * sight.sigma_m:
                return 1.0
        return None

    def _off_route(self, journey: Journey, permit: PermitConfig, look: Look, sight: Sight) -> float | None:
        """Return how probably the vehicle is on a road of others, once that has been certain for a while.

        While its lane is uncertain, or it is in none, what was is kept: neither accused nor cleared.
        """
        is_open = key_of("route_deviation", "off_route") in journey.broken
        if not permit.roads:
            return None
        if sight.road is None or sight.p_lane < self._route.road_p:
            return journey.broken[key_of("route_deviation", "off_route")].p if is_open else None
        if sight.road in permit.roads:
            journey.off_route_since_ns = 0
            return None
        journey.off_route_since_ns = journey.off_route_since_ns or look.t_ns
        held_s = (look.t_ns - journey.off_route_since_ns) / NS
        return round(sight.p_lane, 6) if is_open or held_s >= self._route.for_s else None

    def _beyond_exit(self, journey: Journey, permit: PermitConfig, look: Look, sight: Sight) -> float | None:
        """Return how probably the vehicle has passed the exit of its permit, where that is nearly certain."""
        line = None if permit.exit is None else self._gates.named(permit.exit)
        if line is None or look.s_m is None or journey.entry_s_m is None or sight.road is None:
            return None
        way_m = line.s_m - journey.entry_s_m
        beyond_m = math.copysign(1.0, way_m) * (look.s_m - line.s_m) - self._exit.beyond_m
        if not abs(way_m) > self._exit.beyond_m:  # NaN: the map has no axis
            return None
        p = probability(beyond_m, sight.sigma_m)
        return p if p >= self._exit.pass_p else None


def breaches_of(journeys: Mapping[str, Journey], rule: str) -> dict[int, dict[str, Breach]]:
    """Return what open journeys break of a rule: by track, then by scope."""
    found: dict[int, dict[str, Breach]] = {}
    for journey in [each for each in journeys.values() if each.broken]:  # few
        for key, breach in journey.broken.items():
            name, _, scope = key.partition("/")
            if name == rule and journey.track:
                found.setdefault(journey.track, {})[scope] = breach
    return found
