"""Which of a batch's tracks may open episodes. Pure."""

from collections.abc import Collection

import numpy as np

from core.arrays import Bools
from core.times import NS
from fusion.tracks import TrackBatch

SEEN_NS = 2 * NS  # a radar that saw the vehicle so recently is evidence of its own


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


def only_reported(tracks: TrackBatch, n_registered: int, now_ns: int) -> Bools | None:
    """Return the mask (n,) of tracks that only an unregistered terminal reports; None: no track is so.

    n_registered : terminals of the registry, the first rows; a site without a registry has no strangers
    """
    if not n_registered or not len(tracks) or int(tracks.terminal.max()) < n_registered:
        return None
    mask: Bools = (tracks.terminal >= n_registered) & (now_ns - tracks.radar_ns > SEEN_NS)
    return mask
