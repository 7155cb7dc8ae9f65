"""Tracks that pass gates: each one's last place, and the entry gate passed before it had a name. Pure."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from fusion.tracks import TrackBatch
from geofence.journeys.gates import Gates, Line
from geofence.journeys.journey import Seen

NS = 1_000_000_000
UNSEEN_NS = 10 * NS  # a track that was not looked at for so long has ended or left
# Who stands at a gate crosses its line by the noise of the position alone: a line that is crossed so slowly
# counts once the vehicle moves on beyond it
ENTERED_MPS = 1.0
STEP_NS = 3 * NS  # between two looks that are further apart a vehicle need not have driven straight


class Passing:
    """Looks at tracks from time to time."""

    gates: Gates  # of the map; set before the first look

    def __init__(self) -> None:
        self._seen: dict[int, Seen] = {}  # by track
        # Place and stamp of the look before, by row of this look
        self.ways: dict[int, tuple[float, float, int]] = {}

    def look(self, t_ns: int, picked: Sequence[int], tracks: TrackBatch) -> dict[int, list[tuple[Line, int]]]:
        """Return the gates that tracks crossed since their last look, with the stamps; remember entries."""
        seen, places = self._seen, tracks.x[picked, :2]
        known = [seen.get(int(tracks.track[i])) for i in picked]
        before = np.array([
            (place.east_m, place.north_m) if place is not None else now
            for place, now in zip(known, places.tolist(), strict=True)
        ])  # fmt: skip
        self.ways = {
            i: (last.east_m, last.north_m, last.t_ns)
            for i, last in zip(picked, known, strict=True)
            if last is not None and t_ns - last.t_ns <= STEP_NS
        }
        found: dict[int, list[tuple[Line, int]]] = {}
        crept: dict[int, int] = {}  # rows of those that cross a line slowly: since when
        for crossing in self.gates.crossed(before, places):
            i, last = picked[crossing.i], known[crossing.i]
            if last is None:
                continue
            at_ns = last.slow_ns or last.t_ns + round(crossing.share * (t_ns - last.t_ns))
            if np.hypot(*tracks.x[i, 2:4]) < ENTERED_MPS:
                crept.setdefault(i, at_ns)
            else:
                found.setdefault(i, []).append((crossing.line, at_ns))
        for k, i in enumerate(picked):
            east, north = places[k].tolist()
            key = int(tracks.track[i])
            entry = seen.setdefault(key, Seen(track=key, t_ns=t_ns, east_m=east, north_m=north))
            entry.t_ns, entry.slow_ns = t_ns, crept.get(i, 0)
            if not entry.slow_ns:
                entry.east_m, entry.north_m = east, north
            for line, at_ns in found.get(i, ()):
                entry.gate, entry.gate_ns = (line.gate, at_ns) if line.role == "entry" else (None, 0)
        return found

    def pop_entry(self, track: int) -> tuple[Line, int] | None:
        """Return the entry gate that a track passed and when; from then on it counts no more."""
        entry = self._seen.get(track)
        line = None if entry is None or entry.gate is None else self.gates.named(entry.gate)
        if entry is None or line is None:
            return None
        entry.gate = None
        return line, entry.gate_ns

    def forget(self, t_ns: int) -> None:
        """Forget tracks that were not looked at for a while."""
        for key in [key for key, entry in self._seen.items() if t_ns - entry.t_ns > UNSEEN_NS]:
            del self._seen[key]

    def state(self) -> list[Seen]:
        """Return the last looks."""
        return [msgspec.structs.replace(entry) for entry in self._seen.values()]

    def restore(self, seen: Iterable[Seen]) -> None:
        """Continue from these looks."""
        self._seen = {entry.track: msgspec.structs.replace(entry) for entry in seen}
