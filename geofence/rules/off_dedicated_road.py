"""`off_dedicated_road`: a registered hazmat vehicle is away from every permitted lane, zone and gate [m]."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from geofence.grading import Grading, Hold, Holds, NoticeHolds, RuleSettings
from geofence.rules.base import Rule
from geofence.sample import Sample, Vehicle

if TYPE_CHECKING:
    pass


class Config(Grading, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[rules.off_dedicated_road]`."""

    notice: NoticeHolds = (Hold(over=20.0),)
    warning: Holds = (Hold(over=20.0, for_s=5.0),)
    violation: Holds = (Hold(over=20.0, for_s=30.0),)


class OffDedicatedRoad(Rule):
    """Judged inside the enforcement area alone."""

    name, violation, kind = "off_dedicated_road", "off_dedicated_road", "measured"
    column = "off_dedicated_road"
    Config, keys, unit = Config, ("enforcement_area",), "m"
    judges = "hazmat"
    alone = True

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._clear_below = config.notice[0].over / 2

    def clear_below(self) -> float:
        return float(self._clear_below)

    @staticmethod
    def measure(v: Vehicle) -> Sample:
        return Sample(v.off_road_m, v.sigma_place_m, v.tau_s, True)
