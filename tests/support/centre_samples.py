"""Violations and batches that the centre's tests send; no test itself."""

import uuid
from typing import Any

from edge import wire
from geofence import violation as codec
from geofence.violation import Stamps, Violation, ViolationVehicle

T0_NS = 1_790_000_000_000_000_000
MS = 1_000_000


def episode_id(n: int | str) -> str:
    """Return the n-th id."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"episode {n}"))


def violation(n: int = 1, **changed: Any) -> Violation:
    """Return version 1 of episode n, with what is `changed`."""
    fields: dict[str, Any] = {
        "id": episode_id(n), "version": 1, "hop": 0, "phase": "open", "grade": "warning",
        "rule": "lane_departure", "vehicle": ViolationVehicle(plate="辽L·A0001", terminal="13900000001"),
        "identity_p": 0.99, "track": (1_790_000_000 << 32) | n, "esn": "RSU001", "start_ns": T0_NS,
        "confirmed_ns": T0_NS + 500 * MS, "end_ns": None, "lon_deg": 122.0, "lat_deg": 41.0, "lane": "hazmat",
        "zone": None, "s_m": 100.0, "d_m": 1.5, "sigma_d_m": 0.2, "p_violation": 0.999, "speed_mps": 16.0,
        "limit_mps": None, "map_version": "1", "rules_version": "1",
        "stamps": Stamps(measured_ns=T0_NS + 490 * MS, arrived_ns=T0_NS + 500 * MS),
        "evidence": {"t_ns": [T0_NS, T0_NS + 100 * MS], "d_m": [1.4, 1.5]},
    }  # fmt: skip
    return Violation(**(fields | changed))


def item(seq: int, found: Violation | bytes | str) -> wire.ViolationItem:
    """Return a transport item: of a violation, of any bytes, or a void with its reason."""
    if isinstance(found, str):
        return wire.ViolationItem(seq=seq, void=found)
    body = found if isinstance(found, bytes) else codec.encode(found)
    return wire.ViolationItem(seq=seq, detected_ns=T0_NS + 501 * MS, sent_ns=T0_NS + 502 * MS, violation=body)


def payload(epoch: int, *items: wire.ViolationItem) -> bytes:
    """Return a batch's bytes."""
    return wire.encode(wire.ViolationBatch(epoch=epoch, items=items))


def status(**changed: Any) -> wire.Status:
    """Return a heartbeat, with what is `changed`."""
    fields: dict[str, Any] = {
        "state": "online", "epoch": 10, "connection": 1, "last_seq": 0, "pending": (), "outbox_depth": 0,
        "config": "1", "map": "1", "version": "0.1.0", "clock_offset_ms": 0.1, "sensors": {"R1": "online"},
        "counts": {}, "unjudged": (),
    }  # fmt: skip
    return wire.Status(**(fields | changed))
