"""Pairs truths with tracks at the least total cost, by the tracker's own assignment kernel. Pure."""

import numpy as np

from core.kernel import F64, I64
from fusion.assignment import CAP_DETECTIONS, CAP_TRACKS, assign

_WIDTH = CAP_TRACKS + CAP_DETECTIONS


def match(n_truths: int, n_tracks: int, pairs: I64, costs: F64, miss: float) -> I64:
    """Return the track of each truth, -1 none, (n_truths,); a pair is taken where it costs less than a miss.

    pairs : (2, n) truth and track that may belong together.  costs : (n,) of each
    Beyond 96 truths that hang together, the cheapest pair goes first (fusion.assignment).
    """
    n = pairs.shape[1]
    track_of = np.full(n_truths, -1, dtype=np.int64)
    if n == 0:
        return track_of
    truth_of = np.full(n_tracks, -1, dtype=np.int64)
    assign(
        n_truths,
        n_tracks,
        n,
        np.ascontiguousarray(pairs, dtype=np.int64),
        np.ascontiguousarray(costs, dtype=np.float64),
        np.full(n_truths, miss),
        track_of,
        truth_of,
        np.zeros(n_truths + n_tracks + 1, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n_truths + n_tracks + 1, dtype=np.int64),
        np.zeros(2 * _WIDTH, dtype=np.int64),
        np.zeros((CAP_TRACKS, _WIDTH)),
        np.zeros((5, _WIDTH + 1)),
    )
    return track_of
