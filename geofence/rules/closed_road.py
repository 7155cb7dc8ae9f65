"""`closed_road`: a hazmat vehicle has entered a road, lane or area while it is closed."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from core.arrays import F64, I64
from geofence.closures import Closure
from geofence.episodes import OpenEpisode
from geofence.grading import RuleSettings
from geofence.rules.base import Verdict
from geofence.rules.zones import EntryRule, ZoneConfig

if TYPE_CHECKING:
    from geofence.context import Context
    from geofence.map.zones import ZoneShape


class Config(ZoneConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.closed_road]`."""

    roles: tuple[str, ...] = ("closed",)
    closures: Annotated[tuple[Closure, ...], Meta(max_length=64)] = ()


class ClosedRoad(EntryRule):
    """Who was inside when it was closed may drive out: he entered an open road."""

    name, violation, column, Config = "closed_road", "closed_road", "closed_road", Config

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        super().__init__(settings, config, zone_roles)
        self._closures = config.closures
        self.active = self.active or bool(config.closures)

    def _zones(self, ctx: "Context") -> "list[ZoneShape]":
        return [*super()._zones(ctx), *ctx.around.closed(self._closures)]

    def judge_zone(
        self, ctx: "Context", i: int, zone: "ZoneShape", points: F64, stamps: I64, episode: OpenEpisode | None
    ) -> Verdict | None:
        if not zone.is_near(points):  # nearly always
            return self.kept_again(ctx, i, zone, episode)
        if zone.lanes and int(ctx.located.lane[i]) not in zone.lanes:  # on a bridge over it
            return self.kept_again(ctx, i, zone, episode)
        if episode is None and not self._came_in(zone, points, stamps, self.least_m(ctx, i)):
            return None
        return super().judge_zone(ctx, i, zone, points, stamps, episode)

    @staticmethod
    def _came_in(zone: "ZoneShape", points: F64, stamps: I64, least_m: float) -> bool:
        """Return whether a vehicle was certainly outside before now, while it was closed.

        That it is outside now means that it came out.
        """
        return any(
            zone.holds(stamp_ns) and zone.away_m(point) > least_m
            for point, stamp_ns in zip(points[-2::-1], stamps[-2::-1].tolist(), strict=True)
        )
