"""RSUs and gateways as `/api/rsus` shows them, and the length of unjudged road, from the registry. Pure."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec

from centre.unit_registry import PENDING_MAX, Unit, UnitRegistry
from centre.views.figures import Sample, latency
from core.intervals import union_m
from edge import wire
from edge.centre_status import CentreSeen
from edge.radar_errors import ALARMED, RegistrationReported
from edge.sections import RsuConfig
from edge.takeover import TWIN

COUNTS_MAX = 200  # reasons shown of one unit
_NO_FIGURES: Mapping[str, Any] = MappingProxyType(
    {
        "clocks": {},
        "clocks_n": 0,
        "registration": {},
        "strange_terminals": {},
        "strange_radars": {},
        "terminal_only": [],
    }
)


def rsu_row(
    name: str,
    config: RsuConfig | None,
    registry: UnitRegistry,
    now_ns: int,
    gap: tuple[int, int],
    samples: Sequence[Sample],
) -> dict[str, Any]:
    """Return the Rsu of API.md; `gap` is (stored, missing)."""
    unit = registry.rows().get(name, Unit(known=False))
    status = unit.status
    row = _common(name, "esn", unit, registry, now_ns) | {
        "known": config is not None,
        "stretch_m": None if config is None else list(config.stretch_m),
        "stored": gap[0],
        "missing": gap[1],
        "latency": latency(samples),
    }
    if not isinstance(status, wire.Status):
        blank = ("last_seq", "outbox_depth", "config", "map")
        none: dict[str, Any] = {"pending": [], "sensors": {}, "unjudged": [], "degraded": [], "centres": []}
        return row | dict.fromkeys(blank) | none | dict(_NO_FIGURES) | _host_clocks(None)
    return row | {
        "last_seq": status.last_seq,
        "pending": [list(pair) for pair in status.pending[:PENDING_MAX]],
        "outbox_depth": status.outbox_depth,
        "config": status.config,
        "map": status.map,
        "sensors": status.sensors,
        "degraded": list(dict.fromkeys([*status.degraded, *([TWIN] if row["twin_n"] else [])])),
        "centres": [_centre(each) for each in status.centres],
        "unjudged": [
            {
                "road": each.road,
                "from_m": each.from_m,
                "to_m": each.to_m,
                "reason": each.reason,
                "since_ns": str(each.since_ns),
            }
            for each in status.unjudged
        ],
        "clocks": {name: _clock(fault) for name, fault in status.clocks.items()},
        "clocks_n": status.clocks_n,
        "strange_terminals": status.strange_terminals,
        "strange_radars": status.strange_radars,
        "terminal_only": [
            {"terminal": each.terminal, "kind": each.kind, "at_ns": str(each.at_ns)}
            for each in status.terminal_only
        ],
        "registration": {name: _pose(one) for name, one in status.registration.items()},
        **_host_clocks(status),
    }


def _centre(seen: CentreSeen) -> dict[str, Any]:
    """Return a centre as the RSU knows it."""
    stamps = {"acked_ns": seen.acked_ns, "since_ns": seen.since_ns}
    shown = {name: None if stamp_ns is None else str(stamp_ns) for name, stamp_ns in stamps.items()}
    return msgspec.structs.asdict(seen) | shown


def _host_clocks(status: wire.Status | None) -> dict[str, Any]:
    """Return the faults of the clocks of radars and of the RSU itself."""
    if status is None:
        return {"radar_clocks": {}, "host_clock": None}
    host = status.host_clock
    return {
        "radar_clocks": {name: _clock(fault) for name, fault in status.radar_clocks.items()},
        "host_clock": None if host is None else _clock(host),
    }


def _pose(one: RegistrationReported) -> dict[str, Any]:
    """Return what traffic has shown of a radar's pose; since when is null where its RSU does not say."""
    return msgspec.structs.asdict(one) | {"since_ns": str(one.since_ns) if one.since_ns else None}


def misplaced(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the radars in RSUs' rows that somebody must look at, with what traffic shows they are off by."""
    found = []
    for row in rows:
        for sensor, one in row["registration"].items():
            if one["state"] in ALARMED:
                east_m, north_m, rotation_rad, time_s, range_m = one["estimate"]
                place_m, turn_deg = math.hypot(east_m, north_m), math.degrees(rotation_rad)
                off = f"{place_m:.2f} m, {turn_deg:+.2f}°, {time_s * 1e3:+.0f} ms, {range_m:+.2f} m"
                found.append(f"{row['esn']}/{sensor} {off}")
    return found


def _clock(fault: wire.ClockReported) -> dict[str, Any]:
    return msgspec.structs.asdict(fault) | {"since_ns": str(fault.since_ns)}


def gateway_row(name: str, registry: UnitRegistry, now_ns: int) -> dict[str, Any]:
    """Return the Gateway of API.md."""
    unit = registry.rows().get(name, Unit(known=False))
    row = _common(name, "id", unit, registry, now_ns)
    status = unit.status
    if not isinstance(status, wire.GatewayStatus):
        return row | {"terminals": None, "degraded": [], "strange_terminals": {}}
    return row | {
        "terminals": status.terminals,
        "degraded": list(status.degraded),
        "strange_terminals": status.strange_terminals,
    }


def _common(name: str, key: str, unit: Unit, registry: UnitRegistry, now_ns: int) -> dict[str, Any]:
    state, stale = registry.state(name, now_ns)
    status, beat_ns = unit.status, unit.beat_ns
    return {
        key: name,
        "state": state,
        "stale": stale,
        "since_ns": None if unit.since_ns is None else str(unit.since_ns),
        "beat_ns": None if beat_ns is None else str(beat_ns),
        "beat_age_s": None if beat_ns is None else round(max(0, now_ns - beat_ns) / 1e9, 2),
        "twin_n": registry.n_returns(name, now_ns),
        "epoch": None if status is None else status.epoch,
        "connection": None if status is None else status.connection,
        "version": None if status is None else status.version,
        "clock_offset_ms": None if status is None else status.clock_offset_ms,
        "counts": {} if status is None else dict(sorted(status.counts.items())[:COUNTS_MAX]),
    }


def unjudged_m(rsus: UnitRegistry, configs: Sequence[RsuConfig], now_ns: int) -> float:
    """Return the length of road where nothing is judged now: the RSU reports it, or is not online."""
    pieces: list[tuple[float, float]] = []
    for config in configs:
        state, stale = rsus.state(config.esn, now_ns)
        status = rsus.rows()[config.esn].status
        if state != "online" or stale or not isinstance(status, wire.Status):
            pieces.append(config.stretch_m)
            continue
        for each in status.unjudged:
            low, high = max(each.from_m, config.stretch_m[0]), min(each.to_m, config.stretch_m[1])
            if low < high:
                pieces.append((low, high))
    return union_m(pieces)
