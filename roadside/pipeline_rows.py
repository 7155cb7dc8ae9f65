"""Rows of a snapshot and of the status, from what the pipeline's parts say. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from core.arrays import Bools
from edge.wire import TrackNames, UnjudgedStretch
from fusion.tracks import TrackBatch
from geofence.coverage import Unjudged
from roadside.snapshot import rounded_p


def names_of(tracks: TrackBatch, ids: Sequence[str], plates: Mapping[str, str | None]) -> TrackNames:
    """Return who the identified tracks are.

    ids : of the terminals by row.  plates : by terminal
    """
    named = np.flatnonzero(tracks.terminal >= 0)
    terminals = [ids[row] for row in tracks.terminal[named].tolist()]
    return TrackNames(
        track=tuple(tracks.track[named].tolist()),
        terminal=tuple(terminals),
        plate=tuple([plates.get(terminal) for terminal in terminals]),
        identity_p=tuple([rounded_p(p) for p in tracks.identity_p[named].tolist()]),
    )


def stretches_of(rows: Iterable[Unjudged]) -> tuple[UnjudgedStretch, ...]:
    """Return unjudged stretches as the status has them."""
    return tuple(
        UnjudgedStretch(
            road=row.road, from_m=row.from_m, to_m=row.to_m, reason=row.reason, since_ns=row.since_ns
        )
        for row in rows
    )


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
