"""Why a track is false and why a vehicle is missed (docs/scoring.md). Pure; remembers vehicles and tracks."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from core.arrays import Bools
from petroroad.scoring.frames import SECOND_NS, Matches, TracksNow, TruthNow

FALSE_CAUSES = ("duplicate", "displaced", "ended", "ghost", "clutter", "outside_cover")
MISSED_CAUSES = ("first_second", "in_field", "reporting")
FREE = "left_truth"  # of a vehicle that ended within the last second: costs nothing


@dataclass(slots=True)
class Causes:
    """Names the cause of each false track and missed vehicle, frame by frame."""

    false: Counter[str] = field(default_factory=Counter)  # track-stamps by cause
    missed: Counter[str] = field(default_factory=Counter)  # vehicle-stamps by cause
    owned_twice: int = 0  # vehicle-stamps
    _first_ns: dict[int, int] = field(default_factory=dict)  # by vehicle: first under cover, on this trip
    _here_ns: dict[int, int] = field(default_factory=dict)  # by vehicle: last in the truth
    _reported_ns: dict[str, int] = field(default_factory=dict)  # by terminal: its vehicle was in the truth
    _vehicle_of: dict[int, int] = field(default_factory=dict)  # by track: the vehicle it matched last

    def add(self, truth: TruthNow, tracks: TracksNow, matches: Matches) -> Bools:
        """Count the causes of one instant; return which tracks (m,) are false and charged."""
        self._see(truth, tracks, matches)
        self._add_missed(truth, matches)
        charged = np.zeros(len(tracks.id), dtype=np.bool_)
        twice: dict[int, None] = {}
        for j in np.flatnonzero(matches.vehicle_of < 0).tolist():
            cause, vehicle = self._cause(truth, tracks, matches, j)
            self.false[cause] += 1
            charged[j] = cause != FREE
            if cause == "duplicate" and tracks.rsu[j] != tracks.rsu[matches.track_of[vehicle]]:
                twice[vehicle] = None
        self.owned_twice += len(twice)
        return charged

    def _see(self, truth: TruthNow, tracks: TracksNow, matches: Matches) -> None:
        now_ns, ids = truth.stamp_ns, truth.id.tolist()
        for key, covered, terminal in zip(ids, truth.covered.tolist(), truth.terminal, strict=True):
            if now_ns - self._here_ns.get(key, now_ns) > SECOND_NS:
                self._first_ns.pop(key, None)  # it is on another trip
            self._here_ns[key] = now_ns
            if terminal is not None:
                self._reported_ns[terminal] = now_ns
            if covered:
                self._first_ns.setdefault(key, now_ns)
        for track, i in zip(tracks.id.tolist(), matches.vehicle_of.tolist(), strict=True):
            if i >= 0:
                self._vehicle_of[track] = ids[i]

    def _add_missed(self, truth: TruthNow, matches: Matches) -> None:
        for i in np.flatnonzero(truth.covered & (matches.track_of < 0)).tolist():
            if truth.stamp_ns - self._first_ns[int(truth.id[i])] <= SECOND_NS:
                self.missed["first_second"] += 1
            else:
                self.missed["in_field" if truth.in_field[i] else "reporting"] += 1

    def _cause(self, truth: TruthNow, tracks: TracksNow, matches: Matches, j: int) -> tuple[str, int]:
        """Return why track j has no vehicle, and the vehicle within reach (-1 none)."""
        here_ns = self._last_here_ns(int(tracks.id[j]), tracks.terminal[j])
        if here_ns is not None and here_ns < truth.stamp_ns:
            return (FREE if truth.stamp_ns - here_ns <= SECOND_NS else "ended"), -1
        if matches.reach[:, j].any():
            nearest = int(np.argmin(matches.away_m[:, j]))
            return ("duplicate" if matches.track_of[nearest] >= 0 else "displaced"), nearest
        if tracks.terminal[j] is not None:
            return "ghost", -1
        return ("clutter" if tracks.in_field[j] else "outside_cover"), -1

    def _last_here_ns(self, track: int, terminal: str | None) -> int | None:
        """Return when this track's vehicle was in the truth last: by its name, else by what it matched."""
        if terminal is not None and terminal in self._reported_ns:
            return self._reported_ns[terminal]
        vehicle = self._vehicle_of.get(track)
        return None if vehicle is None else self._here_ns[vehicle]
