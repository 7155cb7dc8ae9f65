"""The journeys of one RSU beside its pipeline: their outputs, their handovers, their restart. Pure."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from core.arrays import Bools
from edge.wire import UnjudgedStretch
from fusion.handover import CarriedTrack
from fusion.observations import F_ALARMS, GnssFixes
from fusion.timekeeping import LooseReports
from fusion.tracks import TrackBatch
from geofence.carry import CarriedJudgement
from geofence.journeys.contact import Blind
from geofence.journeys.journey import Journey, decoded, encoded
from geofence.journeys.journeys import Journeys
from geofence.located import Located
from roadside.handover import NO_JOURNEY, CarriedVehicle
from roadside.inputs import HandoverAnswered
from roadside.outputs import Held, JourneyReleased, Output, Raised, Travelled
from roadside.terminal_alarms import FATIGUE, STATED

AHEAD_NS = 1_000_000_000  # a neighbour's clock may be so far ahead of ours


class Travelling:
    """Wraps `Journeys` for the pipeline."""

    def __init__(self, journeys: Journeys, count: Callable[[str], None]) -> None:
        self.journeys, self._count = journeys, count

    def start(self, journeys: Iterable[bytes], bodies: Iterable[bytes]) -> tuple[bytes, ...]:
        """Continue the open journeys of the run before, and the past; return the other bodies of the disk."""
        for body in journeys:
            journey = decoded(body)
            if journey is None or not journey.is_open:
                self._count("start.journey")
            else:
                self.journeys.resume(journey)
        return self.journeys.past.start(bodies)

    def tick(
        self, t_ns: int, tracks: TrackBatch, located: Located, owned: Bools,
        unjudged: Sequence[UnjudgedStretch], *, gateway_present: bool, loose_reports: LooseReports,
    ) -> list[Output]:  # fmt: skip
        """Return the new versions of journeys at a tick."""
        blind = [Blind(row.from_m, row.to_m, row.reason) for row in unjudged]
        versions = self.journeys.step(
            t_ns, tracks, located, owned, blind, gateway_present=gateway_present,
            reporting=frozenset(loose_reports.terminal.tolist()),
        )  # fmt: skip
        outputs: list[Output] = [output_of(journey, t_ns) for journey in versions]
        return outputs + [Held(key, body) for key, body in self.journeys.past.to_save()]

    def acknowledge(self, ack: HandoverAnswered, epoch: int) -> None:
        """Note that a neighbour knows the past of these terminals, as a message of this epoch carried it."""
        if ack.epoch == epoch:
            self.journeys.past.confirm(ack.by, ack.trips, ack.seq)

    def note(self, outputs: Sequence[Output]) -> None:
        """Count the violations among outputs for the journeys of their vehicles."""
        for output in outputs:
            if isinstance(output, Raised):
                self.journeys.count_violation(output.violation)

    def read_alarms(self, now_ns: int, item: GnssFixes) -> None:
        """Read what terminals report of their drivers, in fixes that state alarms."""
        alarms: list[int] = item.ints[F_ALARMS].tolist()
        for terminal, kinds in zip(item.terminal, alarms, strict=True):
            if kinds & STATED:
                self.journeys.note_fatigue(now_ns, terminal, reported=bool(kinds & FATIGUE))

    def pack(
        self, tracks: Sequence[CarriedTrack], judgements: Iterable[CarriedJudgement]
    ) -> list[CarriedVehicle]:
        """Return tracks with their judgements and journeys, as a handover carries them."""
        judged = {judgement.track: judgement for judgement in judgements}
        found = self.journeys.carry([track.track for track in tracks])
        return [
            CarriedVehicle(
                track=track, judgement=judged.get(track.track),
                journey=msgspec.Raw(found.get(track.track, NO_JOURNEY)),
            )
            for track in tracks
        ]  # fmt: skip

    def release(self, tracks: Sequence[int]) -> list[Output]:
        """Forget the journeys of tracks that a neighbour adopted."""
        return [JourneyReleased(journey_id) for journey_id in self.journeys.release(tracks)]

    def adopt(self, now_ns: int, vehicles: Iterable[CarriedVehicle]) -> list[Output]:
        """Continue the journeys of adopted vehicles; one that can't be true costs itself alone."""
        outputs: list[Output] = []
        for vehicle in vehicles:
            if bytes(vehicle.journey) == NO_JOURNEY:
                continue
            journey = decoded(bytes(vehicle.journey))
            if journey is None or not self._is_of(vehicle, journey, now_ns):
                self._count("handover.journey")
                continue
            version, replaced = self.journeys.adopt(now_ns, journey)
            outputs += [JourneyReleased(journey_id) for journey_id in replaced]
            if version is not None:
                outputs.append(output_of(version, now_ns))
        return outputs

    @staticmethod
    def _is_of(vehicle: CarriedVehicle, journey: Journey, now_ns: int) -> bool:
        """Say whether a carried journey is an open one of this very vehicle, and not of the future."""
        return (
            journey.is_open
            and journey.terminal == vehicle.track.terminal
            and max(journey.stamp_ns, journey.start_ns) <= now_ns + AHEAD_NS
        )


def output_of(journey: Journey, t_ns: int) -> Travelled:
    """Return a version of a journey as an output."""
    return Travelled(t_ns, journey.id, journey.version, encoded(journey), journey.is_open)
