"""Two journeys that are one: an RSU met a vehicle whose journey another one knew. Pure."""

from geofence.journeys.following import bridge
from geofence.journeys.journey import DWELLS_MAX, RULES_MAX, Journey, copied
from geofence.journeys.timing import share_of

NS = 1_000_000_000
# A vehicle that comes again later has left the road in between; so long an RSU waits (`give_up_s`)
JOIN_NS = 12 * 3_600 * NS
# two RSUs see a vehicle at once where their radars' fields overlap
OVERLAP_NS = 10 * NS


def continues(earlier: Journey, later: Journey) -> bool:
    """Say whether the later journey of a terminal is the rest of the earlier one.

    It is one if the earlier never ended, or ended as lost, and the later one did not begin at an entry gate.
    """
    return (
        earlier.terminal == later.terminal
        and earlier.id != later.id
        and later.began == "seen"
        and (earlier.is_open or earlier.reason == "lost")
        and earlier.seen_ns - OVERLAP_NS <= later.start_ns <= earlier.seen_ns + JOIN_NS
    )


def joined(base: Journey, later: Journey) -> Journey:
    """Return the whole journey: the begin of `base`, the present state of `later`, the sums of both.

    Over the time in between it counts as an RSU does over a gap of its own: by the stations at both ends.
    """
    whole, before = copied(later), copied(base)
    violations = before.violations
    for rule, times in whole.violations.items():
        if rule in violations or len(violations) < RULES_MAX:
            violations[rule] = violations.get(rule, 0) + times
    whole.id, whole.began, whole.start_ns = base.id, base.began, base.start_ns
    whole.entry, whole.entry_s_m = base.entry, base.entry_s_m
    whole.road = whole.road or base.road
    whole.expected_ns = base.expected_ns or later.expected_ns
    whole.due_ns = base.due_ns or later.due_ns
    whole.overdue = later.overdue or (
        whole.is_open and whole.due_ns is not None and whole.stamp_ns > whole.due_ns
    )
    bridge(before, later.start_ns, later.entry_s_m)
    whole.way_m = round(before.way_m + later.way_m, 1)
    whole.moving_s = round(before.moving_s + later.moving_s, 1)
    whole.standing_s = round(before.standing_s + later.standing_s, 1)
    whole.speed_mps_max = max(base.speed_mps_max, later.speed_mps_max)
    whole.dwells = [*before.dwells, *whole.dwells][-DWELLS_MAX:]
    whole.violations = violations
    if whole.is_open:
        whole.share = share_of(whole)
    return whole
