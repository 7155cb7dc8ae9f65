"""The common part of the rules of zones: one episode for each vehicle and zone, once its place is certain."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from core.arrays import F64, I64
from core.classes import HAZMAT
from geofence.episodes import OpenEpisode
from geofence.grading import RuleSettings
from geofence.permits import is_open_to
from geofence.rules.base import Rule, Verdict
from geofence.violation import GRADES

if TYPE_CHECKING:
    from geofence.context import Context
    from geofence.map.zones import ZoneShape


class ZoneConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section of a rule of zones; it judges the zones whose `role` on the map is among `roles`."""

    roles: tuple[str, ...]
    grade: Literal["notice", "warning", "violation"] = "violation"
    # of the place's error, by which a vehicle must be inside or outside
    sigmas: Annotated[float, Meta(gt=0.0, le=10.0)] = 4.0


class ZoneRule(Rule):
    """Judged of hazmat vehicles, by their centres and the straight way since they were last seen."""

    kind, scope = "event", "zone"
    alone = True
    Config: ClassVar[type[ZoneConfig]]
    windowed: ClassVar[bool | None] = None  # zones with windows alone, without them alone, or all

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._roles, self._sigmas = config.roles, config.sigmas
        self._grade = GRADES.index(config.grade)
        self._clear_ns = int(settings.clear_s * 1e9)
        self.active = not set(config.roles).isdisjoint(zone_roles)

    def judge(self, ctx: "Context") -> Sequence[Verdict]:
        """Judge each hazmat vehicle with a new measurement against each zone."""
        zones, verdicts = self._zones(ctx), []
        seen = ctx.newly_seen
        for i in seen[ctx.located.kind[seen] == HAZMAT].tolist():
            points, stamps = ctx.path(i)
            open_here = {
                episode.scope: episode
                for episode in ctx.open_of(int(ctx.tracks.track[i]))
                if episode.rule_name == self.name
            }
            for zone in zones:
                episode = open_here.get(zone.name)
                if zone.holds(int(stamps[-1])):
                    verdict = self.judge_zone(ctx, i, zone, points, stamps, episode)
                else:
                    verdict = self.kept_again(ctx, i, zone, episode)
                if verdict is not None:
                    verdicts.append(verdict)
        return verdicts

    def _zones(self, ctx: "Context") -> "list[ZoneShape]":
        zones = ctx.around.zones(self._roles)
        return zones if self.windowed is None else [z for z in zones if bool(z.windows) == self.windowed]

    @abstractmethod
    def judge_zone(
        self, ctx: "Context", i: int, zone: "ZoneShape", points: F64, stamps: I64, episode: OpenEpisode | None
    ) -> Verdict | None:
        """Return the verdict on track i and one zone, None without one.

        points, stamps : the track's way (k, 2) [m] and (k,), now last.  episode : the open one of this zone
        """

    def least_m(self, ctx: "Context", i: int) -> float:
        """Return how deep track i must be inside or outside for its place to be certain."""
        return float(self._sigmas * ctx.sigma_place_m(i))

    def broken(self, ctx: "Context", i: int, zone: "ZoneShape", start_ns: int) -> Verdict:
        """Return the verdict that track i breaks the rule now."""
        opens = bool(ctx.may_open[i])
        return Verdict(i, self._grade, start_ns, opens=opens, scope=zone.name, p_violation=1.0)

    def kept_again(
        self, ctx: "Context", i: int, zone: "ZoneShape", episode: OpenEpisode | None
    ) -> Verdict | None:
        """Return the verdict that closes the open episode, once the rule has been kept for long enough."""
        stamp_ns = int(ctx.tracks.stamp_ns[i])
        if episode is None or stamp_ns - episode.seen_ns < self._clear_ns:
            return None
        return Verdict(i, 0, stamp_ns, opens=False, clear=True, scope=zone.name, p_violation=0.0)


class EntryRule(ZoneRule):
    """Opens once the way since the last place is certainly inside, and lasts while any of it is.

    A permit that names the zone opens it to its vehicle while it holds.
    """

    def judge_zone(
        self, ctx: "Context", i: int, zone: "ZoneShape", points: F64, stamps: I64, episode: OpenEpisode | None
    ) -> Verdict | None:
        row = int(ctx.located.vehicle[i])
        terminal = ctx.around.vehicles[row].terminal if row >= 0 else ""
        if is_open_to(zone.openings, terminal, int(stamps[-1])):
            return self.kept_again(ctx, i, zone, episode)
        passage = zone.passage(points[-2:], stamps[-2:])
        if passage is not None and (episode is not None or passage.depth_m > self.least_m(ctx, i)):
            return self.broken(ctx, i, zone, passage.first_ns)
        return self.kept_again(ctx, i, zone, episode)
