"""Looks at the states of units, broker and database for what the road can't be watched by now."""

from collections.abc import Callable, Mapping
from typing import Any

from centre.desk.losses import Fault, Key, Kind, Loss, Seen
from centre.unit_registry import STALE_NS, Unit, UnitRegistry
from edge import wire

GREW_M = 50.0  # more road without judgement than before: a loss of cover
SHRANK_M = 25.0  # no more than this above the least: it is over
# After the broker's return each unit seems silent, until its next heartbeat: for so long, that is no loss.
SETTLE_NS = STALE_NS + 4 * 10**9
# An RSU has heard no radar when it starts. A radar that it has not heard after this time is a loss.
NEVER_LASTS_NS = 30 * 10**9
OF_CENTRE = ("broker", "database", "disk", "workers", "own_clock")  # seen without the broker
OF_RSUS = ("rsu", "radar", "clock", "cover")
DISK_WORDS = ("disk", "full", "space", "readonly", "read-only", "i/o")
PART_MAX = 129  # characters of RSU/RADAR
NS = 10**9


class View:
    """Remembers what it needs to see a change: the least length without judgement, the broker's return."""

    def __init__(
        self,
        rsus: UnitRegistry,
        gateways: UnitRegistry,
        broker: Callable[[int], Mapping[str, Any]],
        database_fault: Callable[[], str | None],
        *,
        doubts_clock: Callable[[int], bool] = lambda _now_ns: False,
        lacks_workers: Callable[[int], bool] = lambda _now_ns: False,
    ) -> None:
        """`broker(now_ns)`: `broker` of the summary; `database_fault()`: why the database fails now;
        `doubts_clock(now_ns)`: whether the centre's own clock is not believed; `lacks_workers(now_ns)`:
        whether workers should store violations, and none does."""
        self._doubts_clock, self._lacks_workers = doubts_clock, lacks_workers
        self._rsus, self._gateways, self._broker, self._fault = rsus, gateways, broker, database_fault
        self._least_m: dict[str, tuple[tuple[str, str], float]] = {}  # by RSU, with its versions
        self._back_ns: int | None = None  # when the broker was last seen to come back

    def restore(self, losses: Mapping[Key, Loss]) -> None:
        """Know again from which length the open losses of cover grew."""
        for (kind, part), loss in losses.items():
            status = self._rsus.rows()[part].status if part in self._rsus.rows() else None
            if kind == "cover" and loss.base_m is not None and isinstance(status, wire.Status):
                self._least_m[part] = ((status.config, status.map), loss.base_m)

    def look(self, open_losses: Mapping[Key, Loss], now_ns: int) -> Seen:
        """Return what is wrong now, given the losses that are open."""
        faults: dict[Key, Fault] = {}
        broker = self._broker(now_ns)
        unknown = self._add_own(faults, now_ns)
        if not broker["connected"]:
            faults["broker", "broker"] = Fault(broker["since_ns"], (broker.get("refused") or "")[:200])
            self._back_ns = None
        else:
            self._back_ns = self._back_ns or now_ns
        if self._back_ns is None or now_ns - self._back_ns < SETTLE_NS:
            return Seen(faults, lambda key: key in unknown or key[0] not in OF_CENTRE, {})
        silent: set[str] = set()
        back_ns: dict[Key, int] = {}
        registries: tuple[tuple[Kind, UnitRegistry], ...] = (("rsu", self._rsus), ("gateway", self._gateways))
        for kind, registry in registries:
            for name, row in registry.rows().items():
                fault = self._unit_fault(registry, name, row, now_ns)
                if fault is not None:
                    faults[kind, name] = fault
                if fault is not None or row.beat_ns is None:
                    silent.add(name)
                    unknown.add((kind, name))
                elif row.status is not None:
                    back_ns[kind, name] = row.status.epoch * NS
        for name, row in self._rsus.rows().items():
            if name not in silent and isinstance(row.status, wire.Status):
                never = (sensor for sensor, state in row.status.sensors.items() if state == "never")
                unknown.update(("clock", _part(name, sensor)) for sensor in never)
                self._add_parts(faults, name, row.status, open_losses, now_ns)
        return Seen(faults, lambda key: key in unknown or _unit_of(key) in silent, back_ns)

    def _unit_fault(self, registry: UnitRegistry, name: str, row: Unit, now_ns: int) -> Fault | None:
        state, is_stale = registry.state(name, now_ns)
        if state == "offline":
            return Fault(row.since_ns or now_ns, "off")
        if is_stale:
            return Fault(row.beat_ns or row.since_ns or now_ns, "silent")
        return None

    def _add_parts(
        self,
        faults: dict[Key, Fault],
        name: str,
        status: wire.Status,
        losses: Mapping[Key, Loss],
        now_ns: int,
    ) -> None:
        """Add what an RSU that lives lacks."""
        for sensor, state in status.sensors.items():
            if state in {"silent", "port_closed"}:
                faults["radar", _part(name, sensor)] = Fault(now_ns, state)
            elif state == "never":  # not since the RSU's start: an open loss lasts, though the RSU forgot it
                faults["radar", _part(name, sensor)] = Fault(now_ns, state, lasts_ns=NEVER_LASTS_NS)
            elif state == "clock":
                faults["clock", _part(name, sensor)] = Fault(now_ns, "radar")
        clock = status.host_clock
        if clock is not None:
            faults["clock", name] = Fault(clock.since_ns, f"{clock.kind} {clock.offset_s:+.1f} s")
        unjudged_m = sum(abs(each.to_m - each.from_m) for each in status.unjudged)
        versions = (status.config, status.map)
        known = self._least_m.get(name)
        least_m = unjudged_m if known is None or known[0] != versions else min(known[1], unjudged_m)
        self._least_m[name] = (versions, least_m)
        limit_m = SHRANK_M if ("cover", name) in losses else GREW_M
        has_cause = any(kind == "radar" and part.startswith(f"{name}/") for kind, part in faults)
        if unjudged_m - least_m > limit_m and not has_cause:  # of a silent radar it is no news
            faults["cover", name] = Fault(now_ns, f"+{unjudged_m - least_m:.0f} m", least_m)

    def _add_own(self, faults: dict[Key, Fault], now_ns: int) -> set[Key]:
        """Add what the centre itself lacks; return what it can't know now."""
        fault = self._fault()
        if fault is not None:
            is_disk = any(word in fault.lower() for word in DISK_WORDS)
            kind: Key = ("disk", "disk") if is_disk else ("database", "database")
            faults[kind] = Fault(now_ns, fault[:200])
        if self._doubts_clock(now_ns):
            faults["own_clock", "own_clock"] = Fault(now_ns, "")
        if fault is not None:  # the workers' beats are rows of the database
            return {("workers", "workers")}
        if self._lacks_workers(now_ns):
            faults["workers", "workers"] = Fault(now_ns, "")
        return set()


def _part(name: str, sensor: str) -> str:
    return f"{name}/{sensor}"[:PART_MAX]


def _unit_of(key: Key) -> str:
    return key[1].partition("/")[0] if key[0] in OF_RSUS else ""
