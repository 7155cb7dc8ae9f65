"""Two boundaries ruled by rails across the lane: vertices get partners on the other side. Site metres.

Lanes come in columns (geofence.map.lines): most have boundaries whose vertices already lie across from each
other, and are ruled all at once.
"""

import numpy as np

from core.arrays import F64, I64, Bools
from geofence.map.lines import Lines, lines_of

POINT_M = 0.1  # a boundary within it is a point, around which the other one turns
THIN_M = 0.15  # boundaries that cross by less meet there: lanes so near are one for judging
MERGED_M = (
    1e-5  # of both boundaries' lengths: rails nearer than this are one, a direction between them is noise
)
SKEW_MAX = 0.2  # cosine between rail and boundary up to which vertices pair by number


def ruled(left: Lines, right: Lines, longest_m: float) -> tuple[Lines, Lines]:
    """Return the boundaries of m lanes with vertices across from each other, at most longest_m apart."""
    plain = _is_plain(left, right)
    if not plain.all():
        sides: tuple[list[F64], list[F64]] = ([], [])
        for i, is_plain in enumerate(plain.tolist()):
            both = (line.points[line.start[i] : line.start[i + 1]] for line in (left, right))
            for side, line in zip(sides, both if is_plain else pair(*both), strict=True):
                side.append(line)
        left, right = lines_of(sides[0]), lines_of(sides[1])
    return _cut(*_uncrossed(left, right), longest_m)


def widths(left: F64, right: F64) -> F64:
    """Return how far the left of n vertices lies to the left of the right one, across a line of them [m]."""
    return _across(left, right, np.array([0, len(left)]))


def _rails(left: F64, right: F64, start: I64) -> tuple[F64, F64]:
    """Return at each vertex the way from right to left, and along the lane past it, (n, 2) both."""
    middle = (left + right) / 2
    ahead, behind = np.arange(1, len(middle) + 1), np.arange(-1, len(middle) - 1)
    ahead[start[1:] - 1] -= 1
    behind[start[:-1]] += 1
    return left - right, middle[ahead] - middle[behind]


def _across(left: F64, right: F64, start: I64) -> F64:
    rail, along = _rails(left, right, start)
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-12)
    across: F64 = (along[:, 0] * rail[:, 1] - along[:, 1] * rail[:, 0]) / length
    return across


def _uncrossed(left: Lines, right: Lines) -> tuple[Lines, Lines]:
    """Return boundaries that meet where they crossed by less than THIN_M: by the survey's error at a tip."""
    across = _across(left.points, right.points, left.start)
    crossed = np.flatnonzero((across < 0.0) & (across >= -THIN_M))
    if not len(crossed):
        return left, right
    middle = (left.points[crossed] + right.points[crossed]) / 2
    sides = []
    for line in (left, right):
        points = line.points.copy()
        points[crossed] = middle
        sides.append(Lines(points, line.start))
    return sides[0], sides[1]


def _is_plain(left: Lines, right: Lines) -> Bools:
    """Return of which lanes (m,) vertices pair by number."""
    counts = np.diff(left.start)
    same = counts == np.diff(right.start)
    plain = np.zeros(len(same), dtype=np.bool_)
    if not same.any():
        return plain
    a, b = (line.points[np.repeat(same, np.diff(line.start))] for line in (left, right))
    start = np.concatenate([[0], np.cumsum(counts[same])])
    skew = np.maximum.reduceat(_skews(a, b, start), start[:-1])
    plain[same] = (skew <= SKEW_MAX) & _have_length(a, start) & _have_length(b, start)
    return plain


def _skews(left: F64, right: F64, start: I64) -> F64:
    """Return the cosine between rail and lane at each vertex; at a taper's tip a rail has no direction."""
    rail, along = _rails(left, right, start)
    length = np.hypot(rail[:, 0], rail[:, 1])
    cosine = np.abs((rail * along).sum(axis=1)) / np.maximum(length * np.hypot(*along.T), 1e-12)
    return np.where(length > 0.05, cosine, 0.0)


def _have_length(points: F64, start: I64) -> Bools:
    size = np.maximum.reduceat(points, start[:-1]) - np.minimum.reduceat(points, start[:-1])
    long: Bools = np.hypot(*size.T) > POINT_M
    return long


def pair(left: F64, right: F64) -> tuple[F64, F64]:
    """Return both boundaries with equally many points, so that the i-th of each lie across from each other.

    Every vertex is kept; where the other side has none, its foot is put in.
    """
    if not _have_length(left, np.array([0, len(left)]))[0]:  # the inside of a corner: a point
        return np.repeat(left[:1], len(right), axis=0), right
    if not _have_length(right, np.array([0, len(right)]))[0]:
        return left, np.repeat(right[:1], len(left), axis=0)
    start = np.array([0, len(left)])
    if len(left) == len(right) and _skews(left, right, start).max() <= SKEW_MAX:
        return left, right
    a, b = _lengths(left), _lengths(right)
    foot_b, foot_a = _feet(left, right, b), _feet(right, left, a)
    at_a, at_b = np.r_[a, foot_a], np.r_[foot_b, b]
    own = np.r_[np.ones(len(a), bool), np.zeros(len(b), bool)]
    order = np.argsort(at_a / a[-1] + at_b / b[-1], kind="stable")
    at_a, at_b, own = at_a[order], at_b[order], own[order]
    at_a, at_b = _between(at_a, own), _between(at_b, ~own)
    keep = np.r_[True, np.diff(at_a) + np.diff(at_b) > MERGED_M]
    keep[-1] = True
    if keep.sum() > 2 and at_a[-1] - at_a[keep][-2] + at_b[-1] - at_b[keep][-2] <= MERGED_M:
        keep[np.flatnonzero(keep)[-2]] = False
    return _along(left, a, at_a[keep]), _along(right, b, at_b[keep])


def _lengths(line: F64) -> F64:
    at: F64 = np.r_[0.0, np.cumsum(np.hypot(*np.diff(line, axis=0).T))]
    return at


def _feet(points: F64, line: F64, at: F64) -> F64:
    """Return the arc lengths on `line` nearest to the points, never decreasing; ends map to ends."""
    step = np.diff(line, axis=0)
    square = np.maximum((step**2).sum(axis=1), 1e-18)
    away = points[:, None, :] - line[None, :-1, :]
    t = np.clip((away * step).sum(axis=2) / square, 0.0, 1.0)
    distance = ((away - t[..., None] * step) ** 2).sum(axis=2)
    k = distance.argmin(axis=1)
    feet = at[k] + t[np.arange(len(points)), k] * np.sqrt(square[k])
    feet[0], feet[-1] = 0.0, at[-1]
    monotone: F64 = np.minimum(np.maximum.accumulate(feet), at[-1])
    return monotone


def _between(at: F64, own: F64) -> F64:
    """Keep each inserted point between the two vertices between which it was sorted."""
    below = np.maximum.accumulate(np.where(own, at, -np.inf))
    above = np.minimum.accumulate(np.where(own, at, np.inf)[::-1])[::-1]
    return np.maximum.accumulate(np.where(own, at, np.clip(at, below, above)))


def _along(line: F64, at: F64, wanted: F64) -> F64:
    both: F64 = np.column_stack([np.interp(wanted, at, line[:, 0]), np.interp(wanted, at, line[:, 1])])
    return both


def _cut(left: Lines, right: Lines, longest_m: float) -> tuple[Lines, Lines]:
    """Cut both boundaries alike, so that no part is longer than longest_m."""
    last = left.start[1:] - 1
    steps = [np.diff(line.points, axis=0, append=line.points[-1:]) for line in (left, right)]
    for step in steps:
        step[last] = 0.0
    longest = np.maximum(np.hypot(*steps[0].T), np.hypot(*steps[1].T))
    parts = np.maximum(1, np.ceil(longest / longest_m)).astype(np.int64)
    i = np.repeat(np.arange(len(longest)), parts)
    before = np.concatenate([[0], np.cumsum(parts)])
    t = ((np.arange(len(i)) - before[i]) / parts[i])[:, None]
    start = before[left.start]
    first, second = (
        Lines(line.points[i] + t * step[i], start) for line, step in zip((left, right), steps, strict=True)
    )
    return first, second
