"""Whether an RSU's clock was set as it detected a stored version, and what its times are where it was not."""

from collections.abc import Mapping
from typing import Any

import msgspec

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from geofence.clocks import is_set
from geofence.violation import Violation


def is_clock_unset(row: Any) -> bool:
    """Say whether the RSU's clock at a version's detection and ours at its arrival can't both be right.

    Nor is it the RSU's that was wrong where the version has a `decided_ns`: the commit stores none by a clock
    that was never set. It knew then whether ours could be believed, and a later look at the row does not.
    """
    if None in (row.detected_ns, row.received_ns) or row.decided_ns is not None:
        return False
    return not is_set(row.detected_ns, row.received_ns)


def shift_of_ns(row: Any) -> int:
    """Return what moves a version's times so that its detection is its arrival; 0 where its clock was set."""
    return row.received_ns - row.detected_ns if is_clock_unset(row) else 0


def moved_ns(stamp_ns: int, shift_ns: int) -> int:
    """Return a stamp moved by so much; one that leaves the range of stamps stays at its end."""
    return min(max(stamp_ns + shift_ns, STAMP_NS_MIN), STAMP_NS_MAX)


def righted(found: Violation, shift_ns: int) -> Violation:
    """Return a violation whose start and end are moved by so much [ns]."""
    if shift_ns == 0:
        return found
    end_ns = None if found.end_ns is None else moved_ns(found.end_ns, shift_ns)
    return msgspec.structs.replace(found, start_ns=moved_ns(found.start_ns, shift_ns), end_ns=end_ns)


def time_by_arrival(episode: Mapping[str, Any], name: str) -> int | None:
    """Return a time of an Episode of API.md [ns].

    Where its RSU's clock was never set, the detection counts as the arrival: so it is searched, too.
    """
    stamp, detected, received = (episode.get(key) for key in (name, "detected_ns", "received_ns"))
    if stamp is None:
        return None
    if not episode.get("clock_unset") or detected is None or received is None:
        return int(stamp)
    return int(stamp) + int(received) - int(detected)
