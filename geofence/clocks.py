"""By which clock the stamps of a violation are judged, where one of two clocks was never set. Pure."""

from geofence.plausible import stamp_range


def is_set(stamp_ns: int, now_ns: int) -> bool:
    """Say whether the clock that showed `stamp_ns` and the one that shows `now_ns` can both be right.

    stamp_ns : when something happened that is known of at `now_ns`
    """
    low, high = stamp_range(now_ns)
    return low <= stamp_ns <= high


def judging_ns(detected_ns: int, now_ns: int) -> int:
    """Return the time that the stamps of a violation are held against.

    That is `now_ns`. But a board that boots in 2020 detects before its clock is set, and what it saw is true
    nevertheless: its stamps are held against its own clock then, and must agree with that.
    """
    return now_ns if is_set(detected_ns, now_ns) else detected_ns
