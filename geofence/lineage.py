"""Moves, drops and closes judgements when tracks merge, are handed over or end."""

from collections.abc import Callable, Sequence

import msgspec

from geofence.carry import CarriedJudgement, carried_row, restore_row
from geofence.episode_book import EpisodeBook, Judged
from geofence.episodes import OpenEpisode
from geofence.evidence import Evidence
from geofence.judging import stamps_of_tick
from geofence.resume import Resume
from geofence.rules import BY_NAME
from geofence.state import MOVED, State

ADOPTED = -1  # track of an adopted row until one of two rows is chosen


class Lineage:
    """Keeps each judgement with its vehicle."""

    def __init__(
        self, state: State, book: EpisodeBook, evidence: Evidence, resume: Resume,
        lanes: Sequence[str], count: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._state, self._book, self._evidence, self._resume = state, book, evidence, resume
        self._lanes, self._count = lanes, count  # lanes: the map's names, by number
        self._lane_of = {name: number for number, name in enumerate(lanes)}
        self._merged_into: dict[int, int] = {}  # in this step
        self.superseded: list[OpenEpisode] = []  # of merged tracks, to be closed

    def begin_step(self, now_ns: int) -> list[Judged]:
        """Forget the merges of the last step; return the closes of the episodes that they superseded."""
        self._merged_into.clear()
        if not self.superseded:  # nearly always
            return []
        superseded, self.superseded = self.superseded, []
        return [self._book.finish(episode, stamps_of_tick(now_ns), "merged") for episode in superseded]

    def end(self, t_ns: int, ids: Sequence[int], reason: str) -> list[Judged]:
        """Forget tracks; return the closes of their open episodes."""
        out = []
        for track in ids:
            out += self.close_all(t_ns, [track], reason)
            self._state.drop(track)
        return out

    def close_all(self, t_ns: int, ids: Sequence[int], reason: str, but: Sequence[str] = ()) -> list[Judged]:
        """Close the open episodes of tracks, except those with an id in `but`; return their last versions."""
        stamps = stamps_of_tick(t_ns)
        return [
            self._book.close(episode, stamps, reason)
            for track in ids
            for episode in self._book.of(track)
            if episode.id not in but
        ]

    def drop(self, ids: Sequence[int]) -> list[str]:
        """Forget tracks that a neighbour judges from now on; return the ids of their open episodes."""
        dropped = []
        for track in ids:
            dropped += [self._book.detach(episode).id for episode in self._book.of(track)]
            self._state.drop(track)
        return dropped

    def merge(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Move the episodes of merged tracks to the survivor; of two alike keep the older."""
        for gone, survivor in pairs:
            self._merged_into[gone] = survivor  # a judgement of `gone` may be adopted later in this step
            self._merged_into.pop(survivor, None)  # never a circle
            if self._state.find(gone) is None:
                continue
            ours, theirs = self._book.of(survivor), self._book.of(gone)
            self._state.restart_shared(gone, survivor)
            for episode in ours + theirs:
                self._book.detach(episode)
            self._keep_one_row(gone, survivor, theirs, ours)
            self._attach(survivor, sorted(ours + theirs, key=lambda episode: (episode.start_ns, episode.id)))

    def _keep_one_row(
        self, gone: int, survivor: int, theirs: Sequence[OpenEpisode], ours: Sequence[OpenEpisode]
    ) -> None:
        """Give the survivor one of both rows: an accused track's, or else the one with more evidence."""
        state = self._state
        mine, other = state.find(survivor), state.find(gone)
        assert other is not None, "a track that is gone has a row"
        accused, accused_other = (
            any(BY_NAME[episode.rule_name].accuses for episode in episodes) for episodes in (ours, theirs)
        )
        more = mine is None or accused_other
        if mine is not None and accused == accused_other:
            more = self._evidence.amount(other) > self._evidence.amount(mine)
        if mine is not None:  # if either track was seen moving, the vehicle is no post
            state.flags[[mine, other], MOVED] = state.flags[[mine, other], MOVED].max()
            state.join_sights(mine, other)
        if more:
            state.rename(gone, survivor)
        else:
            state.drop(gone)
        state.open[state.row(survivor)] = False

    def _attach(self, track: int, episodes: Sequence[OpenEpisode]) -> None:
        """Give a track episodes; of two for one rule and scope the first stays, the other is superseded."""
        for episode in episodes:
            first = self._book.find(track, episode.rule_name, episode.scope)
            if first is not None and first.id != episode.id:
                episode.track = track
                self.superseded.append(episode)
            elif first is None or (episode.hop, episode.version) > (first.hop, first.version):
                self._book.attach(track, episode)  # handed over twice: the newest version counts

    def resume(self, track: int, episode: OpenEpisode) -> None:
        """Give a track an episode that waited for it; one that was opened for it meanwhile is superseded."""
        newer = self._book.find(track, episode.rule_name, episode.scope)
        alike = [episode] if newer is None else [episode, self._book.detach(newer)]
        self._attach(track, sorted(alike, key=lambda episode: (episode.start_ns, episode.id)))

    def carry(self, ids: Sequence[int] | None) -> list[CarriedJudgement]:
        """Return the judgements of the tracks (None: all), for a handover or `/state`."""
        out = []
        for track in self._state.tracks() if ids is None else ids:
            row = self._state.find(track)
            if row is not None:
                out.append(carried_row(self._state, row, track, self._lanes, self._book.of(track)))
        return out

    def adopt(self, carried: Sequence[CarriedJudgement]) -> None:
        """Continue a neighbour's judgements; each episode's next version names the new owner."""
        for judgement in carried:
            track = judgement.track
            while track in self._merged_into:
                track = self._merged_into[track]
            own = [self._book.detach(episode) for episode in self._book.of(track)]
            theirs = []
            for episode in judgement.episodes:
                own += self._resume.detach_known(episode.id)
                is_here = any(each.id == episode.id for each in own)
                if not is_here and self._resume.has_ended(episode):  # its giver was killed and forgot it
                    self._count("handover.ended")
                    continue
                theirs.append(msgspec.structs.replace(episode, hop=episode.hop + 1, version_ns=0))
                self._resume.take(theirs[-1])
            try:
                restore_row(self._state, ADOPTED, judgement, self._lane_of)
            except (ValueError, OverflowError):  # its episodes continue, its evidence starts anew
                self._count("handover.state")
                self._state.drop(ADOPTED)
            else:
                self._keep_one_row(ADOPTED, track, theirs, own)
            self._attach(track, theirs + own)
        self._merged_into.clear()

    def restore(self, judgements: Sequence[CarriedJudgement]) -> None:
        """Put back all judgements of a state."""
        for judgement in judgements:
            restore_row(self._state, judgement.track, judgement, self._lane_of)
            for episode in judgement.episodes:
                self._book.attach(judgement.track, episode)
