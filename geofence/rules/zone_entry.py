"""`zone_entry`: a hazmat vehicle is in a zone that it must not enter."""

from typing import TYPE_CHECKING

from core.arrays import F64, I64
from geofence.episodes import OpenEpisode
from geofence.rules.base import Verdict
from geofence.rules.zones import ZoneConfig, ZoneRule

if TYPE_CHECKING:
    from geofence.context import Context
    from geofence.map.zones import ZoneShape


class Config(ZoneConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.zone_entry]`."""

    roles: tuple[str, ...] = ("no_entry",)


class ZoneEntry(ZoneRule):
    """Opens once the way since the last place is certainly inside, and lasts while any of it is."""

    name, violation, column, Config = "zone_entry", "zone_entry", "zone_entry", Config
    windowed = False  # the others are those of `time_window`

    def judge_zone(
        self, ctx: "Context", i: int, zone: "ZoneShape", points: F64, stamps: I64, episode: OpenEpisode | None
    ) -> Verdict | None:
        passage = zone.passage(points[-2:], stamps[-2:])
        if passage is not None and (episode is not None or passage.depth_m > self.least_m(ctx, i)):
            return self.broken(ctx, i, zone, passage.first_ns)
        return self.kept_again(ctx, i, zone, episode)
