"""Id switches by CLEAR MOT's rule: a match lasts as long as its track stays within the cut-off.

The assignment of least total cost forgets what was matched before. Two trucks that pass each other nearer
than their errors (GNSS alone on a bridge) are matched crosswise for a frame or two, though each track bears
its own truck's name throughout. So correspondences are kept while they are possible, and only what is left is
assigned (Bernardin, Stiefelhagen 2008, 2.1, step 1).
"""

from dataclasses import dataclass, field

import numpy as np

from core.arrays import F64, I64
from petroroad.scoring.frames import CUTOFF_M, TracksNow, TruthNow
from petroroad.scoring.matching import match


@dataclass(slots=True)
class Continuity:
    """Adds up frame by frame."""

    switches: int = 0
    _last: dict[int, int] = field(default_factory=dict)  # by the truth's id: its last track
    _owner: dict[int, int] = field(default_factory=dict)  # by the track: the last truth that had it

    def add(self, truth: TruthNow, tracks: TracksNow, pairs: I64, costs: F64) -> None:
        """Score one instant; pairs (2, n), costs (n,) : truths and tracks within the cut-off [m^2]."""
        true_ids, track_ids = truth.id.tolist(), tracks.id.tolist()
        near = list(zip(*pairs.tolist(), strict=True))
        kept = {
            i: j
            for i, j in near
            if self._last.get(true_ids[i]) == track_ids[j] and self._owner.get(track_ids[j]) == true_ids[i]
        }
        taken = set(kept.values())
        rest = np.array([i not in kept and j not in taken for i, j in near], dtype=np.bool_)
        found = match(len(true_ids), len(track_ids), pairs[:, rest], costs[rest], CUTOFF_M**2)
        for i, j in enumerate(found.tolist()):
            if j >= 0:
                key, track = true_ids[i], track_ids[j]
                self.switches += self._last.get(key, track) != track
                self._last[key], self._owner[track] = track, key
