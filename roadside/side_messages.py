"""What neighbours send each other beside the tracks that they hand over. Pure.

Nameless vehicles that drive to the neighbour where no radar sees them, and the episodes that wait for their
vehicles since a restart: neither is repeated for want of an answer. The past of terminals whose journeys
ended is (`geofence.journeys.past`).
"""

from collections.abc import Callable, Collection, Sequence

from edge.wire import HandoverAck, encode
from fusion.tracks import TrackBatch
from geofence.episode_book import Judged
from geofence.journeys.past import Past
from geofence.map.frames import SiteFrame
from geofence.monitor import Monitor
from roadside.found_again import FoundAgain
from roadside.handover import Handovers
from roadside.inputs import HandedOver
from roadside.lost_vehicles import received, towards
from roadside.outputs import HandoverOffer, OfferAck
from roadside.waiting_episodes import ASK_NS, answer, question, terminals_asked_for

ASKED_NS = 2 * ASK_NS  # the asker repeats itself sooner, or has its answer


class SideMessages:
    """The side messages of one RSU.

    neighbours : esn and stretch of each
    """

    def __init__(
        self, neighbours: Sequence[tuple[str, float, float]], frame: SiteFrame, found_again: FoundAgain,
        monitor: Monitor, past: Past,
    ) -> None:  # fmt: skip
        self._neighbours, self._frame = neighbours, frame
        self._found_again, self.monitor, self._past = found_again, monitor, past
        self._asked_ns: dict[str, int] = {}  # by terminal: when a neighbour asked last for its episodes
        self.set_lanes(())

    def set_lanes(self, lanes: Sequence[str]) -> None:
        """Name lanes so from now on; lanes : the map's names, by number."""
        self._lanes, self._lane_of = lanes, {lane: number for number, lane in enumerate(lanes)}

    def send(self, t_ns: int, epoch: int, tracks: TrackBatch, handovers: Handovers) -> list[HandoverOffer]:
        """Return the side messages of tick t_ns, with the tracks that it shows."""
        if not self._neighbours:
            return []
        lost = towards(self._found_again.lost(t_ns, tracks), self._neighbours, self._lanes)
        waiting, trips = question(t_ns, self.monitor), self._past.due(t_ns)
        messages = [
            handovers.side_message(esn, epoch, lost=lost.get(esn, ()), waiting=waiting)
            for esn, _, _ in self._neighbours
            if waiting or esn in lost
        ]  # the past in messages of its own: an answer is to one of both
        for esn, rows in trips.items():
            message = handovers.side_message(esn, epoch, trips=tuple(rows.values()))
            self._past.note_sent(esn, rows, message.seq)
            messages.append(message)
        return messages

    def read(
        self, now_ns: int, handed: HandedOver, terminals_here: Callable[[], Sequence[str]],
        offered: Collection[str],
    ) -> tuple[list[Judged], OfferAck | None]:  # fmt: skip
        """Read a neighbour's side message; return versions of episodes that continue here, and the answer.

        terminals_here : returns those whose vehicles are on our stretch.  offered : as in `answer`
        """
        message = handed.message
        self._found_again.expect(now_ns, received(message.lost, now_ns, self._lane_of))
        if message.trips:
            known = tuple(self._past.receive(handed.giver, message.trips, now_ns))
            ack = HandoverAck(epoch=message.epoch, seq=message.seq, trips=known)
            return [], OfferAck(handed.giver, encode(ack)) if known else None
        if not message.waiting:
            return [], None
        self._asked_ns |= dict.fromkeys(terminals_asked_for(message, now_ns, self._frame), now_ns)
        return answer(now_ns, handed.giver, message, self.monitor, self._frame, terminals_here(), offered)

    def asked_for(self, now_ns: int) -> Sequence[str]:
        """Return the terminals of whose waiting episodes a neighbour asked just now.

        Its next question brings the episode here, if the vehicle is: opened meanwhile, it would be two.
        """
        if self._asked_ns:
            held = self._asked_ns.items()
            self._asked_ns = {terminal: at_ns for terminal, at_ns in held if now_ns - at_ns <= ASKED_NS}
        return list(self._asked_ns)

    def state(self) -> dict[str, int]:
        """Return when a neighbour asked last for each terminal's episodes."""
        return dict(self._asked_ns)

    def restore(self, state: dict[str, int]) -> None:
        """Continue from `state`."""
        self._asked_ns = dict(state)
