"""Episodes that wait since a restart, and whose vehicles a neighbour may have by now. Pure.

An RSU that dies while it hands a vehicle over forgets the offer; its disk has the open episode. If the
neighbour dies as well before it adopted, it starts without it, and would open a second episode of the same
departure. So who waits for a vehicle asks its neighbours; the one on whose stretch the vehicle is continues
the episode, and only then the asker forgets it: one of the two disks has it at any time.
"""

from collections.abc import Collection, Sequence
from typing import Protocol

from edge.wire import SIDE_MAX, Handover, HandoverAck, encode
from geofence.carried_checks import is_of_now, is_sound
from geofence.episode_book import Judged
from geofence.episodes import OpenEpisode, decoded, encoded
from geofence.map.frames import SiteFrame
from geofence.resume import terminal_of
from roadside.outputs import OfferAck

ID_MAX = 64  # of a name in an answer
ASK_NS = 200_000_000  # on the UTC grid, as an offer is repeated


class Judge(Protocol):
    """The part of the monitor that keeps episodes."""

    def waiting(self) -> list[OpenEpisode]:
        """Return the episodes of identified vehicles that wait."""

    def take_over(self, now_ns: int, episode: OpenEpisode, *, is_here: bool) -> list[Judged] | None:
        """Continue a neighbour's episode; None: it is not ours."""


def question(t_ns: int, monitor: Judge) -> list[bytes]:
    """Return the waiting episodes that neighbours are asked for at tick t_ns."""
    if t_ns % ASK_NS:
        return []
    return [encoded(episode) for episode in monitor.waiting()[:SIDE_MAX]]


def terminals_asked_for(message: Handover, now_ns: int, frame: SiteFrame) -> list[str]:
    """Return the terminals whose episodes a neighbour's question is about."""
    episodes = [episode for body in message.waiting if (episode := decoded(body)) is not None]
    sound = [episode for episode in episodes if is_sound(episode, frame) and is_of_now(episode, now_ns)]
    return [terminal for episode in sound if (terminal := terminal_of(episode)) is not None]


def answer(
    now_ns: int, giver: str, message: Handover, monitor: Judge, frame: SiteFrame, here: Sequence[str],
    offered: Collection[str],
) -> tuple[list[Judged], OfferAck | None]:  # fmt: skip
    """Continue those of a neighbour's waiting episodes whose vehicles are here, and say which these are.

    here : the terminals whose vehicles are on our stretch.  offered : the episodes that are under way to that
    neighbour with their vehicles: continued here as well, one would stay open for ever once it is adopted
    there.  Returns no answer where there are none: another neighbour may have them.
    """
    judged: list[Judged] = []
    resumed: list[str] = []
    for body in message.waiting:
        episode = decoded(body)
        if episode is None or not is_sound(episode, frame) or not is_of_now(episode, now_ns):
            continue
        if len(episode.id) > ID_MAX or episode.id in offered:
            continue
        versions = monitor.take_over(now_ns, episode, is_here=terminal_of(episode) in here)
        if versions is not None:
            judged += versions
            resumed.append(episode.id)
    if not resumed:
        return judged, None
    ack = HandoverAck(epoch=message.epoch, seq=message.seq, resumed=tuple(resumed))
    return judged, OfferAck(giver, encode(ack))
