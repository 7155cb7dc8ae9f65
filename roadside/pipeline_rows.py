"""Which of a batch's tracks may open episodes. Pure."""

from collections.abc import Collection

import numpy as np

from core.arrays import Bools
from fusion.tracks import TrackBatch


def may_open(tracks: TrackBatch, free: Bools, duplicates: Collection[tuple[int, int]]) -> Bools:
    """Return the mask (n,) of tracks that may open a new episode.

    free : (n,) no handover of the track is under way.  duplicates : pairs of ids in one place
    """
    doubtful = {track for pair in duplicates for track in pair}
    may = [
        is_free and track not in doubtful
        for track, is_free in zip(tracks.track.tolist(), free.tolist(), strict=True)
    ]
    return np.array(may, dtype=np.bool_) & ~tracks.presumed
