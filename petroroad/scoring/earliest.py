"""When the truth itself first met a rule's grade `warning`: nobody can warn before, whatever he measures.

Of a departure it follows from the true footprint and the map's lanes, by Shapely and not by the product's own
geometry. Of a rule that counts seconds it is the start and the count. Of the others it is known where the
truth states it (`due_ns` in the `detail` of `/truth/violation`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import shapely

from core.arrays import F64
from core.times import NS
from edge.config import Site
from edge.recording.recorder import read_messages
from edge.site_map import road_of
from geofence.config import section_of
from geofence.grading import Hold
from geofence.map.roadmap import Lane
from geofence.rules import BY_NAME
from petroroad.scoring.violations import TrueEvent

DEPARTURE, PERMITTED = "lane_departure", "hazmat"  # the rule asks for lanes that permit such vehicles
AROUND_NS = 2 * NS  # before and after the event: a rule's time may end a little behind it
GAP_NS = 250_000_000  # a longer pause of the truth ends what is held
PUZZLE_M = 1e-3  # a lane ends where the next begins, but for the map's rounding
# Points of the outline, as shares of length and width: in a bend the middle of a side may be outmost
OUTLINE = np.array([(a, b) for a in (-0.5, 0.0, 0.5) for b in (-0.5, 0.5)])


class TrueFootprints(msgspec.Struct, frozen=True, kw_only=True):
    """`/truth`, as far as footprints ask."""

    stamp_ns: int
    id: tuple[int, ...]
    lon_deg: tuple[float, ...]
    lat_deg: tuple[float, ...]
    course_deg: tuple[float, ...] = ()
    length_m: tuple[float | None, ...] = ()
    width_m: tuple[float | None, ...] = ()
    lane: tuple[str | None, ...] = ()


def with_due(path: Path, site: Site, events: Sequence[TrueEvent]) -> list[TrueEvent]:
    """Return the events with `due_ns` where it is known.  path : the recording with `/truth`"""
    departures = [event for event in events if event.rule == DEPARTURE and event.due_ns is None]
    due_ns = _due_of_departures(path, site, departures) if departures else {}
    return [replace(event, due_ns=due_ns.get(event.id, _counted_ns(site, event))) for event in events]


def _counted_ns(site: Site, event: TrueEvent) -> int | None:
    """Return since when an event of a rule that counts seconds is due; what is stated comes first."""
    rule, grading = BY_NAME.get(event.rule), section_of(site.config.rules, event.rule)
    if event.due_ns is not None or rule is None or rule.kind != "timed":
        return event.due_ns
    holds: Sequence[Hold] = getattr(grading, "warning", ())
    return min((event.start_ns + round(hold.over * NS) for hold in holds), default=None)


def _due_of_departures(path: Path, site: Site, events: Sequence[TrueEvent]) -> dict[str, int]:
    """Return by id when each departure's footprint met the grade; without those that never do."""
    states: dict[str, list[tuple[int, list[float]]]] = defaultdict(list)
    held: dict[str, dict[str, None]] = defaultdict(dict)  # the lanes that each was in
    decoder = msgspec.msgpack.Decoder(TrueFootprints)
    for message in read_messages(path):
        if message.topic != "/truth":
            continue
        frame = decoder.decode(message.body)
        if not len(frame.course_deg) == len(frame.length_m) == len(frame.width_m) == len(frame.id):
            continue  # a truth without sizes
        for event in events:
            near = event.start_ns - AROUND_NS <= frame.stamp_ns <= event.end_ns + AROUND_NS
            if not near or event.vehicle not in frame.id:
                continue
            k = frame.id.index(event.vehicle)
            size = frame.length_m[k], frame.width_m[k]
            if frame.lane and (lane := frame.lane[k]) is not None:
                held[event.id][lane] = None
            if None not in size:
                columns: list[Any] = [frame.lon_deg[k], frame.lat_deg[k], frame.course_deg[k], *size]
                states[event.id].append((frame.stamp_ns, columns))
    lanes = road_of(site).lanes
    holds = section_of(site.config.rules, DEPARTURE).warning
    due = {}
    for key, rows in states.items():
        # a lane on a bridge permits nothing below it
        levels = {lane.level for lane in lanes if lane.lane in held[key]}  # only asked, never iterated
        permitted = _permitted([lane for lane in lanes if not levels or lane.level in levels])
        stamps = np.array([stamp for stamp, _ in rows], dtype=np.int64)
        found = held_ns(stamps, depths_m(site, permitted, np.array([row for _, row in rows])), holds)
        if found is not None:
            due[key] = found
    return due


def _permitted(lanes: Sequence[Lane]) -> Any:
    """Return the area of those of the lanes that permit a hazmat vehicle."""
    rings = [
        np.concatenate([lane.left_boundary, lane.right_boundary[::-1]])
        for lane in lanes
        if PERMITTED in lane.allowed
    ]
    return shapely.union_all([shapely.Polygon(ring).buffer(PUZZLE_M) for ring in rings])


def depths_m(site: Site, permitted: Any, states: F64) -> F64:
    """Return how far the outmost point of each footprint is outside `permitted` [m], (n,).

    states : (n, 5) longitude, latitude, course [deg], length, width [m]
    """
    lon, lat, course, length, width = states.T
    east, north = site.frame.site_from_lonlat(lon, lat)
    heading = site.frame.heading_from_course(course, east, north)
    ahead, left = OUTLINE[:, :1] * length, OUTLINE[:, 1:] * width
    cos, sin = np.cos(heading), np.sin(heading)
    points = shapely.points(east + ahead * cos - left * sin, north + ahead * sin + left * cos)
    away: F64 = np.asarray(shapely.distance(permitted, points), dtype=np.float64).max(axis=0)
    return away


def held_ns(stamps_ns: Any, depth_m: F64, holds: Sequence[Hold]) -> int | None:
    """Return when the first of the holds is met by depths, linear in between; None: never."""
    found = []
    for hold in holds:
        since_ns: float | None = None
        for k, depth in enumerate(depth_m.tolist()):
            now_ns = int(stamps_ns[k])
            if depth <= hold.over or (k and now_ns - stamps_ns[k - 1] > GAP_NS):
                since_ns = None
            if depth > hold.over and since_ns is None:
                before = float(depth_m[k - 1]) if k else depth
                share = (depth - hold.over) / (depth - before) if before < hold.over else 0.0
                since_ns = now_ns - share * float(now_ns - stamps_ns[k - 1] if k else 0)
            if since_ns is not None and now_ns - since_ns >= hold.for_s * NS:
                found.append(round(since_ns + hold.for_s * NS))
                break
    return min(found, default=None)
