"""The lanes of a CommonRoad file: lanelets, and the traffic signs that limit the speed on them.

A fact may be in several places: a limit in the lanelet (2018b) or on a sign that the lanelet refers to
(2020a), a succession at either of its ends, a neighbour on either side.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

import numpy as np

from core.arrays import F64
from geofence.map.importers.commonroad.values import float_of, interval_of, point_of

# maximum speed, in m/s: the default of most countries, of the USA, of Spain; begin of a zone
SPEED_SIGNS = {"274", "R2-1", "r301", "274.1"}
LIMIT_MAX_MPS = 45.0  # more is hardly m/s
NOT_FOR_VEHICLES = {"sidewalk", "crosswalk", "bicycleLane"}
READ = {
    "leftBound", "rightBound", "speedLimit", "successor", "predecessor", "adjacentLeft", "adjacentRight",
    "trafficSignRef", "laneletType",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanelet:
    """One lanelet; bounds (n, 2) in driving direction; neighbours of the same direction only."""

    id: str
    left_bound: F64
    right_bound: F64
    successors: tuple[str, ...]
    left: str | None
    right: str | None
    speed_limit_mps: float | None
    predecessors: tuple[str, ...] = ()
    signs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sign:
    """One post: its limits, each in m/s."""

    id: str
    limits_mps: tuple[float, ...]


def sign_of(element: Element, counts: Counter[str], skipped: Counter[str]) -> Sign:
    """Return a traffic sign; anything but a speed limit is counted by the sign's number."""
    limits = []
    for part in element.findall("trafficSignElement"):
        name = (part.findtext("trafficSignID") or "").strip()
        if name not in SPEED_SIGNS:
            skipped[f"sign.{name or 'unknown'}"] += 1
            continue
        texts = part.findall("additionalValue")
        values = [value for text in texts if (value := float_of(text.text)) is not None]
        counts["lanelet.speed_limit"] += bool(texts) and not values  # "50 km/h", nan
        limit = _limit(values[0] if values else None, counts)
        if limit is not None:
            limits.append(limit)
        elif not texts:
            skipped[f"sign.{name} without value"] += 1
    return Sign(element.get("id", ""), tuple(limits))


def _limit(value: float | None, counts: Counter[str]) -> float | None:
    """Return a speed limit [m/s]; one that is hardly in m/s is left out and counted."""
    if value is None or 0.0 < value <= LIMIT_MAX_MPS:
        return value
    counts["lanelet.speed_limit"] += 1
    return None


def joined(lanelets: Sequence[Lanelet], signs: Sequence[Sign], counts: Counter[str]) -> list[Lanelet]:
    """Return the lanelets with the facts of other elements: limits of signs, successions, neighbours."""
    limits: dict[str, tuple[float, ...]] = {}
    for sign in signs:  # of two of one id both limits hold: the lowest counts
        counts["sign.duplicate_id"] += sign.id in limits
        limits[sign.id] = limits.get(sign.id, ()) + sign.limits_mps
    following: dict[str, list[str]] = {}
    for lanelet in lanelets:
        for before in lanelet.predecessors:
            following.setdefault(before, []).append(lanelet.id)
    right_of = {lanelet.left: lanelet.id for lanelet in lanelets if lanelet.left is not None}
    left_of = {lanelet.right: lanelet.id for lanelet in lanelets if lanelet.right is not None}
    found = []
    for lanelet in lanelets:
        counts["lanelet.sign_missing"] += sum(name not in limits for name in lanelet.signs)
        known = [limit for name in lanelet.signs for limit in limits.get(name, ())]
        if lanelet.speed_limit_mps is not None:
            known.append(lanelet.speed_limit_mps)
        found.append(
            replace(
                lanelet,
                speed_limit_mps=min(known, default=None),
                successors=tuple(dict.fromkeys((*lanelet.successors, *following.get(lanelet.id, ())))),
                left=lanelet.left if lanelet.left is not None else left_of.get(lanelet.id),
                right=lanelet.right if lanelet.right is not None else right_of.get(lanelet.id),
            )
        )
    named = {name for lanelet in lanelets for name in lanelet.signs}  # only asked, never iterated
    counts["sign.unreferenced"] += sum(bool(sign.limits_mps) and sign.id not in named for sign in signs)
    return found


def lanelet_of(element: Element, counts: Counter[str], skipped: Counter[str]) -> Lanelet | None:
    """Return a lanelet; None where its bounds can't be read, or it is none for vehicles."""
    skipped.update(f"lanelet.{child.tag}" for child in element if child.tag not in READ)
    kinds = {(child.text or "").strip() for child in element.findall("laneletType")}
    if kinds and kinds <= NOT_FOR_VEHICLES:
        skipped.update(f"lanelet of type {kind}" for kind in sorted(kinds))
        return None
    bounds = []
    for name in ("leftBound", "rightBound"):
        points = [point_of(point) for point in element.findall(f"{name}/point")]
        whole = [point for point in points if point is not None]
        if len(whole) < 2 or len(whole) < len(points):
            counts["lanelet.bound"] += 1
            return None
        bounds.append(np.array(whole))
    limit = interval_of(element.find("speedLimit")) or float_of(element.findtext("speedLimit"))
    if limit is None and element.find("speedLimit") is not None:
        counts["lanelet.speed_limit"] += 1
    return Lanelet(
        id=element.get("id", ""),
        left_bound=bounds[0],
        right_bound=bounds[1],
        successors=tuple(e.get("ref", "") for e in element.findall("successor")),
        left=_neighbour(element.find("adjacentLeft")),
        right=_neighbour(element.find("adjacentRight")),
        speed_limit_mps=_limit(limit, counts),
        predecessors=tuple(e.get("ref", "") for e in element.findall("predecessor")),
        signs=tuple(e.get("ref", "") for e in element.findall("trafficSignRef")),
    )


def _neighbour(element: Element | None) -> str | None:
    if element is None or element.get("drivingDir") != "same":
        return None
    return element.get("ref")
