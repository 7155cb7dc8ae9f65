"""`zone_exit`: a hazmat vehicle has left a zone that it must stay in."""

from typing import TYPE_CHECKING

from core.arrays import F64, I64
from geofence.episodes import OpenEpisode
from geofence.rules.base import Verdict
from geofence.rules.zones import ZoneConfig, ZoneRule

if TYPE_CHECKING:
    from geofence.context import Context
    from geofence.map.zones import ZoneShape


class Config(ZoneConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.zone_exit]`."""

    roles: tuple[str, ...] = ("no_exit",)


class ZoneExit(ZoneRule):
    """Opens once a vehicle that was certainly inside in the last seconds is certainly outside."""

    name, violation, column, Config = "zone_exit", "zone_exit", "zone_exit", Config

    def judge_zone(
        self, ctx: "Context", i: int, zone: "ZoneShape", points: F64, stamps: I64, episode: OpenEpisode | None
    ) -> Verdict | None:
        if episode is not None:
            if zone.away_m(points[-1]) > 0.0:
                return self.broken(ctx, i, zone, episode.start_ns)
            return self.kept_again(ctx, i, zone, episode)
        least_m = self.least_m(ctx, i)
        if not zone.is_near(points) or zone.away_m(points[-1]) <= least_m:
            return None
        passage = zone.passage(points, stamps)
        if passage is None or passage.depth_m <= least_m:
            return None
        return self.broken(ctx, i, zone, passage.last_ns)
