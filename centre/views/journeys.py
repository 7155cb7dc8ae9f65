"""Journeys as `/api/journeys` shows them. Pure."""

from collections.abc import Container
from typing import Any

import msgspec

from centre.views.safe_json import json_safe
from geofence.journeys.journey import decoded

HIDDEN = ("counted", "off_road_since_ns", "off_route_since_ns")  # the RSU's own memory


def journey(row: Any, offline: Container[str]) -> dict[str, Any]:
    """Return the Journey of API.md from a row of JOURNEY; ValueError where it can't be read.

    offline : RSUs that are off: nobody follows the vehicles that they had
    """
    found = decoded(row.body)
    if found is None:
        raise ValueError(f"journey {row.id} can't be read")
    if found.is_open and found.esn in offline:
        found.contact, found.cause = "lost", "rsu_off"
    fields: dict[str, Any] = msgspec.to_builtins(found, builtin_types=(bytes,))
    for name in HIDDEN:
        del fields[name]
    fields |= {
        "order": row.n,
        "open": found.is_open,
        "mean_mps": round(found.mean_mps, 2),
        "received_ns": row.received_ns,
    }
    shown: dict[str, Any] = json_safe(fields)
    return shown
