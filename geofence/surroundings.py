"""Questions about the map beside the lane (areas, gates, kinds of lanes) and about nearby vehicles."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import shapely

from core.arrays import F64, I32, I64, Bools
from core.classes import HAZMAT
from fusion.config import RadarPose
from fusion.timekeeping import LooseReports
from fusion.tracks import TrackBatch
from geofence.ahead import Ahead, find_ahead, follows
from geofence.batch import site_of
from geofence.calendar import Cargo, days_of
from geofence.closures import Closure
from geofence.coverage import in_field
from geofence.grading import RuleSettings
from geofence.limits import SpeedLimits
from geofence.located import LEFT, NO_LANE, OUT_PERMITTED, RIGHT, U_EAST, U_NORTH, Located
from geofence.map.areas import Areas, compile_areas
from geofence.map.frames import SiteFrame
from geofence.map.reading import Lane
from geofence.map.roadmap import RoadMap
from geofence.map.strips import CHANGE_LEFT, CHANGE_RIGHT, KIND_MASKS, LANE_MASK, mask_of
from geofence.map.windows import windows_of
from geofence.map.zones import ZoneShape
from geofence.off_lanes import distance_to_lanes_m
from geofence.permits import Openings
from geofence.state import MOVED_MPS
from geofence.widths import Widths

QUEUE_GAP_M_MIN = 8.0  # nearer than a truck's length it is the vehicle itself, seen twice
LANE_HALF_M = 1.9
PASSING_M = 15.0  # a vehicle this near passes: four lanes across, a truck's length along
QUEUE_MIN = 2  # so many behind the first one are a queue; one may have stopped to help
DISTANCE_M_MAX = 5_000.0  # distances beyond it are this
UNSTEADY_SHARE = 0.25  # a truck's speed may change by this share of it until it reports again
REPORT_COURSE_MPS_MIN = 3.0  # a report slower than this has no course
AHEAD_M_MAX = 130.0  # the law asks for 100 m between two vehicles, and each of both may be 20 m long
PLACE_SIGMAS = 4.0  # along the lane, by which a vehicle must be inside an area
EVERYDAY = mask_of(["car", "bus", "truck"])


@lru_cache(maxsize=2)
def _compiled(polygons: tuple[shapely.Polygon, ...]) -> Areas:
    """Return the look-up of polygons; a replay of a whole site needs the same one for every RSU."""
    return compile_areas(polygons)


class Stays(NamedTuple):
    """Where n tracks are, of zones that state the longest stay."""

    is_in: Bools  # (n,) certainly in one
    allowed_s: F64  # (n,) the longest stay of the one where it may be; NaN: of none


class Surroundings:
    """The map's areas and gates, prepared for questions about few vehicles."""

    def __init__(
        self, rules: RuleSettings, road: RoadMap, frame: SiteFrame, radars: Sequence[RadarPose],
        widths: Widths, lowest_mps: F64, vehicles: Sequence[Cargo] = (),
        openings: Openings | None = None,
    ) -> None:  # fmt: skip
        """lowest_mps : (lanes + 1,) lowest speeds, NaN without one; the last is "no lane".

        vehicles : of the registry
        """
        self._rules, self._road, self._radars = rules, road, radars
        rings = [
            np.column_stack(frame.site_from_lonlat(*np.array(ring).T)) for ring in rules.enforcement_area
        ]
        self._area = _compiled(tuple(shapely.Polygon(ring) for ring in rings))
        self.has_area = self._area.count > 0  # where who left the road is judged, whence ever it came
        stops = [zone.polygon for zone in road.zones if set(zone.roles) & set(rules.stop_zone_roles)]
        gates = [shapely.LineString(gate.points) for gate in road.gates]
        self._stops, self._gates = shapely.union_all(stops), shapely.union_all(gates)
        self._permitting = shapely.union_all([*stops, *gates])
        for shape in (self._stops, self._gates, self._permitting):
            shapely.prepare(shape)
        self._zones: dict[tuple[str, ...], list[ZoneShape]] = {}  # by roles
        lanes = road.strips.lanes
        masks = lanes[:, LANE_MASK].astype(np.int64)
        hazmat_only = (masks & KIND_MASKS[HAZMAT] != 0) & (masks & EVERYDAY == 0)
        self.dedicated: Bools = np.append(hazmat_only, False)  # the last row is "no lane"
        changing = (lanes[:, CHANGE_LEFT] > 0) | (lanes[:, CHANGE_RIGHT] > 0)
        self.changing: Bools = np.append(changing, False)
        self.site, self.widths = site_of(rules, widths), widths
        self.vehicles, self._holidays = vehicles, days_of(rules.holidays)
        self.speed_limits = SpeedLimits(rules, road, vehicles)
        self.lowest_mps = lowest_mps
        on_expressway = [lane.road in rules.expressways for lane in road.lanes]
        self.on_expressway: Bools = np.array([*on_expressway, False], dtype=np.bool_)
        self._areas: dict[tuple[str, ...], Areas] = {}  # of zones, by roles
        staying = [zone for zone in road.zones if zone.stay_max_s is not None]
        self.has_stays, self._stay_areas = bool(staying), compile_areas([zone.polygon for zone in staying])
        self._stays_s: F64 = np.array([*(zone.stay_max_s or 0.0 for zone in staying), np.nan])
        self._closed: dict[tuple[Closure, ...], list[ZoneShape]] = {}
        self._follows = follows(road.lanes)
        self._openings = openings or {}  # of zones, by permits

    def zones(self, roles: Sequence[str]) -> list[ZoneShape]:
        """Return the map's zones of these roles."""
        key = tuple(roles)
        if key not in self._zones:
            self._zones[key] = [
                ZoneShape(
                    z.zone, z.polygon, z.windows, holidays=self._holidays, openings=self._openings.get(z.zone)
                )
                for z in self._road.zones
                if set(z.roles) & set(roles)
            ]
        return self._zones[key]

    def lane_rows(self, located: Located) -> I64:
        """Return each track's row in the tables above."""
        return np.where(located.lane == NO_LANE, len(self.dedicated) - 1, located.lane).astype(np.int64)

    def off_road_m(self, tracks: TrackBatch, located: Located, away: Bools) -> F64:
        """Return each hazmat vehicle's distance from all places that permit it (n,) [m]; NaN: not judged.

        away : (n,) it left the lanes between its gates, so that it is judged wherever it is
        """
        near = located.found[:, OUT_PERMITTED]
        mine = (located.kind == HAZMAT) & (located.vehicle >= 0) & (away | self.has_area)
        out = np.where(mine, np.maximum(near, 0.0), np.nan)
        far = np.flatnonzero(mine & np.isnan(near))
        inside = away[far] | self._area.any(tracks.x[far, 0], tracks.x[far, 1])
        strips = self._road.strips
        for i in far[inside].tolist():
            east, north = float(tracks.x[i, 0]), float(tracks.x[i, 1])
            lanes_m = distance_to_lanes_m(east, north, strips, KIND_MASKS[HAZMAT], DISTANCE_M_MAX)
            areas_m = shapely.distance(self._permitting, shapely.Point(east, north))
            out[i] = lanes_m if np.isnan(areas_m) else min(lanes_m, float(areas_m))
        return out

    def excused(self, tracks: TrackBatch, located: Located, standing: I64, stands_alone: Bools) -> Bools:
        """Return whether each standing track may stand: in an area for it, at a gate, in a queue.

        stands_alone : (k,) of the standing ones those that no queue can explain any more
        """
        speed = np.hypot(tracks.x[:, 2], tracks.x[:, 3])
        slow = speed < max(3.0, self._rules.stop_speed_mps)
        pairs = zip(standing.tolist(), stands_alone.tolist(), strict=True)
        rows = [self._may_stand(i, tracks, located, slow, alone) for i, alone in pairs]
        return np.array(rows, dtype=np.bool_)

    def may_change(self, located: Located, at: I64) -> Bools:
        """Return which tracks `at` (k,) may leave their lane for the next one."""
        return np.asarray(self.changing[self.lane_rows(located)[at]])

    def passed(self, tracks: TrackBatch, located: Located, standing: I64) -> Bools:
        """Return which standing tracks (k,) a vehicle of their way passes."""
        found = np.zeros(len(standing), dtype=np.bool_)
        for k, i in enumerate(standing.tolist()):
            if located.lane[i] == NO_LANE:
                continue
            u = located.found[i, [U_EAST, U_NORTH]]
            away, along_mps = tracks.x[:, :2] - tracks.x[i, :2], tracks.x[:, 2:] @ u
            ahead, beside = np.abs(away @ u), np.abs(u[0] * away[:, 1] - u[1] * away[:, 0])
            by = (ahead <= PASSING_M) & (beside > LANE_HALF_M) & (beside <= PASSING_M)
            found[k] = bool((by & tracks.confirmed & (along_mps > MOVED_MPS)).any())
        return found

    def _may_stand(
        self, i: int, tracks: TrackBatch, located: Located, slow: Bools, stands_alone: bool
    ) -> bool:
        place = shapely.Point(tracks.x[i, 0], tracks.x[i, 1])
        if not self._stops.is_empty and shapely.distance(self._stops, place) <= 1.0:
            return True
        if not self._gates.is_empty and shapely.distance(self._gates, place) <= self._rules.stop_gate_m:
            return True
        if stands_alone or located.lane[i] == NO_LANE:
            return False  # beside the lanes nobody queues: each of several parked vehicles stands for itself
        along_e, along_n = located.found[i, U_EAST], located.found[i, U_NORTH]
        de, dn = tracks.x[:, 0] - tracks.x[i, 0], tracks.x[:, 1] - tracks.x[i, 1]
        ahead, beside = de * along_e + dn * along_n, np.abs(along_e * dn - along_n * de)
        others = slow & tracks.confirmed & (beside <= LANE_HALF_M) & (located.lane != NO_LANE)
        if (others & (ahead >= QUEUE_GAP_M_MIN) & (ahead <= self._rules.stop_queue_m)).any():
            return True
        east, north = (
            place.x + self._rules.stop_queue_m * along_e,
            place.y + self._rules.stop_queue_m * along_n,
        )
        return self._queues_behind(np.sort(-ahead[others])) and not self._is_seen(east, north)

    def _queues_behind(self, behind_m: F64) -> bool:
        """Return whether at least QUEUE_MIN vehicles stand one after another behind a vehicle.

        behind_m : (k,) how far behind it slow vehicles of its lane are, ascending; negative ahead
        """
        n, last_m = 0, 0.0
        for away_m in behind_m[behind_m >= QUEUE_GAP_M_MIN].tolist():
            if away_m - last_m > self._rules.stop_queue_m:
                break
            n, last_m = n + 1, away_m
        return n >= QUEUE_MIN

    def _is_seen(self, east_m: float, north_m: float) -> bool:
        """Return whether a place is in the field of any of our radars: what blocks a lane there is seen."""
        east, north = np.array([east_m]), np.array([north_m])
        return any(in_field(radar, east, north)[0] for radar in self._radars)

    def ahead(self, tracks: TrackBatch, located: Located) -> Ahead:
        """Return who drives ahead of each track."""
        return find_ahead(tracks.x, located, tracks.confirmed, self._follows, AHEAD_M_MAX)

    def zone_of(self, roles: Sequence[str], tracks: TrackBatch, located: Located, at: I64) -> I32:
        """Return the number of a zone of these roles that certainly holds each track of `at` (m,), or -1."""
        key = tuple(roles)
        if key not in self._areas:
            zones = [zone.polygon for zone in self._road.zones if set(zone.roles) & set(roles)]
            self._areas[key] = compile_areas(zones)
        return self._certainly_in(self._areas[key], tracks, located, at)

    def _certainly_in(self, areas: Areas, tracks: TrackBatch, located: Located, at: I64) -> I32:
        """Return the number of an area that holds each track of `at` (m,) and the places around it, or -1."""
        back, here, on = self._around_in(areas, tracks, located, at)
        return np.where((back == here) & (on == here), here, -1).astype(np.int32)

    def _around_in(self, areas: Areas, tracks: TrackBatch, located: Located, at: I64) -> I32:
        """Return the areas that hold the places behind, of and before each track of `at` (3, m), or -1.

        They are as far apart as the place may be wrong, along the lane.
        """
        spread = (tracks.P[at, 0, 0] + tracks.P[at, 1, 1]) / 2 + tracks.bias_m[at] ** 2
        along = np.nan_to_num(self.lane_directions(located, at))  # off the lanes: the centre decides
        reach = (PLACE_SIGMAS * np.sqrt(np.maximum(spread, 0.0)))[:, None] * along
        places = [tracks.x[at, :2] + shift * reach for shift in (-1.0, 0.0, 1.0)]
        return np.array([areas.find(*place.T)[:, 0] for place in places], dtype=np.int32)

    def stays(self, tracks: TrackBatch, located: Located) -> Stays:
        """Return in which zones that state the longest stay the tracks are."""
        found = self._around_in(self._stay_areas, tracks, located, np.arange(len(tracks)))
        zone = found.max(axis=0)
        allowed_s = np.where(zone >= 0, self._stays_s[zone], np.nan)
        return Stays((found == zone).all(axis=0) & (zone >= 0), allowed_s)

    def closed(self, closures: tuple[Closure, ...]) -> list[ZoneShape]:
        """Return the areas of closed roads and lanes."""
        if closures not in self._closed:
            self._closed[closures] = [_closed_area(row, self._road.lanes, self._holidays) for row in closures]
        return self._closed[closures]

    def way_of(self, located: Located, at: I64) -> F64:
        """Return which way the lanes of tracks `at` (m,) lead: 1 with the stations, -1 against, 0 unknown."""
        axis = self._road.axis
        if axis is None:
            return np.zeros(len(at))
        s_m, u = located.s_m[at], self.lane_directions(located, at)
        (east, north), (to_east, to_north) = (axis.site_of(s_m + step, 0.0 * s_m) for step in (-0.5, 0.5))
        return np.sign(u[:, 0] * (to_east - east) + u[:, 1] * (to_north - north))

    def lane_directions(self, located: Located, at: I64) -> F64:
        """Return the directions of the lanes of tracks `at` (m, 2)."""
        return located.found[at][:, [U_EAST, U_NORTH]]

    def inside_m(self, located: Located, at: I64) -> F64:
        """Return how far tracks `at` (m,) are from the nearer line of their lane, NaN off the lanes."""
        nearer: F64 = np.minimum(located.found[at, LEFT], located.found[at, RIGHT])
        return np.where(located.lane[at] == NO_LANE, np.nan, nearer)

    def is_where_vehicles_slow_down(self, places: F64, gate_m: float) -> Bools:
        """Return which places (m, 2) are near a gate, or in an area where vehicles stop."""
        points = shapely.points(places)
        near = np.array([shapely.distance(shape, points) <= gate_m for shape in (self._gates, self._stops)])
        return np.asarray(near.any(axis=0))  # the distance from nothing is NaN

    def is_seen_ahead(self, tracks: TrackBatch, located: Located, at: I64, ahead_m: float) -> Bools:
        """Return before which tracks (m,) of those at `at` radar sees the lane, from them on and so far."""
        east, north, found = tracks.x[at, 0], tracks.x[at, 1], located.found[at]
        far_e, far_n = east + ahead_m * found[:, U_EAST], north + ahead_m * found[:, U_NORTH]
        here, there = np.zeros((2, len(at)), dtype=np.bool_)
        for radar in self._radars:
            here |= in_field(radar, east, north)
            there |= in_field(radar, far_e, far_n)
        return np.asarray(here & there)

    def reporter_near(self, t_ns: int, tracks: TrackBatch, wanted: Bools) -> Bools:
        """Return near which wanted tracks (n,) a terminal reports that no radar sees: it may be theirs."""
        near = np.zeros(len(tracks), dtype=np.bool_)
        unseen = t_ns - tracks.radar_ns > int(self._rules.fresh_s * 1e9)
        loose = np.flatnonzero((tracks.terminal >= 0) & unseen)
        for i in np.flatnonzero(wanted).tolist() if len(loose) else ():
            away = np.hypot(tracks.x[loose, 0] - tracks.x[i, 0], tracks.x[loose, 1] - tracks.x[i, 1])
            near[i] = bool((away <= self._rules.dark_reporter_m + 3.0 * tracks.bias_m[loose]).any())
        return near

    def may_have_reported(self, t_ns: int, tracks: TrackBatch, wanted: Bools, reports: LooseReports) -> Bools:
        """Return which wanted tracks (n,) may have sent one of the reports without a usable stamp.

        A report was measured at most `way_ns` before its arrival. The track's vehicle was then on the line
        that its velocity draws backwards. A terminal bound to another track under radar is not this one's.
        """
        near = np.zeros(len(tracks), dtype=np.bool_)
        seen = t_ns - tracks.radar_ns <= int(self._rules.fresh_s * 1e9)
        bound = np.where(seen, tracks.terminal, -1)
        since_s = (t_ns - reports.arrived_ns) * 1e-9
        back_s = since_s + reports.way_ns * 1e-9
        for i in np.flatnonzero(wanted).tolist():
            v_e, v_n = float(tracks.x[i, 2]), float(tracks.x[i, 3])
            speed = np.hypot(v_e, v_n)
            d_e, d_n = reports.east_m - tracks.x[i, 0], reports.north_m - tracks.x[i, 1]
            # how long ago the track was nearest to the report, within the possible times
            ago_s = np.clip(-(d_e * v_e + d_n * v_n) / max(speed**2, 1e-6), since_s, back_s)
            away_m = np.hypot(d_e + ago_s * v_e, d_n + ago_s * v_n)
            faster = np.fmax(reports.speed_mps, speed)
            reach_m = self._rules.dark_reporter_m + 3.0 * reports.sigma_m + UNSTEADY_SHARE * faster * since_s
            against = (np.cos(reports.heading_rad) * v_e + np.sin(reports.heading_rad) * v_n < 0.0) & (
                np.fmin(reports.speed_mps, speed) > REPORT_COURSE_MPS_MIN
            )
            others = np.isin(reports.terminal, bound[np.arange(len(bound)) != i])
            near[i] = bool(((away_m <= reach_m) & ~against & ~others).any())
        return near


def _closed_area(row: Closure, lanes: Sequence[Lane], holidays: Collection[int]) -> ZoneShape:
    """Return the area of the lanes that a row closes."""
    mine = [k for k, lane in enumerate(lanes) if lane.lane in row.lanes or lane.road in row.roads]
    rings = [np.vstack([lanes[k].right_boundary, lanes[k].left_boundary[::-1]]) for k in mine]
    area: Any = shapely.union_all([shapely.make_valid(shapely.Polygon(ring)) for ring in rings])
    windows = windows_of(row.time_window) if row.time_window else ()
    return ZoneShape(row.name, area, windows, frozenset(mine), holidays)
