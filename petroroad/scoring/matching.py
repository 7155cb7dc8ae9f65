"""Pairs truths with tracks at the least total cost, by the tracker's own assignment kernel. Pure."""

import numpy as np

from core.kernel import F64, I64
from fusion.assignment import assign, assignment_of


def match(n_truths: int, n_tracks: int, pairs: I64, costs: F64, miss: float) -> I64:
    """Return the track of each truth, -1 none, (n_truths,); a pair is taken where it costs less than a miss.

    pairs : (2, n) truth and track that may belong together.  costs : (n,) of each
    Beyond 96 truths in one component, the cheapest pair goes first (fusion.assignment).
    """
    n = pairs.shape[1]
    if n == 0:
        return np.full(n_truths, -1, dtype=np.int64)
    work = assignment_of(
        np.ascontiguousarray(pairs, dtype=np.int64),
        np.ascontiguousarray(costs, dtype=np.float64),
        np.full(n_truths, miss),
        n_tracks,
    )
    assign(n_truths, n_tracks, n, work)
    return work.det_of
