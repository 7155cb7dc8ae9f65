"""The violations of a journey, by rule. Pure."""

from geofence.journeys.journey import OPEN_MAX, Journey
from geofence.violation import GRADES, Violation

WARNING = GRADES.index("warning")


def count(journey: Journey, violation: Violation) -> None:
    """Count an episode once it reaches `warning`; it is remembered until it closes."""
    is_counted = violation.id in journey.counted
    if not is_counted and GRADES.index(violation.grade) >= WARNING:
        journey.violations[violation.rule] = journey.violations.get(violation.rule, 0) + 1
        journey.counted = [*journey.counted, violation.id][-OPEN_MAX:]
    if violation.phase == "close" and violation.id in journey.counted:
        journey.counted.remove(violation.id)
