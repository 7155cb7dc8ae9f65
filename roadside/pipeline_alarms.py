"""The terminals' own alarms beside our violations: who saw what, and where they differ. Pure.

A terminal with a driving assistant or with fences on board judges by itself, without our map and sigma. Where
both raise the same, the violation says so; where only one does, it is counted, and of a terminal's own the
status names truck, kind and time. Nothing is raised or withheld because of it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from core.times import NS
from edge.terminal_only import TERMINAL_ONLY_MAX, TerminalOnly
from fusion.observations import F_ALARMS, GnssFixes
from geofence.violation import Violation
from roadside.pipeline_late_times import JudgedTimes
from roadside.terminal_alarms import AREA, DEVIATION, LANE, NAMES, ROUTE

# which alarms mean the same as a rule of ours
MEANING = {
    "lane_departure": LANE, "off_dedicated_road": ROUTE | DEVIATION, "route_deviation": ROUTE | DEVIATION,
    "zone_entry": AREA, "zone_exit": AREA, "time_window": AREA,
}  # fmt: skip
ALL = sum(NAMES)
# a terminal reports each second or seldomer, and its assistant warns before the line or after it
APART_NS = 5 * NS
DECIDED_NS = 15 * NS  # so long after an alarm a violation of ours must have been raised
# of a blind area it may come so long after the reports: they are waited for, their clock is proved, and they
# are judged a few at a tick (roadside.pipeline_late)
LATE_NS = 300 * NS
STORED_NS = 10 * NS  # older, a report was stored: its alarm was at its stamp, and not at its arrival
ALARMS_MAX = 16  # of one terminal
TERMINALS_MAX = 4_096


class TerminalAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm of a terminal began."""

    kind: int  # one of the bits above
    at_ns: int
    is_open: bool = True  # no violation of ours agrees so far
    due_ns: int = 0  # when a violation of ours must have been raised; 0: DECIDED_NS after it
    is_alone: bool = False  # no violation of ours was raised until then, nor later


class AlarmedTerminal(msgspec.Struct, kw_only=True):
    """One terminal that raised alarms."""

    terminal: str
    ever: int = 0  # kinds that it ever raised: what it never did it may not be able to
    now: int = 0  # kinds of its last report: bits stay set until a platform acknowledges them
    stored: int = 0  # kinds of its last stored report, which is of an earlier time
    alarms: tuple[TerminalAlarm, ...] = ()  # the newest, oldest first


class TerminalAlarms:
    """The alarms of all terminals.

    count : counts a reason so many times
    """

    def __init__(self, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._by_name: OrderedDict[str, AlarmedTerminal] = OrderedDict()  # the longest silent first

    @property
    def has_any(self) -> bool:
        """Whether any terminal raised an alarm: its next reports end it."""
        return bool(self._by_name)

    def note(self, now_ns: int, seen: GnssFixes) -> None:
        """Note the alarms of a message's fixes; where they state none, it is needed only if `has_any`."""
        if len(seen.ints) <= F_ALARMS:
            return
        stated: list[int] = seen.ints[F_ALARMS].tolist()
        kinds = [alarms & ALL for alarms in stated]
        if not self._by_name and not any(kinds):  # the usual case
            return
        stamps = seen.ints[0].tolist()
        for terminal, now, stamp_ns in zip(seen.terminal, kinds, stamps, strict=True):
            known = self._by_name.get(terminal)
            if known is None and not now:
                continue
            self._note_one(terminal, now, stamp_ns, now_ns)

    def _note_one(self, terminal: str, now: int, stamp_ns: int, now_ns: int) -> None:
        row = self._by_name.setdefault(terminal, AlarmedTerminal(terminal=terminal))
        self._by_name.move_to_end(terminal)
        row.ever |= now
        if now_ns - stamp_ns > STORED_NS:
            begun, at_ns, due_ns = now & ~row.stored, stamp_ns, now_ns + LATE_NS
            row.stored = now
        else:
            begun, at_ns, due_ns = now & ~row.now, now_ns, now_ns + DECIDED_NS
            row.now = now
        alarms = [TerminalAlarm(kind=kind, at_ns=at_ns, due_ns=due_ns) for kind in NAMES if begun & kind]
        row.alarms = (*row.alarms, *alarms)[-ALARMS_MAX:]
        if len(self._by_name) > TERMINALS_MAX:
            self._by_name.popitem(last=False)

    def marked(self, found: Violation) -> Violation:
        """Return a version with what the terminal says of it; only a close says that it says nothing."""
        kinds = MEANING.get(found.rule, 0)
        terminal = None if found.vehicle is None else found.vehicle.terminal
        row = self._by_name.get(terminal or "")
        if row is None or not row.ever & kinds or found.grade == "undecidable":
            return found
        end_ns = found.end_ns or found.stamps.measured_ns
        agrees = [
            bool(one.kind & kinds) and found.start_ns - APART_NS <= one.at_ns <= end_ns + APART_NS
            for one in row.alarms
        ]
        row.alarms = tuple(
            msgspec.structs.replace(one, is_open=one.is_open and not same, is_alone=one.is_alone and not same)
            for one, same in zip(row.alarms, agrees, strict=True)
        )
        if found.phase == "close":
            names = [NAMES[kind] for kind in NAMES if kind & kinds & row.ever]
            self._count(f"alarms.{names[0]}.{'agreed' if any(agrees) else 'ours_only'}", 1)
        elif not any(agrees):
            return found
        return msgspec.structs.replace(found, terminal_alarm=any(agrees))

    def tick(self, t_ns: int, times: JudgedTimes) -> None:
        """Count the alarms that no violation of ours agrees with; times : with the raised episodes."""
        if t_ns % NS:
            return
        for row in self._by_name.values():
            due = [
                one for one in row.alarms if one.is_open and t_ns >= (one.due_ns or one.at_ns + DECIDED_NS)
            ]
            decided: dict[TerminalAlarm, TerminalAlarm] = {}
            for one in due:
                rules = [rule for rule, kinds in MEANING.items() if kinds & one.kind]
                is_ours = times.was_raised_near(row.terminal, rules, one.at_ns, APART_NS)
                self._count(f"alarms.{NAMES[one.kind]}.{'during_ours' if is_ours else 'terminal_only'}", 1)
                decided[one] = msgspec.structs.replace(one, is_open=False, is_alone=not is_ours)
            if due:
                row.alarms = tuple(decided.get(one, one) for one in row.alarms)

    def terminal_only(self) -> tuple[TerminalOnly, ...]:
        """Return the newest alarms that terminals alone raised, oldest first, for the status."""
        alone = [
            TerminalOnly(terminal=row.terminal, kind=NAMES[one.kind], at_ns=one.at_ns)
            for row in self._by_name.values()
            for one in row.alarms
            if one.is_alone
        ]
        return tuple(sorted(alone, key=lambda one: (one.at_ns, one.terminal, one.kind))[-TERMINAL_ONLY_MAX:])

    def state(self) -> tuple[AlarmedTerminal, ...]:
        """Return all terminals, as `restore` needs them."""
        return tuple(msgspec.structs.replace(row) for row in self._by_name.values())

    def restore(self, rows: Sequence[AlarmedTerminal]) -> None:
        """Put back what `state` returned."""
        self._by_name = OrderedDict((row.terminal, msgspec.structs.replace(row)) for row in rows)
