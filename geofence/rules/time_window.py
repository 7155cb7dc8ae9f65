"""`time_window`: a hazmat vehicle is in a zone at a time at which it must not be."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from core.arrays import F64, I64
from geofence.calendar import Exemption
from geofence.episodes import OpenEpisode
from geofence.grading import RuleSettings
from geofence.map.windows import DAY_MIN, LOCAL_NS, MINUTE_NS
from geofence.rules.base import Verdict
from geofence.rules.zones import EntryRule, ZoneConfig

if TYPE_CHECKING:
    from geofence.context import Context
    from geofence.map.zones import ZoneShape


class Config(ZoneConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.time_window]`."""

    roles: tuple[str, ...] = ("no_entry",)
    exempt: Annotated[tuple[Exemption, ...], Meta(max_length=1000)] = ()


class TimeWindow(EntryRule):
    """As `zone_entry`, while a window of the zone holds; it opens for who is inside when one begins."""

    name, violation, column, Config = "time_window", "time_window", "time_window", Config
    windowed = True

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        super().__init__(settings, config, zone_roles)
        self._exempt = config.exempt

    def judge_zone(
        self, ctx: "Context", i: int, zone: "ZoneShape", points: F64, stamps: I64, episode: OpenEpisode | None
    ) -> Verdict | None:
        row = int(ctx.located.vehicle[i])
        if self._exempt and row >= 0 and zone.is_near(points[-2:]):
            day, cargo = (int(stamps[-1]) + LOCAL_NS) // (DAY_MIN * MINUTE_NS), ctx.around.vehicles[row]
            if any(exemption.covers(zone.name, cargo, day) for exemption in self._exempt):
                return self.kept_again(ctx, i, zone, episode)
        return super().judge_zone(ctx, i, zone, points, stamps, episode)
