"""The common part of the rules of journeys: one episode for each vehicle and cause, while it is broken."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from geofence.grading import RuleSettings
from geofence.rules.base import Rule, Verdict
from geofence.violation import GRADES

if TYPE_CHECKING:
    from collections.abc import Collection

    from geofence.context import TickContext


class TripConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The section of a rule of journeys."""

    grade: Literal["notice", "warning", "violation"] = "violation"


class TripRule(Rule):
    """Turns what a vehicle's journey breaks (geofence.journeys) into verdicts; decided by the tick."""

    kind, decided_by, scope = "event", "tick", "fault"
    Config: ClassVar[type[TripConfig]]

    def __init__(self, settings: RuleSettings, config: Any, zone_roles: "Collection[str]") -> None:
        self._grade = GRADES.index(config.grade)

    def tick(self, ctx: "TickContext") -> list[Verdict]:
        """Return verdicts on the owned tracks whose journeys break the rule, or did until now."""
        found = {} if ctx.trips is None else ctx.trips.breaches(self.name)
        if not (found or ctx.state.is_any_open(self.name)):
            return []
        is_open = ctx.state.is_open(ctx.rows[ctx.mine], self.name)
        verdicts = []
        for k, i in enumerate(ctx.mine.tolist()):
            track = int(ctx.tracks.track[i])
            broken = found.get(track, {})
            for scope, breach in broken.items():
                opens = bool(ctx.may_open[i])
                verdicts.append(
                    Verdict(i, self._grade, breach.since_ns, opens=opens, scope=scope, p_violation=breach.p)
                )
            if not is_open[k] or self._awaits(ctx, i):
                continue
            verdicts += [
                Verdict(i, 0, ctx.now_ns, opens=False, clear=True, scope=episode.scope, p_violation=0.0)
                for episode in ctx.open_of(track)
                if episode.rule_name == self.name and episode.scope not in broken
            ]
        return verdicts

    @staticmethod
    def _awaits(ctx: "TickContext", i: int) -> bool:
        """Return whether nobody knows yet what the journey of track i breaks, as after a restart."""
        w = int(ctx.tracks.terminal[i])
        track = int(ctx.tracks.track[i])
        return ctx.trips is not None and w >= 0 and ctx.trips.awaits(ctx.located.terminal_ids[w], track)
