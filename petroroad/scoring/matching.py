"""The assignment of least total cost between truths and tracks."""

import numpy as np

from core.arrays import F64, I64
from fusion.assignment import assign, assignment_of


def match(n_truths: int, n_tracks: int, pairs: I64, costs: F64, miss: float) -> I64:
    """Return the track of each truth, -1 none, (n_truths,): the pairs of least total cost.

    pairs : (2, n) truth and track that may belong together.  costs : (n,) of each
    miss : a pair that costs more is left out.  Of more than 96 connected truths the cheapest pair goes first
    (`fusion.assignment`).
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
