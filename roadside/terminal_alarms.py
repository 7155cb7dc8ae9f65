"""The kinds of alarms that terminals raise by themselves, as bits. Pure."""

# Bits of an alarm here, and the names of their counters
LANE, AREA, ROUTE, SEGMENT, DEVIATION = 1, 2, 4, 8, 16
FATIGUE = 32  # of the driver, or of a day's driving time: what `driving_time` reads
STATED = 64  # no alarm: the report has an alarm word at all
NAMES = {LANE: "lane", AREA: "area", ROUTE: "route", SEGMENT: "segment_time", DEVIATION: "deviation"}
# of JT/T 808's alarm word. Bit 14, the warning before fatigue, accuses nobody
ALARM_BITS = {2: FATIGUE, 18: FATIGUE, 20: AREA, 21: ROUTE, 22: SEGMENT, 23: DEVIATION}


def alarms_of(alarm: int | None, departure: int | None) -> int:
    """Return the kinds of alarm of one report; `departure` is its lane departure, None without one."""
    kinds = 0 if departure is None else LANE
    if alarm is not None:
        kinds |= STATED
    if alarm:
        for bit, kind in ALARM_BITS.items():
            kinds |= kind if alarm >> bit & 1 else 0
    return kinds
