"""The journey during which fixes were stored: what they show that it broke of its permit. Pure.

The live journey goes on meanwhile, and what it shows is raised live. So only a journey that had begun before
the stored fixes is followed through them, from a copy without what it has seen since; and a rule that it has
broken live accuses nobody a second time. Driving time is summed by live looks alone.
"""

from fusion.tracks import TrackBatch
from geofence.journeys.journey import Journey, decoded, encoded
from geofence.journeys.journeys import Journeys
from geofence.located import Located
from roadside.pipeline_setup import Setup, journeys_of

RULES = ("permit", "route_deviation", "missed_exit")
NO_TRIP = b""


def trip_of(journey: Journey | None, first_ns: int) -> bytes:
    """Return what a live journey was before stored fixes, NO_TRIP without one.

    first_ns : stamp of the first fix
    """
    if journey is None or journey.permit is None or journey.start_ns > first_ns:
        return NO_TRIP
    broken = {*journey.violations, *(key.partition("/")[0] for key in journey.broken)}
    before = Journey(
        id=journey.id, esn=journey.esn, terminal=journey.terminal, vehicle=journey.vehicle,
        road=journey.road, began=journey.began, start_ns=journey.start_ns, entry=journey.entry,
        entry_s_m=journey.entry_s_m, exit=journey.exit, exit_s_m=journey.exit_s_m,
        seen_ns=journey.start_ns, violations=dict.fromkeys(sorted(broken), 1), permit=journey.permit,
        waybill=journey.waybill,
    )  # fmt: skip
    return encoded(before)


class LateTrip:
    """Follows one journey through stored fixes."""

    def __init__(self, setup: Setup, journey: Journey) -> None:
        self._id, self._terminal = journey.id, journey.terminal
        self.known = frozenset(journey.violations)  # rules that it has broken live
        self._journeys = journeys_of(setup, lambda _reason: None)
        self._journeys.resume(journey)

    @staticmethod
    def of(setup: Setup, trip: bytes) -> "LateTrip | None":
        """Return what follows a trip; None: there is none."""
        journey = decoded(trip) if trip else None
        return None if journey is None else LateTrip(setup, journey)

    def look(self, t_ns: int, tracks: TrackBatch, located: Located) -> Journeys | None:
        """Look at the terminal's tracks; return its journey for the rules, None once it has ended."""
        if self._is_open():
            self._journeys.look(t_ns, tracks, located)
        return self._journeys if self._is_open() else None

    def _is_open(self) -> bool:
        journey = self._journeys.open.get(self._terminal)
        return journey is not None and journey.id == self._id
