"""The kinds of alarms that terminals raise by themselves, as bits. Pure."""

# Bits of an alarm here, and the names of their counters
LANE, AREA, ROUTE, SEGMENT, DEVIATION = 1, 2, 4, 8, 16
NAMES = {LANE: "lane", AREA: "area", ROUTE: "route", SEGMENT: "segment_time", DEVIATION: "deviation"}
ALARM_BITS = {20: AREA, 21: ROUTE, 22: SEGMENT, 23: DEVIATION}  # of JT/T 808's alarm word


def alarms_of(alarm: int | None, departure: int | None) -> int:
    """Return the kinds of alarm of one report; `departure` is its lane departure, None without one."""
    kinds = 0 if departure is None else LANE
    if alarm:
        for bit, kind in ALARM_BITS.items():
            kinds |= kind if alarm >> bit & 1 else 0
    return kinds
