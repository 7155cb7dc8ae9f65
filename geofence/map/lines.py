"""Many polylines as columns, and how exactly each follows the curve that it stands for. Site metres."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F64, I64

SAME_M = 1e-6  # vertices nearer than this are one: a direction between them is noise
CORNER_RAD = 0.2  # at 16 m/s a truck needs 50 m for such a turn: what is drawn as a corner was a bend
ZIGZAG_M_MAX = 100.0  # of a step: vertices further apart may follow a road that winds
ZIGZAG_TURNS = 2  # so many vertices in a row on alternating sides; the line of a road has none

# Vertices among which one is seen to be pulled aside; how far those beside it deviate then, of its own way,
# at least: half of it where all are as far apart
PULLED_AMONG, PULLED_SHARE = 5, 0.2


class Lines(NamedTuple):
    """m polylines; line i is `points[start[i]:start[i + 1]]`."""

    points: F64  # (n, 2)
    start: I64  # (m + 1,)


class Deviation(NamedTuple):
    """The greatest of some deviation of each of m lines [m], 0 without one, and the vertex where it is."""

    most_m: F64
    at: I64  # index into Lines.points


def lines_of(rows: Sequence[F64]) -> Lines:
    """Return polylines (k, 2) as columns."""
    if not rows:
        return Lines(np.zeros((0, 2)), np.zeros(1, np.int64))
    start = np.cumsum([0, *(len(row) for row in rows)])
    return Lines(np.concatenate(rows), start.astype(np.int64))


def without_repeats(lines: Lines) -> Lines:
    """Return the lines without vertices that repeat the one before them."""
    keep = np.ones(len(lines.points), dtype=np.bool_)
    keep[1:] = np.hypot(*np.diff(lines.points, axis=0).T) > SAME_M
    keep[lines.start[:-1]] = True
    kept = np.concatenate([[0], np.cumsum(keep)])
    return Lines(lines.points[keep], kept[lines.start].astype(np.int64))


def chord_error(lines: Lines) -> Deviation:
    """Return how far each line may lie beside the bend that its vertices stand for.

    Between two vertices that turn the same way by theta, a road follows about an arc; the chord of length L
    lies L theta / 8 beside it (the sagitta L^2 / 8 R with R = L / theta). The smaller of both turns counts,
    so that a straight that begins a bend, and a corner alone, are none. A line of three vertices has one
    turn: with the shorter chord it counts where no road has a corner so sharp.
    """
    return _most(chord_errors(lines), lines)


def chord_errors(lines: Lines) -> F64:
    """Return the error of the chord that begins at each vertex (n,), as above; 0 at the ends of lines."""
    before, turn, after = _turns(lines)
    n = len(lines.points)
    sagitta = np.zeros(n)  # of the chord that begins at each vertex
    same = np.zeros(n, dtype=np.bool_)
    same[:-1] = turn[:-1] * turn[1:] > 0.0  # 0 at the ends of lines
    sagitta[:-1] = np.minimum(np.abs(turn[:-1]), np.abs(turn[1:])) * after[:-1] / 8.0
    # lines of three vertices have one turn, and no chord between two turns
    three = lines.start[np.flatnonzero(np.diff(lines.start) == 3)] + 1
    alone = np.where(np.abs(turn) >= CORNER_RAD, np.abs(turn) * np.minimum(before, after) / 8.0, 0.0)
    sagitta[~same] = 0.0
    sagitta[three] = sagitta[three - 1] = alone[three]
    return sagitta


def zigzag(lines: Lines) -> Deviation:
    """Return by how much vertices of each line lie alternately left and right of their neighbours' chord.

    Of ZIGZAG_TURNS + 1 vertices in a row the smallest deviation counts, at the one with the greatest.
    """
    before, turn, after = _turns(lines)
    reach = np.maximum(before + after, SAME_M)
    aside = before * after / reach * np.sin(np.clip(turn, -np.pi / 2, np.pi / 2))
    aside = np.where(np.maximum(before, after) <= ZIGZAG_M_MAX, aside, 0.0)
    found, greatest, at = np.abs(aside), np.abs(aside), np.arange(len(aside))
    for k in range(1, ZIGZAG_TURNS + 1):
        ahead = np.zeros(len(aside))
        ahead[: len(aside) - k] = aside[k:] if k < len(aside) else 0.0
        alternates = (aside * ahead * (-1.0) ** k) > 0.0
        found = np.where(alternates, np.minimum(found, np.abs(ahead)), 0.0)
        is_more = np.abs(ahead) > greatest
        greatest, at = (
            np.where(is_more, np.abs(ahead), greatest),
            np.where(is_more, np.arange(len(at)) + k, at),
        )
    most = _most(found, lines)
    return Deviation(most.most_m, at[most.at] if len(at) else most.at)


def pulled(lines: Lines) -> Deviation:
    """Return by how much a single vertex of each line lies beside the line of the others.

    A vertex that was pulled aside by d lies d beside the chord of its neighbours, and each of these about
    d / 2 on the other side of theirs. What the next but one on both sides show is the bend that all are in.
    """
    before, turn, after = _turns(lines)
    reach = np.maximum(before + after, SAME_M)
    aside = before * after / reach * np.sin(np.clip(turn, -np.pi / 2, np.pi / 2))
    found = np.zeros(len(aside))
    if len(aside) < PULLED_AMONG:
        return _most(found, lines)
    bend = (aside[:-4] + aside[4:]) / 2
    own, sides = aside[2:-2] - bend, np.stack([aside[1:-3], aside[3:-1]]) - bend
    alone = (sides * np.sign(own) <= -PULLED_SHARE * np.abs(own)).all(axis=0)
    near = np.maximum(before, after) <= ZIGZAG_M_MAX
    alone &= near[1:-3] & near[2:-2] & near[3:-1]
    of = np.repeat(np.arange(len(lines.start) - 1), np.diff(lines.start))
    alone &= of[:-4] == of[4:]
    found[2:-2] = np.where(alone, np.abs(own), 0.0)
    return _most(found, lines)


def _turns(lines: Lines) -> tuple[F64, F64, F64]:
    """Return of each vertex the length before it, by how much the line turns left there, and that after it.

    0 at the ends of lines.
    """
    n = len(lines.points)
    step = np.zeros((n, 2))
    if n > 1:
        step[:-1] = np.diff(lines.points, axis=0)
    step[lines.start[1:] - 1] = 0.0
    after = np.hypot(step[:, 0], step[:, 1])
    earlier = np.vstack([np.zeros((1, 2)), step[:-1]]) if n else step
    before = np.hypot(earlier[:, 0], earlier[:, 1])
    turn = np.arctan2(earlier[:, 0] * step[:, 1] - earlier[:, 1] * step[:, 0], (earlier * step).sum(axis=1))
    inner = (before > SAME_M) & (after > SAME_M)
    return before, np.where(inner, turn, 0.0), after


def _most(values: F64, lines: Lines) -> Deviation:
    """Return the greatest value of each line, and where it is."""
    m = len(lines.start) - 1
    most, at = np.zeros(m), lines.start[:-1].copy()
    if m and len(values):
        most = np.maximum.reduceat(values, lines.start[:-1])
        of = np.repeat(np.arange(m), np.diff(lines.start))
        where = np.flatnonzero((values == most[of]) & (most[of] > 0.0))
        at[of[where][::-1]] = where[::-1]  # the first of several
    return Deviation(most, at)
