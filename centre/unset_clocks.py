"""Whether the clock of an RSU was set as it detected a stored version, from the version's row."""

from typing import Any

from geofence.clocks import is_set


def is_clock_unset(row: Any) -> bool:
    """Say whether the RSU's clock at a version's detection and ours at its arrival can't both be right.

    Nor is it the RSU's that was wrong where the version has a `decided_ns`: the commit stores none by a clock
    that was never set. It knew then whether ours could be believed, and a later look at the row does not.
    """
    if None in (row.detected_ns, row.received_ns) or row.decided_ns is not None:
        return False
    return not is_set(row.detected_ns, row.received_ns)
