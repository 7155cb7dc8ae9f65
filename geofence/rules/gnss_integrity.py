"""`gnss_integrity`: a terminal whose fixes contradict the radar's track of its vehicle, by kind of fault."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from geofence.grading import RuleSettings
from geofence.rules.base import Rule, Verdict
from geofence.rules.doubt import FAULTS, verdicts

if TYPE_CHECKING:
    from geofence.context import Context, TickContext

SURE_P = 0.999  # fusion's tests are surer


class GnssIntegrity(Rule):
    """One episode for each track and kind; a notice about a source, never an accusation of a driver."""

    name, violation, kind, column = "gnss_integrity", "gnss_integrity", "timed", "lane_departure"
    decided_by, scope = "tick", "fault"
    stamps, unit = tuple(f"{fault}_clear_since_ns" for fault in FAULTS.values()), "m"
    updates = False

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: Collection[str]) -> None:
        self._clear_ns = int(settings.clear_s * 1e9)

    def tick(self, ctx: "TickContext") -> list[Verdict]:
        """Open an episode of each fault that a terminal shows; close it when the fault has been gone."""
        return [
            verdict
            for (bit, fault), stamp in zip(FAULTS.items(), self.stamps, strict=True)
            for verdict in verdicts(ctx, self.name, bit, fault, stamp, self._clear_ns)
        ]

    def p_violation(self, ctx: "Context", i: int) -> float:
        """As sure as fusion's tests."""
        return SURE_P
