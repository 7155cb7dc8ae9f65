"""`[[permit]]` of the site file: which vehicle may drive where and when, and what of a journey it covers.

Order 29 of six ministries (危险货物道路运输安全管理办法), art. 48: explosive, toxic and radioactive goods are
carried only on the route and at the time that the police approved: both in one permit. One waybill is one
vehicle's one trip.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

PERMITS_MAX = 10_000
NS = 1_000_000_000
Text = Annotated[str, Meta(min_length=1, max_length=64)]
Openings = dict[str, dict[str, list[tuple[int, int]]]]  # by zone and terminal: from, to [ns]
# JT/T 617.7 and ADR 8.6.4: with a code, these and all later categories of tunnels are forbidden
TunnelCode = Literal["B", "C", "D", "E"]
TUNNEL_ROLES = {"tunnel_b": "B", "tunnel_c": "C", "tunnel_d": "D", "tunnel_e": "E"}  # of zones, by category


class PermitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One permit or waybill: a vehicle, a way and a time."""

    permit: Text
    terminal: Text
    start: datetime
    end: datetime
    entry: Text | None = None
    exit: Text | None = None
    roads: Annotated[tuple[Text, ...], Meta(max_length=256)] = ()
    waybill: Text | None = None
    tunnel: TunnelCode | None = None
    zones: Annotated[tuple[Text, ...], Meta(max_length=256)] = ()  # closed ones, through which its way leads

    def __post_init__(self) -> None:
        """Refuse times without a zone: the site's own would have to be guessed."""
        for name in ("start", "end"):
            if getattr(self, name).tzinfo is None:
                raise ValueError(f"{name} needs its offset from UTC, such as 2026-12-01T06:00:00+08:00")
        if self.start >= self.end:
            raise ValueError("end must be later than start")

    @property
    def start_ns(self) -> int:
        """The first moment at which it holds."""
        return _ns(self.start)

    @property
    def end_ns(self) -> int:
        """The first moment at which it holds no more."""
        return _ns(self.end)

    def holds(self, t_ns: int) -> bool:
        """Return whether it holds at a time."""
        return self.start_ns <= t_ns < self.end_ns


def _ns(at: datetime) -> int:
    return int(at.timestamp()) * NS + at.microsecond * 1_000


class Entered(NamedTuple):
    """How a vehicle came onto the road."""

    t_ns: int
    gate: str | None  # None: nobody saw it enter
    road: str | None


class Chosen(NamedTuple):
    """The permit of a journey, and what is wrong with it; no fault: it covers the way and the time."""

    permit: PermitConfig | None
    fault: Literal["no_permit", "permit_time", "permit_route", "permit_used"] | None


def choose(permits: Sequence[PermitConfig], entered: Entered, used: Sequence[str]) -> Chosen:
    """Return the permit that a vehicle drives under, of all permits of this vehicle.

    The one that covers way and time at once and is not used up; else the one that comes nearest: right in its
    way, then in its time.  used : names of permits of journeys that ended.  Of several that hold, the one
    that ends first: a later one may be meant for the next trip.
    """
    if not permits:
        return Chosen(None, "no_permit")
    ordered = sorted(permits, key=lambda permit: (permit.end_ns, permit.permit))
    on_way = [permit for permit in ordered if covers_way(permit, entered)]
    now = [permit for permit in on_way if permit.holds(entered.t_ns)]
    fresh = [permit for permit in now if permit.permit not in used]
    if fresh:
        return Chosen(fresh[0], None)
    if now:
        return Chosen(now[-1], "permit_used")
    in_time = [permit for permit in ordered if permit.holds(entered.t_ns)]
    if in_time:
        return Chosen(in_time[0], "permit_route")
    later = [permit for permit in on_way if permit.start_ns > entered.t_ns]
    return Chosen((later or ordered[::-1])[0], "permit_time")


def covers_way(permit: PermitConfig, entered: Entered) -> bool:
    """Return whether a permit names the gate and the road; what it or nobody names can't contradict."""
    gate = permit.entry is None or entered.gate is None or permit.entry == entered.gate
    return gate and (not permit.roads or entered.road is None or entered.road in permit.roads)


def is_forbidden(tunnel: TunnelCode, category: str) -> bool:
    """Return whether cargo of a tunnel code may not pass a tunnel of a category (A is open to all)."""
    return category >= tunnel


class PermitFault(NamedTuple):
    """A permit that makes no sense: its row and key, the rule that it breaks, its value."""

    row: int
    key: str
    rule: str
    value: object


def faults_of_permits(
    permits: Sequence[PermitConfig],
    terminals: Collection[str],
    gates: Sequence[tuple[str, str]],
    roads: Collection[str],
    zones: Collection[str] = (),
) -> Iterator[PermitFault]:
    """Yield the faults of a site's permits among themselves, against its registry and its map.

    terminals : of the registry.  gates : name and role of each on the map.  roads, zones : of the map
    """
    names: set[str] = set()
    waybills: dict[str, PermitConfig] = {}
    entries = {name for name, role in gates if role == "entry"}
    exits = {name for name, role in gates if role == "exit"}
    for k, permit in enumerate(permits):
        if permit.permit in names:
            yield PermitFault(k, "permit", "must be unique in the site", permit.permit)
        names.add(permit.permit)
        if permit.waybill is not None:
            other = waybills.setdefault(permit.waybill, permit)
            if other is not permit:
                rule = f"one waybill is one vehicle's one trip: {other.permit} has it too"
                yield PermitFault(k, "waybill", rule, permit.waybill)
        if permit.terminal not in terminals:
            yield PermitFault(k, "terminal", "must be a vehicle of the registry", permit.terminal)
        for key, value, known in (("entry", permit.entry, entries), ("exit", permit.exit, exits)):
            if value is not None and value not in known:
                rule = f"must be {key} gates of the map: {', '.join(sorted(known)) or 'it has none'}"
                yield PermitFault(k, key, rule, value)
        for key, named, of_map in (("roads", permit.roads, roads), ("zones", permit.zones, zones)):
            for name in named:
                if name not in of_map:
                    has = ", ".join(sorted(set(of_map))) or "it has none"
                    yield PermitFault(k, key, f"must be {key} of the map: {has}", name)


def openings_of(permits: Sequence[PermitConfig]) -> Openings:
    """Return the zones that permits open: by zone and terminal, from when until when."""
    found: Openings = {}
    for permit in permits:
        for zone in permit.zones:
            spans = found.setdefault(zone, {}).setdefault(permit.terminal, [])
            spans.append((permit.start_ns, permit.end_ns))
    return found


def is_open_to(openings: Mapping[str, Sequence[tuple[int, int]]], terminal: str, t_ns: int) -> bool:
    """Return whether a zone's openings hold for a vehicle at a time."""
    return any(start_ns <= t_ns < end_ns for start_ns, end_ns in openings.get(terminal, ()))
