"""Who sees the vehicle of a journey, and why nobody does. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from geofence.journeys.journey import Cause, Contact, Journey

NS = 1_000_000_000
RADAR_NS = 2 * NS  # a radar scans each tenth of a second; shadows of lorries last a second or two


class Blind(NamedTuple):
    """A stretch where nothing can be judged, and why: a row of the status' `unjudged`."""

    from_m: float
    to_m: float
    reason: str


def contact_of(t_ns: int, radar_ns: int, gnss_ns: int, report_ns: int) -> Contact:
    """Return who has seen a vehicle of late.

    radar_ns, gnss_ns : stamps of its last measurements.  report_ns : a terminal may report this seldom
    """
    by_radar, by_terminal = t_ns - radar_ns <= RADAR_NS, t_ns - gnss_ns <= report_ns
    if by_radar and by_terminal:
        return "both"
    return "radar" if by_radar else "terminal"


def cause_of(
    journey: Journey,
    blind: Iterable[Blind],
    stretch_m: tuple[float, float] | None = None,
    *,
    gateway_present: bool,
) -> Cause:
    """Return why contact with the vehicle of a journey is lost.

    Its terminal is silent in each case; the cause is what keeps everything else from seeing it. With no
    gateway nobody's terminal could report, so silence says nothing of this one. Past the end of our stretch_m
    its reports go to the neighbour, who would have adopted it if it were not off.
    """
    if not gateway_present:
        return "gateway_silent"
    if journey.off_road_since_ns or journey.s_m is None:
        return "off_road"
    if stretch_m is not None and not stretch_m[0] <= journey.s_m <= stretch_m[1]:
        return "rsu_off"
    for stretch in blind:
        if stretch.from_m <= journey.s_m <= stretch.to_m:
            return "radar_gap" if stretch.reason == "no_radar" else "radar_silent"
    return "terminal_silent"
