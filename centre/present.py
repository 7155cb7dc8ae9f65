"""How rows become the JSON of API.md: pure."""

import hashlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from centre.excess import excesses_m, last_violating_ns
from centre.tally import Sample
from edge.figures import quantile
from geofence import violation as codec
from geofence.plausible import plain
from geofence.violation import GRADES

DEPTH_MAX = 8
EXACT_MAX = 2**53  # JavaScript rounds integers beyond


def json_safe(value: Any, key: str = "", depth: int = 0) -> Any:
    """Return `value` with what JavaScript can't hold as decimal strings: each `…_ns`, `track`, huge integer.

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
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and (key.endswith("_ns") or key == "track" or abs(value) > EXACT_MAX):
        return str(value)
    return value if isinstance(value, int) else None


def _plain_fields(body: bytes) -> dict[str, Any]:
    """Return a stored violation's fields; raises msgspec.MsgspecError or ValueError for what is none.

    Only those that this version knows: what else a body carries was never checked.
    """
    return dict(msgspec.to_builtins(codec.decode(body), builtin_types=(bytes,)))


DECIDED = ("lon_deg", "lat_deg", "lane", "zone", "s_m", "d_m", "speed_mps")


class History(NamedTuple):
    """What all versions of an episode say together."""

    hops: tuple[str, ...]  # RSUs that had it, in order
    first_detected_ns: int | None  # the earliest detection of any version, by its RSU's clock
    first_sent_ns: int | None  # the earliest sending of any version that was stored, likewise
    deciding: bytes | None  # body of the first version at the highest grade


def episode(row: Any, body: bytes, history: History) -> dict[str, Any]:
    """Return the Episode of API.md; `row` has the columns of EPISODE and of the VERSION in `body`."""
    fields = _plain_fields(body)
    evidence = fields.pop("evidence", None) or {}
    excesses = excesses_m(fields["rule"], fields["grade"], evidence, fields["start_ns"], fields["end_ns"])
    violating_ns = fields["end_ns"] or last_violating_ns(
        fields["rule"], evidence, fields["start_ns"], fields["stamps"]["measured_ns"]
    )
    fields |= {
        "excess_m": excesses[-1] if excesses else None,
        "excess_m_max": row.excess_m_max,
        "p_violation_max": row.p_violation_max,
        "order": row.n,
        "open": fields["phase"] != "close",
        "grade_max": GRADES[row.grade_max],
        "versions": row.versions,
        "hops": list(history.hops),
        "last_violating_ns": violating_ns,
        "first_detected_ns": history.first_detected_ns,
        "first_sent_ns": history.first_sent_ns,
        "decided": _decided(history.deciding),
        "detected_ns": row.detected_ns,
        "sent_ns": row.sent_ns,
        "received_ns": row.received_ns,
        "committed_ns": row.committed_ns,
        "first_committed_ns": row.first_committed_ns,
        "latency_ms": None if row.latency_ns is None else round(row.latency_ns / 1e6, 3),
    }
    shown: dict[str, Any] = json_safe(fields)
    return shown


def _decided(body: bytes | None) -> dict[str, Any] | None:
    """Return where and how fast it was when its highest grade was decided: a close says where it was back."""
    if body is None:
        return None
    fields = _plain_fields(body)
    return {name: fields[name] for name in DECIDED}


def version(row: Any) -> dict[str, Any]:
    """Return one Version of API.md from a row of VERSION: the violation whole, and what came beside it."""
    fields = _plain_fields(row.body)
    for name in ("epoch", "seq", "detected_ns", "sent_ns", "received_ns", "committed_ns"):
        fields[name] = getattr(row, name)
    fields["sha256"] = hashlib.sha256(row.body).hexdigest()
    shown: dict[str, Any] = json_safe(fields)
    return shown


def latency(samples: Sequence[Sample]) -> dict[str, Any]:
    """Return p50 and p99 [ms], nearest rank, of the samples that were sent at once; nil where none was.

    What waited at its RSU for the link or the centre says how long the outage was, so it is only counted.
    """
    samples_ns = [sample.latency_ns for sample in samples if not sample.deferred]

    def at(share: float) -> float | None:
        found = quantile(samples_ns, share)
        return None if found is None else round(found / 1e6, 3)

    n = len(samples_ns)
    return {"p50_ms": at(0.50), "p99_ms": at(0.99), "n": n, "deferred": len(samples) - n}
