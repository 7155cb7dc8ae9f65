"""`ghost_report`: a terminal that says it drives where a radar sees that nothing drives."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from geofence.grading import RuleSettings
from geofence.rules.base import Rule, Verdict
from geofence.rules.doubt import GHOST, verdicts

if TYPE_CHECKING:
    from geofence.context import Context, TickContext

SURE_P = 0.999  # the odds at which fusion doubts


class GhostReport(Rule):
    """A notice about a source, not about a driver; the vehicle's other rules go on as before."""

    name, violation, kind, column = "ghost_report", "ghost_report", "timed", "lane_departure"
    decided_by = "tick"
    stamps, unit = ("ghost_clear_since_ns",), "s"
    updates = False

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._clear_ns = int(settings.clear_s * 1e9)

    def tick(self, ctx: "TickContext") -> list[Verdict]:
        """Open where radar misses the vehicle in plain sight; close when it has been there for `clear_s`."""
        return verdicts(ctx, self.name, GHOST, "", self.stamps[0], self._clear_ns)

    def p_violation(self, ctx: "Context", i: int) -> float:
        """The probability of radar's misses, were there a vehicle, is less than the rest."""
        return SURE_P
