"""Episodes and versions as `/api/violations` shows them, from rows of the database. Pure."""

import hashlib
from typing import Any, NamedTuple

import msgspec

from centre.unset_clocks import is_clock_unset
from centre.views.excess import last_excess_m, last_violating_ns
from centre.views.safe_json import json_safe
from geofence import violation as codec
from geofence.violation import GRADES, Violation

DECIDED = ("lon_deg", "lat_deg", "lane", "zone", "s_m", "d_m", "speed_mps")


class _Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of evidence that an Episode is made of; the others are passed over unread."""

    stamp_ns: list[Any] | None = None
    over: list[Any] | None = None
    excess_m: list[Any] | None = None
    p_violation: list[Any] | None = None


# a violation as an Episode needs it: with fewer columns than are stored
_Shown = msgspec.defstruct(
    "_Shown", [("evidence", _Columns, _Columns())], bases=(Violation,), frozen=True, kw_only=True
)
_decode_shown = msgspec.msgpack.Decoder(_Shown).decode


def _plain_fields(body: bytes) -> dict[str, Any]:
    """Return the fields of a stored violation; msgspec.MsgspecError or ValueError where it can't be read.

    Fields that this version does not know are left out, since nothing has checked them.
    """
    return dict(msgspec.to_builtins(codec.decode(body), builtin_types=(bytes,)))


def _shown_fields(body: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of a stored violation without its evidence, and the columns that are read of that."""
    fields = msgspec.structs.asdict(_decode_shown(body))
    columns = msgspec.structs.asdict(fields.pop("evidence"))
    for name in ("vehicle", "stamps"):
        fields[name] = msgspec.to_builtins(fields[name])
    return fields, columns


class History(NamedTuple):
    """Facts about an episode over all its versions."""

    hops: tuple[str, ...]  # RSUs that had it, in order
    first_detected_ns: int | None  # the earliest detection of any version, by its RSU's clock
    first_sent_ns: int | None  # the earliest sending of any version that was stored, likewise
    deciding: bytes | None  # body of the first version at the highest grade


def episode(row: Any, body: bytes, history: History) -> dict[str, Any]:
    """Return the Episode of API.md; `row` has the columns of EPISODE and of the VERSION in `body`."""
    fields, evidence = _shown_fields(body)
    # a close has place and speed of the return
    decided = fields if history.deciding in (None, body) else _shown_fields(history.deciding)[0]
    violating_ns = fields["end_ns"] or last_violating_ns(
        fields["rule"], evidence, fields["start_ns"], fields["stamps"]["measured_ns"]
    )
    fields |= {
        "excess_m": last_excess_m(
            fields["rule"], fields["grade"], evidence, fields["start_ns"], fields["end_ns"]
        ),
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
        "decided": None if history.deciding is None else {name: decided[name] for name in DECIDED},
        "detected_ns": row.detected_ns,
        "sent_ns": row.sent_ns,
        "received_ns": row.received_ns,
        "committed_ns": row.committed_ns,
        "first_committed_ns": row.first_committed_ns,
        "latency_ms": None if row.latency_ns is None else round(row.latency_ns / 1e6, 3),
        "clock_unset": is_clock_unset(row),
    }
    shown: dict[str, Any] = json_safe(fields)
    return shown


def version(row: Any) -> dict[str, Any]:
    """Return one Version of API.md from a row of VERSION: the violation, its transport key and times."""
    fields = _plain_fields(row.body)
    for name in ("epoch", "seq", "detected_ns", "sent_ns", "received_ns", "committed_ns"):
        fields[name] = getattr(row, name)
    fields["clock_unset"] = is_clock_unset(row)
    fields["sha256"] = hashlib.sha256(row.body).hexdigest()
    shown: dict[str, Any] = json_safe(fields)
    return shown
