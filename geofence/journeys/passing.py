"""Tracks that pass gates: each one's last place, and the entry gate passed before it had a name. Pure."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from fusion.tracks import TrackBatch
from geofence.journeys.gates import Gates, Line
from geofence.journeys.journey import Seen

NS = 1_000_000_000
UNSEEN_NS = 10 * NS  # a track that was not looked at for so long has ended or left
ENTERED_MPS = 1.0  # who stands at a gate crosses its line by the noise of the position alone


class Passing:
    """Looks at tracks from time to time."""

    gates: Gates  # of the map; set before the first look

    def __init__(self) -> None:
        self._seen: dict[int, Seen] = {}  # by track

    def look(self, t_ns: int, picked: Sequence[int], tracks: TrackBatch) -> dict[int, list[tuple[Line, int]]]:
        """Return the gates that tracks crossed since their last look, with the stamps; remember entries."""
        seen, places = self._seen, tracks.x[picked, :2]
        known = [seen.get(int(tracks.track[i])) for i in picked]
        before = np.array([
            (place.east_m, place.north_m) if place is not None else now
            for place, now in zip(known, places.tolist(), strict=True)
        ])  # fmt: skip
        found: dict[int, list[tuple[Line, int]]] = {}
        for crossing in self.gates.crossed(before, places):
            i, last = picked[crossing.i], known[crossing.i]
            if last is None or np.hypot(*tracks.x[i, 2:4]) < ENTERED_MPS:
                continue
            at_ns = last.t_ns + round(crossing.share * (t_ns - last.t_ns))
            found.setdefault(i, []).append((crossing.line, at_ns))
        for k, i in enumerate(picked):
            east, north = places[k].tolist()
            key = int(tracks.track[i])
            entry = seen.setdefault(key, Seen(track=key, t_ns=t_ns, east_m=east, north_m=north))
            entry.t_ns, entry.east_m, entry.north_m = t_ns, east, north
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
