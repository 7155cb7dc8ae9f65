"""Faults in the shapes of lanes and in what they say of each other."""

from itertools import pairwise
from typing import Any

import numpy as np
import shapely

from tests.support.drawn.wrong import Copy, Mutation, Wrong, aside, unit


def _joined(copy: Copy, rng: Any) -> tuple[str, str] | None:
    """A lane and its only successor, of which it is the only one before; both as wide as a lane there."""
    name = copy.pick(
        rng,
        lambda a, lane: (
            len(lane["successors"]) == 1
            and len(copy.before(lane["successors"][0])) == 1
            and copy.width_m(a, -1) > 3.0
            and copy.width_m(lane["successors"][0], 0) > 3.0
        ),
    )
    return None if name is None else (name, copy.lanes[name]["successors"][0])


def _moved_start(rng: Any, copy: Copy, by_m: float) -> tuple[str, str, Any] | None:
    """Move the start of a lane along it; return the lane before it, the lane, and where it was."""
    both = _joined(copy, rng)
    if both is None:
        return None
    left, right = copy.sides(both[1])
    where = shapely.LineString([left[0].copy(), right[0].copy()])
    for line in (left, right):
        line[0] += by_m * unit(line[1] - line[0])
    copy.put(both[1], left, right)
    return (*both, where)


def gap_along(rng: Any, copy: Copy) -> Wrong | None:
    found = _moved_start(rng, copy, rng.uniform(0.4, 2.5))
    return found and copy.wrong("error", rf"successor {found[1]} begins .* after", found[2], *found[:2])


def small_gap_along(rng: Any, copy: Copy) -> Wrong | None:
    found = _moved_start(rng, copy, rng.uniform(0.18, 0.27))
    return found and copy.wrong("warning", rf"successor {found[1]} begins .* after", found[2], *found[:2])


def overlap_along(rng: Any, copy: Copy) -> Wrong | None:
    found = _moved_start(rng, copy, -rng.uniform(0.5, 2.5))
    return found and copy.wrong("error", rf"successor {found[1]} begins .* before", found[2], *found[:2])


def lane_moved_aside(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a) and (lane["successors"] or copy.before(a)))
    if name is None:
        return None
    left, right = copy.sides(name)
    by_m = rng.choice([-1.0, 1.0]) * rng.uniform(0.6, 2.0)
    moved = [line + by_m * np.array([aside(line, k) for k in range(len(line))]) for line in (left, right)]
    copy.put(name, *moved)
    return copy.wrong("error", rf"\b{name}\b", copy.area(name).buffer(2.0), name)


def _right_side_aside(
    rng: Any, copy: Copy, by_m: float, *, is_wide_too: bool
) -> tuple[str, str, shapely.LineString] | None:
    """Move the right side of a lane to its left by by_m; return the lane, its right neighbour, where it was.

    is_wide_too : the neighbour must be as wide as a lane, as well
    """
    name = copy.pick(
        rng,
        lambda a, lane: (
            copy.is_wide(a) and lane.get("right") and (not is_wide_too or copy.is_wide(lane["right"]))
        ),
    )
    if name is None:
        return None
    left, right = copy.sides(name)
    copy.put(name, left, right + by_m * np.array([aside(right, k) for k in range(len(right))]))
    return name, copy.lanes[name]["right"], shapely.LineString(right)


def gap_across(rng: Any, copy: Copy) -> Wrong | None:
    found = _right_side_aside(rng, copy, rng.uniform(0.4, 0.9), is_wide_too=False)
    return found and copy.wrong("error", rf"\b{found[0]}\b.* beside", found[2], *found[:2])


def small_gap_across(rng: Any, copy: Copy) -> Wrong | None:
    found = _right_side_aside(rng, copy, rng.uniform(0.19, 0.26), is_wide_too=True)
    return found and copy.wrong("warning", rf"\b{found[0]}\b.* beside", found[2], *found[:2])


def overlap_across(rng: Any, copy: Copy) -> Wrong | None:
    by_m = rng.uniform(0.5, 1.5)
    found = _right_side_aside(rng, copy, -by_m, is_wide_too=True)
    return found and copy.wrong("error", rf"\b{found[0]}\b", found[2].buffer(by_m), *found[:2])


def _vertex_aside(rng: Any, copy: Copy, sign: float) -> Wrong | None:
    """One vertex that a hand has pulled across, out of its lane or into it.

    Not beside an end, nor far from its neighbours: of one turn alone nobody knows whether it is a corner.
    """
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a) and len(copy.sheet.boundaries[a][1]) > 4)
    if name is None or min(len(line) for line in copy.sheet.boundaries[name]) < 6:
        return None
    left, right = copy.sides(name)
    side = int(rng.integers(2))
    line = (left, right)[side]
    k = int(rng.integers(2, len(line) - 2))
    steps_m = np.hypot(*np.diff(line[k - 2 : k + 3], axis=0).T)
    if steps_m.max() > min(90.0, 2.5 * steps_m.min()):
        return None
    where = shapely.Point(line[k].copy())
    line[k] += sign * (1.0 if side == 0 else -1.0) * rng.uniform(1.5, 2.5) * aside(line, k)
    copy.put(name, left, right)
    return copy.wrong("error", rf"\b{name}\b", where, name)


def vertex_pulled_in(rng: Any, copy: Copy) -> Wrong | None:
    return _vertex_aside(rng, copy, -1.0)


def vertex_pulled_out(rng: Any, copy: Copy) -> Wrong | None:
    return _vertex_aside(rng, copy, 1.0)


def sides_swapped(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a) and (lane.get("left") or lane.get("right")))
    if name is None:
        return None
    lane = copy.lanes[name]
    lane["left"], lane["right"] = lane.get("right"), lane.get("left")
    return copy.wrong("error", rf"lane {name}: (left|right) names", copy.area(name), name)


def side_elsewhere(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: bool(lane.get("left") or lane.get("right")))
    if name is None:
        return None
    side = "left" if copy.lanes[name].get("left") else "right"
    far = copy.pick(rng, lambda a, lane: copy.area(a).distance(copy.area(name)) > 60.0)
    if far is None:
        return None
    about = copy.around(name, far)
    copy.lanes[name][side] = far
    return Wrong(copy.features, "error", rf"lane {name}: {side} names {far}", copy.area(name), about)


def side_forgotten(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(
        rng, lambda a, lane: bool(lane.get("left")) and copy.lanes[lane["left"]].get("right") == a
    )
    if name is None:
        return None
    other = copy.lanes[name].pop("left")
    return copy.wrong("warning", rf"lane {other}: right names {name}", copy.area(name), name, other)


def successor_elsewhere(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: bool(lane["successors"]))
    if name is None:
        return None
    far = copy.pick(rng, lambda a, lane: copy.area(a).distance(copy.area(name)) > 60.0)
    if far is None:
        return None
    about = copy.around(name, far)
    copy.lanes[name]["successors"] = [far]
    left, right = copy.sides(name)
    where = shapely.LineString([left[-1], right[-1]])
    return Wrong(copy.features, "error", rf"lane {name}: .*{far}", where, about)


def successor_forgotten(rng: Any, copy: Copy) -> Wrong | None:
    both = _joined(copy, rng)
    if both is None or copy.lanes[both[0]]["level"] != copy.lanes[both[1]]["level"]:
        return None
    wrong = copy.wrong("warning", rf"lane {both[0]}: it ends", None, *both)
    copy.lanes[both[0]]["successors"] = []
    left, right = copy.sides(both[0])
    wrong.where = shapely.LineString([left[-1], right[-1]])
    return wrong


def successor_is_itself(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a))
    if name is None:
        return None
    copy.lanes[name]["successors"].append(name)
    left, right = copy.sides(name)
    return copy.wrong("error", rf"\b{name}\b", shapely.LineString([left[-1], right[-1]]), name)


def isolated(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: bool(lane.get("left") or lane.get("right")))
    if name is None or len(copy.lanes) < 6 or name[0] == "X":
        return None
    about = copy.around(name)
    for other, lane in copy.lanes.items():
        lane["successors"] = [] if other == name else [n for n in lane["successors"] if n != name]
        for side in ("left", "right"):
            if other == name or lane.get(side) == name:
                lane[side] = None
    return Wrong(copy.features, "warning", rf"lane {name}: it is isolated", copy.area(name), about)


def level_jump(rng: Any, copy: Copy) -> Wrong | None:
    both = _joined(copy, rng)
    if both is None:
        return None
    copy.lanes[both[1]]["level"] += int(rng.choice([-6, 5]))
    left, right = copy.sides(both[0])
    where = shapely.LineString([left[-1], right[-1]])
    return copy.wrong("warning", rf"of its successor {both[1]} is", where, *both)


def neighbour_on_another_level(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(
        rng, lambda a, lane: bool(lane.get("left")) and copy.lanes[lane["left"]]["road"] == lane["road"]
    )
    if name is None:
        return None
    copy.lanes[name]["level"] += 1
    return copy.wrong("warning", rf"\b{name}\b.*level", copy.area(name), name)


def bridge_on_the_ground(rng: Any, copy: Copy) -> Wrong | None:
    if "XE" not in copy.lanes:
        return None
    copy.lanes["XE"]["level"] = copy.lanes["XW"]["level"] = 0
    others = [a for a in copy.lanes if a[0] == "M" and copy.area(a).intersects(copy.area("XE"))]
    others = [a for a in others if copy.lanes[a]["level"] == 0]
    if not others:
        return None
    where = shapely.union_all([copy.area(a).intersection(copy.area("XE")) for a in others])
    return copy.wrong(
        "warning", r"lane \w+: it crosses lane X[EW]|lane X[EW]: it crosses", where, "XE", "XW", *others
    )


def coarse_bend(rng: Any, copy: Copy) -> Wrong | None:
    """A bend whose vertices are thinned out, on both sides."""
    name = copy.pick(
        rng, lambda a, lane: copy.is_wide(a) and lane.get("left") is None and lane.get("right") is None
    )
    if name is None:
        return None
    lines, worst = [], (0.0, None)
    every = int(rng.integers(3, 9))
    for full in copy.sides(name):
        keep = np.unique([*range(0, len(full), every), len(full) - 1])
        for a, b in pairwise(keep[1:-1]):  # between two vertices that turn
            chord = shapely.LineString([full[a], full[b]])
            far = max(shapely.distance(shapely.points(full[a : b + 1]), chord).max(), 0.0)
            if far > worst[0]:
                worst = (float(far), chord)
        lines.append(full[keep])
    if worst[1] is None or not (1.0 < worst[0] < 3.0):
        return None
    copy.put(name, *lines)
    return copy.wrong("error", rf"lane {name}: .*too few vertices", copy.area(name).buffer(worst[0]), name)


def boundaries_swapped(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a))
    if name is None:
        return None
    copy.put(name, *copy.sides(name)[::-1])
    return copy.wrong("error", rf"\(lane {name}\): .*swapped", copy.area(name), name)


def one_boundary_reversed(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a))
    if name is None:
        return None
    left, right = copy.sides(name)
    copy.put(name, left[::-1], right)
    return copy.wrong("error", rf"lane {name}\)?: ", copy.area(name), name)


def lane_backwards(rng: Any, copy: Copy) -> Wrong | None:
    both = _joined(copy, rng)
    if both is None:
        return None
    left, right = copy.sides(both[1])
    copy.put(both[1], right[::-1], left[::-1])
    return copy.wrong("error", rf"{both[1]}", copy.area(both[0]).union(copy.area(both[1])), *both)


def boundary_is_a_point(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a))
    if name is None:
        return None
    left, right = copy.sides(name)
    copy.put(name, np.array([left[0], left[0]]), right)
    return copy.wrong("error", rf"\b{name}\b", copy.area(name), name)


def lane_is_a_point(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a))
    if name is None:
        return None
    left, right = copy.sides(name)
    short = np.array([[0.0, 0.0], [0.02, 0.0]])
    copy.put(name, left[:1] + short, right[:1] + short)
    return copy.wrong("error", rf"\(lane {name}\): .*no length", shapely.Point(left[0]), name)


def boundary_crosses_itself(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a))
    if name is None:
        return None
    left, right = copy.sides(name)
    k = int(rng.integers(1, len(left)))
    along, to = unit(left[k] - left[k - 1]), aside(left, k)
    middle = (left[k] + left[k - 1]) / 2
    loop = middle + np.array([0.5 * along, along + to, -along + to, -0.5 * along])
    copy.put(name, np.insert(left, k, loop, axis=0), right)
    return copy.wrong(
        "error", rf"\(lane {name}\): the left boundary crosses itself", shapely.Point(middle), name
    )


def boundaries_cross(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a) and len(copy.sheet.boundaries[a][0]) > 3)
    if name is None:
        return None
    left, right = copy.sides(name)
    k = int(rng.integers(1, len(left) - 1))
    where = shapely.Point(left[k].copy()).buffer(4.0)
    left[k] -= 6.0 * aside(left, k)
    copy.put(name, left, right)
    where = shapely.LineString(left).intersection(shapely.LineString(right)).union(where)
    return copy.wrong("error", rf"\b{name}\b", where, name)


def too_narrow(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a) and not lane.get("right"))
    if name is None:
        return None
    left, _ = copy.sides(name)
    copy.put(name, left, left - 1.2 * np.array([aside(left, k) for k in range(len(left))]))
    return copy.wrong("error", rf"lane {name}: .*1\.2\d? m wide", copy.area(name), name)


def too_wide(rng: Any, copy: Copy) -> Wrong | None:
    name = copy.pick(rng, lambda a, lane: copy.is_wide(a) and not lane.get("right"))
    if name is None:
        return None
    left, right = copy.sides(name)
    copy.put(name, left, right - 9.0 * np.array([aside(right, k) for k in range(len(right))]))
    return copy.wrong("warning", rf"lane {name}: .* m wide", copy.area(name).buffer(9.0), name, *copy.lanes)


SHAPES: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        gap_along, small_gap_along, overlap_along, lane_moved_aside, gap_across, small_gap_across,
        overlap_across, vertex_pulled_in, vertex_pulled_out, sides_swapped, side_elsewhere, side_forgotten,
        successor_elsewhere, successor_forgotten, successor_is_itself, isolated, level_jump,
        neighbour_on_another_level, bridge_on_the_ground, coarse_bend, boundaries_swapped,
        one_boundary_reversed, lane_backwards, boundary_is_a_point, lane_is_a_point, boundary_crosses_itself,
        boundaries_cross, too_narrow, too_wide,
    )
}  # fmt: skip
