"""Episodes that a restart found open: they wait for their vehicles for half a minute."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.arrays import I64
from fusion.tracks import TrackBatch
from geofence.clocks import is_set
from geofence.episode_book import EpisodeBook, Judged
from geofence.episodes import Facts, OpenEpisode
from geofence.grading import RuleSettings
from geofence.located import Located
from geofence.map.frames import SiteFrame
from geofence.state import State
from geofence.violation import Stamps

RESUME_PLACE_M = 30.0  # how near an unidentified vehicle must be to where it could have got
SPEED_SPREAD = 1.2
TAKEN_MAX = 256  # episodes of neighbours, the newest: some minutes of a busy boundary, longer than a restart


def terminal_of(episode: OpenEpisode) -> str | None:
    """Return the terminal of an episode's vehicle, None for an unidentified one."""
    return None if episode.vehicle is None else episode.vehicle.terminal


@dataclass(slots=True)
class Waiting:
    """An episode without a track, and until when it waits for one."""

    episode: OpenEpisode
    until_ns: int


class Resume:
    """Episodes that wait for their vehicle."""

    def __init__(self, settings: RuleSettings, frame: SiteFrame, book: EpisodeBook) -> None:
        self._wait_ns = int(settings.resume_s * 1e9)
        self._frame, self._book = frame, book
        self._waiting: list[Waiting] = []
        self.taken: dict[str, int] = {}  # episodes that a neighbour had: hop under which each is or was ours

    @property
    def is_waiting(self) -> bool:
        """Whether any episode waits."""
        return bool(self._waiting)

    def wait(self, now_ns: int, episode: OpenEpisode) -> None:
        """Keep an episode until its vehicle is seen."""
        episode.version_ns = 0  # its next version comes with the next observation
        self._waiting.append(Waiting(episode, now_ns + self._wait_ns))

    def wait_or_close(self, now_ns: int, episode: OpenEpisode) -> list[Judged]:
        """Keep an episode as `wait`, or return its close where the clock that saw it was never set.

        No stamp by a clock that was set since can follow those that it has.
        """
        if is_set(episode.seen_ns, now_ns):
            self.wait(now_ns, episode)
            return []
        stamps = Stamps(measured_ns=episode.seen_ns, arrived_ns=episode.seen_ns, by="tick")
        return [self._book.finish(episode, stamps, "lost")]

    def take(self, episode: OpenEpisode) -> None:
        """Remember an episode that a neighbour had, also once it has ended here."""
        self.taken.pop(episode.id, None)
        self.taken[episode.id] = episode.hop
        while len(self.taken) > TAKEN_MAX:
            del self.taken[next(iter(self.taken))]

    def has_ended(self, episode: OpenEpisode) -> bool:
        """Say whether an episode that nobody has here was ours after the neighbour had it."""
        return self.taken.get(episode.id, -1) > episode.hop

    def carried(self) -> tuple[tuple[OpenEpisode, int], ...]:
        """Return the waiting episodes, each with the stamp until which it waits."""
        return tuple((waiting.episode, waiting.until_ns) for waiting in self._waiting)

    def restore(self, waiting: Sequence[tuple[OpenEpisode, int]]) -> None:
        """Keep these episodes and no others."""
        self._waiting = [Waiting(episode, until_ns) for episode, until_ns in waiting]

    def detach_known(self, episode_id: str) -> list[OpenEpisode]:
        """Remove and return our copies of an episode that a neighbour hands over.

        We have one if it came before with another track, which the neighbour has merged since, or if it has
        waited since a restart.
        """
        episode = self._book.find_id(episode_id)
        known = [] if episode is None else [self._book.detach(episode)]
        known += [waiting.episode for waiting in self._waiting if waiting.episode.id == episode_id]
        self._waiting = [waiting for waiting in self._waiting if waiting.episode.id != episode_id]
        return known

    def find(self, episode_id: str) -> tuple[OpenEpisode | None, bool]:
        """Return an episode that is open here or waits, and whether it is open."""
        episode = self._book.find_id(episode_id)
        waits = (waiting.episode for waiting in self._waiting if waiting.episode.id == episode_id)
        return (next(waits, None), False) if episode is None else (episode, True)

    def named(self) -> list[OpenEpisode]:
        """Return the waiting episodes of identified vehicles."""
        return [waiting.episode for waiting in self._waiting if terminal_of(waiting.episode) is not None]

    def drop(self, ids: Sequence[str]) -> list[str]:
        """Wait no longer for these episodes; return the ids of those that did."""
        dropped = [waiting.episode.id for waiting in self._waiting if waiting.episode.id in ids]
        self._waiting = [waiting for waiting in self._waiting if waiting.episode.id not in ids]
        return dropped

    def pop_seen(self, tracks: TrackBatch, located: Located, mine: I64) -> list[tuple[int, OpenEpisode]]:
        """Remove and return the waiting episodes of owned tracks (places `mine`), each with its track."""
        if not self._waiting:
            return []
        tracked = {
            located.terminal_ids[tracks.terminal[i]]: int(tracks.track[i])
            for i in mine.tolist()
            if tracks.terminal[i] >= 0
        }
        seen = [waiting for waiting in self._waiting if terminal_of(waiting.episode) in tracked]
        self._waiting = [waiting for waiting in self._waiting if terminal_of(waiting.episode) not in tracked]
        return [(tracked[terminal_of(waiting.episode) or ""], waiting.episode) for waiting in seen]

    def pop_at_place(self, rule: str, scope: str, facts: Facts, stamp_ns: int) -> OpenEpisode | None:
        """Remove and return the waiting episode of an unidentified vehicle that can have come here."""
        for waiting in self._waiting:
            episode = waiting.episode
            if episode.vehicle is not None or (episode.rule_name, episode.scope) != (rule, scope):
                continue
            east, north = self._frame.site_from_lonlat([facts.lon_deg], [facts.lat_deg])
            if self._can_have_reached(episode, float(east[0]), float(north[0]), stamp_ns):
                self._waiting.remove(waiting)
                return episode
        return None

    def vouch(self, state: State, tracks: TrackBatch, rows: I64, mine: I64) -> None:
        """Take nameless owned tracks (places `mine`) that may be those of waiting episodes for vehicles."""
        nameless = [waiting.episode for waiting in self._waiting if waiting.episode.vehicle is None]
        for i in mine[tracks.terminal[mine] < 0].tolist() if nameless else ():
            stamp_ns, east, north = int(tracks.stamp_ns[i]), float(tracks.x[i, 0]), float(tracks.x[i, 1])
            if any(self._can_have_reached(episode, east, north, stamp_ns) for episode in nameless):
                state.vouch(int(rows[i]), stamp_ns)

    def _can_have_reached(self, episode: OpenEpisode, east_m: float, north_m: float, stamp_ns: int) -> bool:
        """Return whether an episode's vehicle can be at a place at `stamp_ns`."""
        east, north = self._frame.site_from_lonlat([episode.lon_deg], [episode.lat_deg])
        away = math.hypot(float(east[0]) - east_m, float(north[0]) - north_m)
        since_s = max(stamp_ns - episode.seen_ns, 0) * 1e-9
        return away <= RESUME_PLACE_M + SPEED_SPREAD * episode.speed_mps * since_s

    def close_overdue(self, t_ns: int) -> list[Judged]:
        """Return the closes of the episodes that have waited too long."""
        late = [waiting for waiting in self._waiting if t_ns >= waiting.until_ns]
        self._waiting = [waiting for waiting in self._waiting if t_ns < waiting.until_ns]
        stamps = Stamps(measured_ns=t_ns, arrived_ns=t_ns, by="tick")
        return [self._book.finish(waiting.episode, stamps, "lost") for waiting in late]
