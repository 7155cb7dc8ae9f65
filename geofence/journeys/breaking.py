"""What a journey breaks of its permit: way, time, one trip, tunnels, the exit. Pure.

Rules read it as breaches (geofence.breaches); here they are found at each look at a vehicle. A site without
permits judges nothing: nobody could know who has one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from geofence.breaches import BREACHES_MAX, Breach, key_of
from geofence.config import RulesConfig, section_of
from geofence.journeys.driving import drive, limits_broken
from geofence.journeys.following import Look
from geofence.journeys.gates import Gates
from geofence.journeys.journey import Journey
from geofence.journeys.past import Past
from geofence.journeys.sight import Sight
from geofence.map.reading import Zone
from geofence.map.zones import ZoneShape
from geofence.permits import TUNNEL_ROLES, Entered, PermitConfig, choose, is_forbidden
from geofence.writing import probability

NS = 1_000_000_000
RULES = ("permit", "route_deviation", "missed_exit", "driving_time")  # by which journeys are judged
TUNNEL_SIGMAS = 4.0  # of the place's error, by which a vehicle must be in a tunnel, as for other zones


class Breaking:
    """Finds the breaches of journeys."""

    def __init__(self, permits: Sequence[PermitConfig], rules: RulesConfig, past: Past) -> None:
        self._by_name = {permit.permit: permit for permit in permits}
        self._of: dict[str, list[PermitConfig]] = {}
        for permit in permits:
            self._of.setdefault(permit.terminal, []).append(permit)
        self._past, self._sections = past, dict[str, Any]()
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

    def configure(self, rules: RulesConfig, journeys: Iterable[Journey] = (), now_ns: int = 0) -> None:
        """Look by other rules from now on.

        What open journeys broke of a rule that changes is forgotten: the next look finds it by the new rule.
        What was wrong at the entry no look finds again; if it still is by the new rule, it is so from now on.
        """
        sections: dict[str, Any] = {name: section_of(rules, name) for name in RULES}
        changed = {name for name in RULES if self._sections.get(name) != sections[name]}
        self._sections = sections
        self._goods, self._route = sections["permit"].goods, sections["route_deviation"]
        self._exit, self._driving = sections["missed_exit"], sections["driving_time"]
        for journey in journeys:
            for key in [key for key in journey.broken if key.partition("/")[0] in changed]:
                del journey.broken[key]
            if "route_deviation" in changed:
                journey.off_route_since_ns = 0
            if "permit" in changed and journey.entry_fault is not None and self._needs_permit(journey):
                journey.broken[key_of("permit", journey.entry_fault)] = Breach(since_ns=now_ns)

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
        journey.entry_fault = None if fault == "permit_time" else fault  # each look finds that one
        if journey.entry_fault is not None and self._needs_permit(journey):
            journey.broken[key_of("permit", journey.entry_fault)] = Breach(since_ns=journey.start_ns)

    def drive(self, journey: Journey, t_ns: int, moving_s: float, standing_s: float) -> bool:
        """Add seen time to the vehicle's driving time; return whether a breach began or ended.

        moving_s : of a time that nobody saw no more than its way needs, since it may have rested meanwhile
        """
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
        since_ns, in_tunnel_p = self._in_tunnel(journey, permit, look, sight)
        self._set(journey, "permit", "tunnel_code", since_ns, in_tunnel_p)
        off_p = self._off_route(journey, permit, look, sight)
        self._set(journey, "route_deviation", "off_route", journey.off_route_since_ns, off_p)
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
    def _set(journey: Journey, rule: str, scope: str, since_ns: int, p: float | None) -> None:
        """Begin, continue or end a breach.

        since_ns : of one that begins.  p : its probability now, None: it is none
        """
        key = key_of(rule, scope)
        if p is None:
            journey.broken.pop(key, None)
        elif key in journey.broken:
            journey.broken[key].p = p
        elif len(journey.broken) < BREACHES_MAX:
            journey.broken[key] = Breach(since_ns=since_ns, p=p)

    @staticmethod
    def _open_p(journey: Journey, rule: str, scope: str) -> float | None:
        """Return the probability of a breach as it was last; None: there is none."""
        breach = journey.broken.get(key_of(rule, scope))
        return None if breach is None else breach.p

    def _in_tunnel(
        self, journey: Journey, permit: PermitConfig, look: Look, sight: Sight
    ) -> tuple[int, float | None]:
        """Return since when the vehicle has been in a tunnel that is closed to it, and how probably.

        While it is uncertain whether it is inside, what was is kept.
        """
        if permit.tunnel is None:
            return 0, None
        least_m, may_be_in = TUNNEL_SIGMAS * sight.sigma_m, False
        for zone, category in self._tunnels:
            if not is_forbidden(permit.tunnel, category):
                continue
            passage = zone.passage(sight.places, sight.stamps)
            if passage is not None and passage.depth_m > least_m:
                return passage.first_ns, 1.0
            may_be_in |= zone.away_m(sight.places[-1]) <= least_m
        return 0, self._open_p(journey, "permit", "tunnel_code") if may_be_in else None

    def _off_route(self, journey: Journey, permit: PermitConfig, look: Look, sight: Sight) -> float | None:
        """Return how probably the vehicle is on a road of others, once that has been certain for a while.

        While its lane is uncertain, or it is in none, what was is kept: neither accused nor cleared, and that
        time does not count.
        """
        if not permit.roads:
            return None
        open_p = self._open_p(journey, "route_deviation", "off_route")
        if sight.road is None or sight.p_lane < self._route.road_p:
            if journey.off_route_since_ns and open_p is None:
                journey.off_route_since_ns += look.t_ns - (sight.before_ns or look.t_ns)
            return open_p
        if sight.road in permit.roads:
            journey.off_route_since_ns = 0
            return None
        journey.off_route_since_ns = journey.off_route_since_ns or look.t_ns
        held_s = (look.t_ns - journey.off_route_since_ns) / NS
        return round(sight.p_lane, 6) if open_p is not None or held_s >= self._route.for_s else None

    def _beyond_exit(self, journey: Journey, permit: PermitConfig, look: Look, sight: Sight) -> float | None:
        """Return how probably the vehicle has passed the exit of its permit, where that is nearly certain.

        Off the lanes it may be on a ramp that the map lacks: as with a coarse place, what was is kept.
        """
        line = None if permit.exit is None else self._gates.named(permit.exit)
        if line is None or journey.entry_s_m is None:
            return None
        open_p = self._open_p(journey, "missed_exit", "missed_exit")
        if look.s_m is None or sight.road is None:
            return open_p
        way_m = line.s_m - journey.entry_s_m
        beyond_m = math.copysign(1.0, way_m) * (look.s_m - line.s_m) - self._exit.beyond_m
        if not abs(way_m) > self._exit.beyond_m:  # NaN: the map has no axis
            return None
        p = probability(beyond_m, sight.sigma_m)
        return p if p >= self._exit.pass_p else open_p if p > 1.0 - self._exit.pass_p else None


def breaches_of(journeys: Mapping[str, Journey], rule: str) -> dict[int, dict[str, Breach]]:
    """Return what open journeys break of a rule: by track, then by scope."""
    found: dict[int, dict[str, Breach]] = {}
    for journey in [each for each in journeys.values() if each.broken]:  # few
        for key, breach in journey.broken.items():
            name, _, scope = key.partition("/")
            if name == rule and journey.track:
                found.setdefault(journey.track, {})[scope] = breach
    return found
