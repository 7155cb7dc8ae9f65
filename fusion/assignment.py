"""Exact assignment of detections to tracks, one connected component at a time.

A track without a detection has a cost of its own; a detection without a track costs nothing. Components share
no detection, so the solutions of all are the exact solution. A component larger than CAP is solved greedily.
"""

import numpy as np

from core.arrays import F2, F64, I1, I64
from core.kernel import kernel
from fusion.layout import Assignment

CAP_TRACKS, CAP_DETECTIONS = 96, 128  # of one component that is solved exactly
BIG = 1e12


def assignment_of(pairs: I64, costs: F64, miss: F64, n_detections: int) -> Assignment:
    """Return the memory that `assign` needs for at most so many tracks (len(miss)), detections and pairs.

    pairs, costs, miss : as in Assignment, used as they are
    """
    n_t, n_pairs, width = len(miss), len(costs), CAP_TRACKS + CAP_DETECTIONS
    return Assignment(
        pairs=pairs,
        costs=costs,
        miss=miss,
        det_of=np.full(n_t, -1, dtype=np.int64),
        track_of=np.full(n_detections, -1, dtype=np.int64),
        parent=np.zeros(n_t + n_detections + 1, dtype=np.int64),
        order=np.zeros(n_pairs, dtype=np.int64),
        start=np.zeros(n_t + n_detections + 1, dtype=np.int64),
        names=np.zeros(2 * width, dtype=np.int64),
        cost=np.zeros((CAP_TRACKS, width)),
        work=np.zeros((5, width + 1)),
    )


@kernel(inner=True)
def _root(parent: I1, a: int) -> int:
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@kernel
def solve(cost: F2, n: int, m: int, row_of: I1, work: F2) -> None:
    """Assign each of n rows one of m >= n columns at least total cost (Jonker & Volgenant 1987).

    cost : (n, m) in the upper left corner;  row_of : (m,) the row of each column, -1 none
    work : (5, >= m + 1) scratch: row duals, column duals, least slack, way back, used
    """
    u, v, slack, way, used = 0, 1, 2, 3, 4
    for j in range(m):
        row_of[j] = -1
        work[v, j] = 0.0
    for i in range(n):
        work[u, i] = 0.0
    for i_free in range(n):
        for j in range(m):
            work[slack, j] = BIG * BIG
            work[used, j] = 0.0
        row, last, into = i_free, -1, -1
        while True:
            least, at = BIG * BIG, -1
            for j in range(m):
                if work[used, j] == 0.0:
                    reduced = cost[row, j] - work[u, row] - work[v, j]
                    if reduced < work[slack, j]:
                        work[slack, j] = reduced
                        work[way, j] = last
                    if work[slack, j] < least:
                        least, at = work[slack, j], j
            work[u, i_free] += least
            for j in range(m):
                if work[used, j] != 0.0:
                    work[u, row_of[j]] += least
                    work[v, j] -= least
                else:
                    work[slack, j] -= least
            work[used, at] = 1.0
            last = at
            if row_of[at] < 0:
                into = at
                break
            row = row_of[at]
        while into >= 0:
            before = int(work[way, into])
            row_of[into] = row_of[before] if before >= 0 else i_free
            into = before


@kernel(inner=True)
def _greedy(work: Assignment, begin: int, end: int) -> None:
    """Assign the best pair of a component until none gains: quadratic, but bounded and deterministic."""
    pairs, costs, miss, det_of, track_of = work.pairs, work.costs, work.miss, work.det_of, work.track_of
    while True:
        best, at = 0.0, -1
        for k in range(begin, end):
            p = work.order[k]
            t, d = pairs[0, p], pairs[1, p]
            gain = costs[p] - miss[t]
            if det_of[t] < 0 and track_of[d] < 0 and gain < best:
                best, at = gain, p
        if at < 0:
            return
        det_of[pairs[0, at]] = pairs[1, at]
        track_of[pairs[1, at]] = pairs[0, at]


@kernel(inner=True)
def _exact(work: Assignment, begin: int, end: int) -> None:
    """Solve one component exactly; `names` is scratch for its tracks, detections and the columns' rows."""
    pairs, order, names, cost = work.pairs, work.order, work.names, work.cost
    det_of, track_of = work.det_of, work.track_of
    n_t = n_d = 0
    det_names = CAP_TRACKS
    for k in range(begin, end):
        t, d = pairs[0, order[k]], pairs[1, order[k]]
        if det_of[t] == -1:
            det_of[t] = -2 - n_t
            names[n_t] = t
            n_t += 1
        if track_of[d] == -1:
            track_of[d] = -2 - n_d
            names[det_names + n_d] = d
            n_d += 1
    for i in range(n_t):
        for j in range(n_d + n_t):
            cost[i, j] = BIG
        cost[i, n_d + i] = work.miss[names[i]]
    for k in range(begin, end):
        p = order[k]
        cost[-2 - det_of[pairs[0, p]], -2 - track_of[pairs[1, p]]] = work.costs[p]
    row_of = names[CAP_TRACKS + CAP_DETECTIONS :]
    solve(cost, n_t, n_d + n_t, row_of, work.work)
    for i in range(n_t):
        det_of[names[i]] = -1
    for j in range(n_d):
        d = names[det_names + j]
        track_of[d] = -1
        i = row_of[j]
        if i >= 0 and cost[i, j] < BIG:
            det_of[names[i]] = d
            track_of[d] = names[i]


@kernel
def assign(n_t: int, n_d: int, n_p: int, work: Assignment) -> int:
    """Assign n_d detections to n_t tracks by n_p gated pairs; return how many components were greedy.

    work.det_of[track] and work.track_of[detection] become the partner or -1.
    """
    pairs, order, parent, start = work.pairs, work.order, work.parent, work.start
    det_of, track_of = work.det_of, work.track_of
    fallen = 0
    for t in range(n_t):
        det_of[t] = -1
    for d in range(n_d):
        track_of[d] = -1
    for a in range(n_t + n_d):
        parent[a] = a
    for p in range(n_p):
        a, b = _root(parent, pairs[0, p]), _root(parent, n_t + pairs[1, p])
        parent[max(a, b)] = min(a, b)  # the root is the component's first track
    for a in range(n_t + 1):
        start[a] = 0
    for p in range(n_p):
        start[_root(parent, pairs[0, p]) + 1] += 1
    for a in range(n_t):
        start[a + 1] += start[a]
    for p in range(n_p):  # counting sort, stable: start[a] ends as the end of a's pairs
        a = _root(parent, pairs[0, p])
        order[start[a]] = p
        start[a] += 1
    begin = 0
    for a in range(n_t):
        end = start[a]
        if end == begin:
            continue
        if end - begin == 1:
            p = order[begin]
            if work.costs[p] < work.miss[pairs[0, p]]:
                det_of[pairs[0, p]] = pairs[1, p]
                track_of[pairs[1, p]] = pairs[0, p]
        else:
            tracks = dets = 0
            for k in range(begin, end):
                t, d = pairs[0, order[k]], pairs[1, order[k]]
                if det_of[t] == -1:
                    det_of[t] = -2
                    tracks += 1
                if track_of[d] == -1:
                    track_of[d] = -2
                    dets += 1
            for k in range(begin, end):
                det_of[pairs[0, order[k]]] = -1
                track_of[pairs[1, order[k]]] = -1
            if tracks <= CAP_TRACKS and dets <= CAP_DETECTIONS:
                _exact(work, begin, end)
            else:
                fallen += 1
                _greedy(work, begin, end)
        begin = end
    return fallen
