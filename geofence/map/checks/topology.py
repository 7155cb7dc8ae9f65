"""Faults between lanes that name each other: successors that don't join, neighbours that aren't beside."""

from typing import Any, NamedTuple

import numpy as np
import shapely

from core.arrays import F64, I64, Bools
from geofence.map.faults import NAMED_MAX, Faults
from geofence.map.reading import Lane

# Lanes this near are one for judging (geofence.kernels.TOUCH_M): points of one place that differ by rounding
TOUCH_M = 0.15
# A step beyond it is the survey's or a hand's: a truck in the middle has 0.6 m beside it, and a departure by
# 0.3 m is a notice
STEP_M = 0.3
NARROW_M = 0.3  # nothing drives through an end as narrow
LEVELS_MAX = 1  # from one section to the next
AHEAD_M = 5.0  # a lane that ends so near before another one's start and doesn't name it has been forgotten
SHIFT_M = 1.0
WIDE_M = 1.6  # a narrower end is a taper's
SAME_WAY = 0.5  # cosine
FAR_M = 30.0  # the other carriageway of a road is nearer
UNLINKED_MAX = 1_000  # lanes, of a map that names none
WAY_M = 1.0  # of a boundary, for its direction
ALL_ALONG = 0.8  # of the longer one's length
SAMPLES = (0.1, 0.5, 0.9)  # of a boundary's length


class Rails(NamedTuple):
    """Both ends of m lanes across: the left corner, then the right one, (m, 2, 2)."""

    start: F64
    end: F64
    way: F64  # (m, 2) unit vector at the end, along the lane
    first_way: F64  # (m, 2) and at the start


def rails_of(lanes: tuple[Lane, ...]) -> Rails:
    """Return the ends of lanes."""
    corners = [
        np.array([[lane.left_boundary[k], lane.right_boundary[k]] for lane in lanes]).reshape(-1, 2, 2)
        for k in (0, -1)
    ]
    inner = [
        np.array([(lane.left_boundary[k] + lane.right_boundary[j]) / 2 for lane, k, j in row]).reshape(-1, 2)
        for row in (
            [
                (lane, min(1, len(lane.left_boundary) - 1), min(1, len(lane.right_boundary) - 1))
                for lane in lanes
            ],
            [(lane, max(-2, -len(lane.left_boundary)), max(-2, -len(lane.right_boundary))) for lane in lanes],
        )
    ]
    start, end = corners
    return Rails(start, end, _unit(end.mean(axis=1) - inner[1]), _unit(inner[0] - start.mean(axis=1)))


def check_topology(lanes: tuple[Lane, ...], faults: Faults, *, forgotten: bool) -> None:
    """Find what lanes say of each other and isn't so.

    forgotten : find those as well that say nothing of each other
    """
    if not lanes:
        return
    number = {lane.lane: i for i, lane in enumerate(lanes)}
    rails = rails_of(lanes)
    pairs = np.array(
        [(i, number[name]) for i, lane in enumerate(lanes) for name in lane.successors if name in number],
        dtype=np.int64,
    ).reshape(-1, 2)
    _check_successors(lanes, pairs, rails, faults)
    _check_sides(lanes, number, faults)
    if forgotten:
        _check_unlinked(lanes, number, faults)
        _check_forgotten(lanes, rails, faults)


def _check_successors(lanes: tuple[Lane, ...], pairs: I64, rails: Rails, faults: Faults) -> None:
    a, b = pairs.T
    end, start = rails.end[a], rails.start[b]
    gap_m, shift_m = _joint(end, start)
    n_after, n_before = np.bincount(a, minlength=len(lanes)), np.bincount(b, minlength=len(lanes))
    fits = np.zeros(len(lanes), dtype=np.bool_)  # by lane: one of its successors begins where it ends
    fits[a[shift_m <= STEP_M]] = True
    alone = ((n_after[a] == 1) & (n_before[b] == 1)) | ~fits[a]
    branches = _branches(lanes, pairs, rails, gap_m)
    apart = np.where(branches & (gap_m > AHEAD_M), 0.0, np.where(alone, shift_m, gap_m))
    narrow_end, narrow_start = (np.hypot(*(r[:, 0] - r[:, 1]).T) < NARROW_M for r in (end, start))
    ahead = ((start.mean(axis=1) - end.mean(axis=1)) * rails.way[a]).sum(axis=1)
    for k in np.flatnonzero(apart > TOUCH_M)[:NAMED_MAX].tolist():
        what = f"begins {apart[k]:.2f} m beside its end"
        if gap_m[k] > TOUCH_M:
            what = f"begins {gap_m[k]:.2f} m {'after' if ahead[k] >= 0.0 else 'before'} its end"
        say = faults.error if branches[k] else faults.refuse  # over each other they leave no gap
        say = say if apart[k] > STEP_M else faults.warning
        say(f"lane {lanes[a[k]].lane}", f"its successor {lanes[b[k]].lane} {what}", end[k].mean(axis=0))
    for k in np.flatnonzero(narrow_end & ~narrow_start)[:NAMED_MAX].tolist():
        rule = f"it ends without width and has the successor {lanes[b[k]].lane}"
        faults.error(f"lane {lanes[a[k]].lane}", rule, end[k].mean(axis=0))
    for k in np.flatnonzero(narrow_start & ~narrow_end & (n_after[a] == 1))[:NAMED_MAX].tolist():
        rule = f"its only successor {lanes[b[k]].lane} begins without width"
        faults.error(f"lane {lanes[a[k]].lane}", rule, end[k].mean(axis=0))
    for k in np.flatnonzero(a == b)[:NAMED_MAX].tolist():
        faults.error(f"lane {lanes[a[k]].lane}", "it is its own successor", end[k].mean(axis=0))
    levels = np.array([lane.level for lane in lanes])
    for k in np.flatnonzero(np.abs(levels[a] - levels[b]) > LEVELS_MAX)[:NAMED_MAX].tolist():
        rule = f"its level is {levels[a[k]]}, that of its successor {lanes[b[k]].lane} is {levels[b[k]]}"
        faults.warning(f"lane {lanes[a[k]].lane}", rule, end[k].mean(axis=0))


def _branches(lanes: tuple[Lane, ...], pairs: I64, rails: Rails, gap_m: F64) -> Bools:
    """Return which successors (k,) begin on their lane or at its side, or which lanes end so.

    So ramps are drawn that leave a lane which continues, or lead into one.
    """
    found = np.zeros(len(pairs), dtype=np.bool_)
    for k in np.flatnonzero(gap_m > STEP_M).tolist():
        a, b = pairs[k].tolist()
        for other, rail, way in (
            (lanes[a], rails.start[b], rails.first_way[b]),
            (lanes[b], rails.end[a], rails.way[a]),
        ):
            area = shapely.Polygon(np.vstack([other.right_boundary, other.left_boundary[::-1]]))
            near = shapely.distance(area, shapely.LineString(rail)) <= STEP_M
            found[k] |= near and float(_way_at(other, rail.mean(axis=0)) @ way) > SAME_WAY
    return found


def _way_at(lane: Lane, place: F64) -> F64:
    """Return the unit vector along a lane beside a place (2,)."""
    line = shapely.LineString(lane.left_boundary)
    at_m = min(shapely.line_locate_point(line, shapely.Point(place)), line.length - WAY_M)
    ends = shapely.get_coordinates(shapely.line_interpolate_point(line, [max(at_m, 0.0), at_m + WAY_M]))
    way: F64 = _unit(ends[1:] - ends[:1])[0]
    return way


def _joint(end: F64, start: F64) -> tuple[F64, F64]:
    """Return how far rails (n, 2, 2) are apart [m], and how far the narrower reaches beyond the other."""
    away = np.stack([
        *(_away(end[:, k], start) for k in (0, 1)), *(_away(start[:, k], end) for k in (0, 1))
    ])  # fmt: skip
    wide = np.hypot(*(end[:, 0] - end[:, 1]).T) >= np.hypot(*(start[:, 0] - start[:, 1]).T)
    beyond = np.where(wide, away[2:].max(axis=0), away[:2].max(axis=0))
    crosses = _crosses(end, start)
    return np.where(crosses, 0.0, away.min(axis=0)), beyond


def _away(place: F64, rail: F64) -> F64:
    """Return the distances of places (n, 2) from segments (n, 2, 2)."""
    way = rail[:, 1] - rail[:, 0]
    t = ((place - rail[:, 0]) * way).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-12)
    foot = rail[:, 0] + np.clip(t, 0.0, 1.0)[:, None] * way
    away: F64 = np.hypot(*(place - foot).T)
    return away


def _crosses(a: F64, b: F64) -> F64:
    """Return which segments (n, 2, 2) cross each other."""

    def side(line: F64, place: F64) -> F64:
        way, to = line[:, 1] - line[:, 0], place - line[:, 0]
        return np.asarray(way[:, 0] * to[:, 1] - way[:, 1] * to[:, 0])

    return np.asarray(
        (side(a, b[:, 0]) * side(a, b[:, 1]) < 0.0) & (side(b, a[:, 0]) * side(b, a[:, 1]) < 0.0)
    )


def _check_sides(lanes: tuple[Lane, ...], number: dict[str, int], faults: Faults) -> None:
    """Find neighbours that aren't beside, and sides that name another lane, or none, back."""
    for side, other, mine in (("left", "right", 0), ("right", "left", 1)):
        named = [(i, number[name]) for i, lane in enumerate(lanes) if (name := getattr(lane, side)) in number]
        if not named:
            continue
        a, b = np.array(named, dtype=np.int64).T
        beside_m, across_m = np.zeros(len(a)), np.zeros(len(a))
        k = np.flatnonzero(~_share(lanes, a, b, mine))
        our, their = (_lines(lanes, of[k]) for of in (a, b))
        # the boundary towards it is the same line; one that leads the other way turns the same side to us
        beside_m[k] = np.minimum(_between_m(our[mine], their[1 - mine]), _between_m(our[mine], their[mine]))
        across_m[k] = _between_m(our[1 - mine], their[mine])
        for k in np.flatnonzero(beside_m > TOUCH_M)[:NAMED_MAX].tolist():
            lane, its = lanes[a[k]], lanes[b[k]].lane
            rule = f"{side} names {its}, which lies {beside_m[k]:.2f} m beside its {side} boundary"
            if across_m[k] <= TOUCH_M and beside_m[k] > STEP_M:
                rule = f"{side} names {its}, which lies on its {other}"
            say = faults.refuse if beside_m[k] > STEP_M else faults.warning
            say(f"lane {lane.lane}", rule, _boundary(lane, mine)[len(_boundary(lane, mine)) // 2])
        for k in np.flatnonzero(beside_m <= STEP_M)[: 10 * NAMED_MAX].tolist():
            _check_alike(lanes[a[k]], lanes[b[k]], side, faults)
            _check_named_back(lanes, number, int(a[k]), int(b[k]), (side, other), faults)


def _check_alike(lane: Lane, other: Lane, side: str, faults: Faults) -> None:
    """Find a neighbour on another level, and numbers that do not count from the right."""
    at = _boundary(lane, 0 if side == "left" else 1)[0]
    where = f"lane {lane.lane}"
    if lane.level != other.level and not (side == "right" and other.left == lane.lane):  # said once
        rule = f"its {side} neighbour {other.lane} has level {other.level}, it has {lane.level}"
        faults.warning(where, f"{rule}: who changes lanes leaves the road", at)
    back = (other.right if side == "left" else other.left) == lane.lane  # else it may lead the other way
    if side == "left" and back and lane.road == other.road and other.index <= lane.index:
        if other.index == lane.index and not _are_as_long(lane, other):
            return  # beside a lay-by the numbers need not change
        has = "as it has" if other.index == lane.index else f"it has {lane.index}"
        rule = f"its left neighbour {other.lane} has index {other.index}, {has}"
        faults.warning(where, f"{rule}: 0 is the rightmost", at)


def _are_as_long(lane: Lane, other: Lane) -> bool:
    """Return whether two neighbours go beside each other all along."""
    a_m, b_m = (float(np.hypot(*np.diff(each.left_boundary, axis=0).T).sum()) for each in (lane, other))
    return min(a_m, b_m) >= ALL_ALONG * max(a_m, b_m)


def _share(lanes: tuple[Lane, ...], a: I64, b: I64, mine: int) -> Bools:
    """Return which lanes a (n,) have with b the same boundary, vertex by vertex at three places: most do."""
    same = np.zeros(len(a), dtype=np.bool_)
    for n, (i, j) in enumerate(zip(a.tolist(), b.tolist(), strict=True)):
        ours, theirs = _boundary(lanes[i], mine), _boundary(lanes[j], 1 - mine)
        m = len(ours)
        if m == len(theirs):
            away = [ours[k] - theirs[k] for k in (0, m // 2, m - 1)]
            same[n] = all(abs(d[0]) + abs(d[1]) <= TOUCH_M for d in away)
    return same


def _lines(lanes: tuple[Lane, ...], of: I64) -> list[Any]:
    """Return the left and the right boundaries of lanes (n,) as geometries."""
    return [
        np.array([shapely.LineString(_boundary(lanes[i], side)) for i in of.tolist()], dtype=object)
        for side in (0, 1)
    ]


def _check_named_back(
    lanes: tuple[Lane, ...], number: dict[str, int], a: int, b: int, sides: tuple[str, str], faults: Faults
) -> None:
    """Find a lane whose neighbour b names nobody on the side of a, or a lane of elsewhere."""
    side, other = sides
    back = {getattr(lanes[b], other), getattr(lanes[b], side)}
    if lanes[a].lane in back:
        return
    at = lanes[a].left_boundary[0] if side == "left" else lanes[a].right_boundary[0]
    theirs = getattr(lanes[b], other)
    if theirs is None:
        rule = f"{side} names {lanes[b].lane}, which names no lane on its {other}"
        faults.warning(f"lane {lanes[a].lane}", rule, at)
    elif theirs in number and getattr(lanes[number[theirs]], side) != lanes[b].lane:
        rule = f"{side} names {lanes[b].lane}, which names {theirs} on its {other}"
        faults.refuse(f"lane {lanes[a].lane}", rule, at)  # else it is one of several along a longer lane


def _boundary(lane: Lane, side: int) -> F64:
    return lane.left_boundary if side == 0 else lane.right_boundary


def _between_m(lines: F64, others: F64) -> F64:
    """Return how far lines lie beside others: at three places the median, of both ways the lesser."""
    away = [
        np.median(
            [shapely.distance(shapely.line_interpolate_point(one, t, normalized=True), two) for t in SAMPLES],
            axis=0,
        )
        for one, two in ((lines, others), (others, lines))
    ]
    between: F64 = np.minimum(*away)
    return between


def _check_unlinked(lanes: tuple[Lane, ...], number: dict[str, int], faults: Faults) -> None:
    """Find lanes that no lane names and that name none, where their road has others, or far from all."""
    linked = np.zeros(len(lanes), dtype=np.bool_)
    in_road: dict[str, int] = {}
    for i, lane in enumerate(lanes):
        in_road[lane.road] = in_road.get(lane.road, 0) + 1
        for name in (*lane.successors, lane.left, lane.right):
            if name in number:
                linked[i] = linked[number[name]] = True
    joined = {lane.road for lane, is_linked in zip(lanes, linked.tolist(), strict=True) if is_linked}
    loose = np.flatnonzero(~linked)[:UNLINKED_MAX]
    lines = np.array([shapely.LineString(lane.left_boundary) for lane in lanes], dtype=object)
    row, _ = shapely.STRtree(lines).query(lines[loose], predicate="dwithin", distance=FAR_M)
    alone = (np.bincount(row, minlength=len(loose)) <= 1) & (len(lanes) > 1)  # near itself only
    roads = [lanes[i].road for i in loose.tolist()]  # a road of two lanes has one for each way
    of_several = np.array([road in joined or in_road[road] > 2 for road in roads], dtype=np.bool_)
    loose = loose[alone | of_several]
    for i in loose[:NAMED_MAX].tolist():
        rule = "it is isolated: no successor, no neighbour, and no lane names it"
        faults.warning(f"lane {lanes[i].lane}", rule, lanes[i].left_boundary[0])


def _check_forgotten(lanes: tuple[Lane, ...], rails: Rails, faults: Faults) -> None:
    """Find lanes without a successor that end where, or shortly before, another lane begins."""
    wide = np.hypot(*(rails.end[:, 0] - rails.end[:, 1]).T) >= WIDE_M
    last = np.flatnonzero(np.array([not lane.successors for lane in lanes]) & wide)
    begins = np.hypot(*(rails.start[:, 0] - rails.start[:, 1]).T) >= WIDE_M
    tree = shapely.STRtree(shapely.points(rails.start.mean(axis=1)))
    ends = shapely.points(rails.end[last].mean(axis=1))
    row, b = tree.query(ends, predicate="dwithin", distance=AHEAD_M)
    a = last[row]
    to = rails.start[b].mean(axis=1) - rails.end[a].mean(axis=1)
    ahead = (to * rails.way[a]).sum(axis=1)
    shift = np.abs(rails.way[a][:, 0] * to[:, 1] - rails.way[a][:, 1] * to[:, 0])
    same = (rails.way[a] * rails.first_way[b]).sum(axis=1) > SAME_WAY
    levels = np.array([lane.level for lane in lanes])
    found = begins[b] & same & (ahead > -STEP_M) & (shift <= SHIFT_M) & (levels[a] == levels[b]) & (a != b)
    for k in np.flatnonzero(found)[:NAMED_MAX].tolist():
        rule = f"it ends {max(ahead[k], 0.0):.1f} m before {lanes[b[k]].lane} begins, and has no successor"
        faults.warning(f"lane {lanes[a[k]].lane}", rule, rails.end[a[k]].mean(axis=0))


def _unit(vectors: F64) -> F64:
    unit: F64 = vectors / np.maximum(np.hypot(vectors[:, 0], vectors[:, 1]), 1e-9)[:, None]
    return unit
