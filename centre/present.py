"""How rows become the JSON of API.md: pure."""

import hashlib
import math
from typing import Any

import msgspec

from centre.excess import excesses_m
from edge.quantiles import quantile
from geofence import violation as codec
from geofence.plausible import plain
from geofence.violation import GRADES

DEPTH_MAX = 8


def json_safe(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return `value` with what JavaScript can't hold as decimal strings: each `…_ns` and `track`.

    Lists under such a key are converted item by item; bytes (never of ours) become hex; what JSON can't hold
    (NaN, infinity, what lies deeper than DEPTH_MAX) becomes null, refused characters their code.
    """
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, dict):
        items = ((str(name), inner) for name, inner in value.items())
        return {plain(name): json_safe(inner, name, depth + 1) for name, inner in items}
    if isinstance(value, (list, tuple)):
        return [json_safe(inner, key, depth + 1) for inner in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool) and (key.endswith("_ns") or key == "track"):
        return str(value)
    return value if isinstance(value, int) else None


def _plain_fields(body: bytes) -> dict[str, Any]:
    """Return a stored violation's fields; raises msgspec.MsgspecError or ValueError for what is none.

    Only those that this version knows: what else a body carries was never checked.
    """
    return dict(msgspec.to_builtins(codec.decode(body), builtin_types=(bytes,)))


def episode(row: Any, body: bytes, hops: list[str]) -> dict[str, Any]:
    """Return the Episode of API.md; `row` has the columns of EPISODE and of the VERSION in `body`."""
    fields = _plain_fields(body)
    evidence = fields.pop("evidence", None) or {}
    excesses = excesses_m(fields["rule"], fields["grade"], evidence, fields["start_ns"], fields["end_ns"])
    fields |= {
        "excess_m": excesses[-1] if excesses else None,
        "excess_m_max": row.excess_m_max,
        "p_violation_max": row.p_violation_max,
        "order": row.n,
        "open": fields["phase"] != "close",
        "grade_max": GRADES[row.grade_max],
        "versions": row.versions,
        "hops": hops,
        "detected_ns": row.detected_ns,
        "sent_ns": row.sent_ns,
        "received_ns": row.received_ns,
        "committed_ns": row.committed_ns,
        "first_committed_ns": row.first_committed_ns,
        "latency_ms": None if row.latency_ns is None else round(row.latency_ns / 1e6, 3),
    }
    shown: dict[str, Any] = json_safe(fields)
    return shown


def version(row: Any) -> dict[str, Any]:
    """Return one Version of API.md from a row of VERSION: the violation whole, and what came beside it."""
    fields = _plain_fields(row.body)
    for name in ("epoch", "seq", "detected_ns", "sent_ns", "received_ns", "committed_ns"):
        fields[name] = getattr(row, name)
    fields["sha256"] = hashlib.sha256(row.body).hexdigest()
    shown: dict[str, Any] = json_safe(fields)
    return shown


def latency(samples_ns: list[int]) -> dict[str, Any]:
    """Return p50 and p99 [ms], nearest rank, of latencies [ns]; nil figures where there are none."""

    def at(share: float) -> float | None:
        found = quantile(samples_ns, share)
        return None if found is None else round(found / 1e6, 3)

    return {"p50_ms": at(0.50), "p99_ms": at(0.99), "n": len(samples_ns)}
