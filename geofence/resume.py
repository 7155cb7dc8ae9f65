"""What a restart found open, until its vehicle is seen again or half a minute has passed."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.kernel import I64
from fusion.tracks import TrackBatch
from geofence.book import Book, Facts, slot_of
from geofence.config import RulesConfig
from geofence.episodes import OpenEpisode
from geofence.located import Located
from geofence.map.frames import SiteFrame
from geofence.violation import Stamps, Violation

PLACE_M = 30.0  # how near an unidentified vehicle must be to where it could have got
SPEED_SPREAD = 1.2


@dataclass(slots=True)
class Waiting:
    """An episode without a track, and until when it waits for one."""

    episode: OpenEpisode
    until_ns: int


class Resume:
    """Episodes that wait for their vehicle."""

    def __init__(self, rules: RulesConfig, frame: SiteFrame, book: Book) -> None:
        self._wait_ns = int(rules.resume_s * 1e9)
        self._frame, self._book = frame, book
        self._waiting: list[Waiting] = []

    def wait(self, now_ns: int, episode: OpenEpisode) -> None:
        """Let an episode wait for its vehicle."""
        episode.told_ns = 0  # its next version comes with the next observation
        self._waiting.append(Waiting(episode, now_ns + self._wait_ns))

    def packed(self) -> tuple[tuple[OpenEpisode, int], ...]:
        """Return what waits, and until when."""
        return tuple((waiting.episode, waiting.until_ns) for waiting in self._waiting)

    def unpack(self, waiting: Sequence[tuple[OpenEpisode, int]]) -> None:
        """Let those wait, and no others."""
        self._waiting = [Waiting(episode, until_ns) for episode, until_ns in waiting]

    def take_known(self, episode_id: str) -> list[tuple[int, OpenEpisode]]:
        """Take off, with its slot, what a neighbour hands over and we had of it before.

        It came with another track, which became this one over there, or waits since a restart.
        """
        place = self._book.place(episode_id)
        known = [] if place is None else [(place[1], self._book.take(*place))]
        known += [(slot_of(w.episode), w.episode) for w in self._waiting if w.episode.id == episode_id]
        self._waiting = [waiting for waiting in self._waiting if waiting.episode.id != episode_id]
        return known

    def seen(self, tracks: TrackBatch, located: Located, mine: I64) -> None:
        """Hang waiting episodes on the owned tracks (indices) of the same terminals."""
        if not self._waiting:
            return
        tracked = {
            located.terminal_ids[tracks.terminal[i]]: int(tracks.track[i])
            for i in mine.tolist()
            if tracks.terminal[i] >= 0
        }
        for waiting in list(self._waiting):
            vehicle, slot = waiting.episode.vehicle, slot_of(waiting.episode)
            track = None if vehicle is None else tracked.get(vehicle.terminal or "")
            if track is not None and self._book.find(track, slot) is None:
                self._book.put(track, slot, waiting.episode)
                self._waiting.remove(waiting)

    def same_place(self, slot: int, facts: Facts, stamp_ns: int) -> OpenEpisode | None:
        """Return the waiting episode of an unidentified vehicle that can have come here, if there is one."""
        for waiting in self._waiting:
            episode = waiting.episode
            if episode.vehicle is not None or slot_of(episode) != slot:
                continue
            east, north = self._frame.site_from_lonlat(
                [episode.lon_deg, facts.lon_deg], [episode.lat_deg, facts.lat_deg]
            )
            away = float(((east[0] - east[1]) ** 2 + (north[0] - north[1]) ** 2) ** 0.5)
            since_s = max(stamp_ns - episode.seen_ns, 0) * 1e-9
            if away <= PLACE_M + SPEED_SPREAD * episode.speed_mps * since_s:
                self._waiting.remove(waiting)
                return episode
        return None

    def overdue(self, t_ns: int) -> list[Violation]:
        """Return the closes of what waited too long."""
        late = [waiting for waiting in self._waiting if t_ns >= waiting.until_ns]
        self._waiting = [waiting for waiting in self._waiting if t_ns < waiting.until_ns]
        stamps = Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
        return [self._book.finish(w.episode, slot_of(w.episode), stamps, "lost") for w in late]
