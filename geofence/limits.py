"""The speed limit of each vehicle, and which layer states it: lane, class, cargo, zone, time or weather.

The lowest holds. A zone's limit counts where its vehicle certainly is in the zone. What depends on time
changes at full minutes.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from core.arrays import F1, F2, F64, I32, I32x1, I32x2, U8x1
from core.kernel import checked_once, kernel
from fusion.tracks import TrackBatch
from geofence.calendar import Cargo, days_of, is_among
from geofence.grading import RuleSettings
from geofence.layers import KINDS, LAW, SpeedLimit
from geofence.located import LIMIT, NO_LANE, U_EAST, U_NORTH, Located
from geofence.map.areas import compile_areas
from geofence.map.reading import Lane
from geofence.map.roadmap import RoadMap, Zone
from geofence.map.windows import MINUTE_NS, holds, windows_of

SIGMAS = 4.0  # of a place's error, all around which a zone's limit must hold: as the rules of zones ask for
NONE = -1
POSTED = 0  # the first of the names


class Limits(NamedTuple):
    """The limits of n vehicles."""

    mps: F64  # (n,) NaN: none
    layer: I32  # (n,) index into `SpeedLimits.names`, -1: none


class Asked(NamedTuple):
    """n vehicles, as the kernel reads them."""

    found: F2
    lane: I32x1
    kind: U8x1
    vehicle: I32x1
    hits: I32x2  # (5 n, k) zones at each place and around it; no rows on a map without zones with limits


class Rows(NamedTuple):
    """The rows that hold now, by road and group of vehicles."""

    road: I32x1  # (lanes + 1,) of each lane, the last is "no lane"
    group: I32x1  # of each vehicle of the registry; those of an unknown one are its class
    low_mps: F2  # (roads, groups) infinite: none
    low: I32x2  # its name
    share: F2  # (roads, groups) of the lowest limit; 1: none
    sharing: I32x2
    zone_mps: F1  # (zones,) infinite while it does not hold
    first_zone: int  # its name


@kernel
def lowest(asked: Asked, rows: Rows, mps: F1, layer: I32x1) -> None:
    """Fill the limit of each of n vehicles, NaN without one, and its layer."""
    n, hits = asked.lane.shape[0], asked.hits
    for i in range(n):
        lane, vehicle = asked.lane[i], asked.vehicle[i]
        road = rows.road[rows.road.shape[0] - 1 if lane == NO_LANE else lane]
        group = int(asked.kind[i]) if vehicle < 0 else rows.group[vehicle]
        low, name = np.inf, NONE
        if asked.found[i, LIMIT] < low:  # NaN is no limit
            low, name = asked.found[i, LIMIT], POSTED
        if rows.low_mps[road, group] < low:
            low, name = rows.low_mps[road, group], rows.low[road, group]
        around, where = -np.inf, NONE  # the highest limit of the places at which it may be
        for k in range(hits.shape[0] // n):
            here, zone = np.inf, NONE
            for h in range(hits.shape[1]):
                at = hits[k * n + i, h]
                if at >= 0 and rows.zone_mps[at] < here:
                    here, zone = rows.zone_mps[at], at
            if here > around:
                around, where = here, zone
        if where >= 0 and around < low:
            low, name = around, rows.first_zone + where
        if rows.share[road, group] < 1.0 and low < np.inf:
            low, name = low * rows.share[road, group], rows.sharing[road, group]
        mps[i], layer[i] = (low if low < np.inf else np.nan), name


_lowest_once = checked_once(lowest)


class SpeedLimits:
    """The layers of one site, compiled for its roads and its registry."""

    def __init__(self, rules: RuleSettings, road: RoadMap, vehicles: Sequence[Cargo]) -> None:
        """vehicles : of the registry."""
        general = (
            SpeedLimit(limit_mps=rules.hazmat_limit_mps, on="other", classes=("hazmat",)),
            SpeedLimit(limit_mps=rules.hazmat_limit_expressway_mps, on="expressway", classes=("hazmat",)),
        )
        self._rules = [row for row in (*general, *LAW, *rules.speed_limits) if row.is_weather(rules.weather)]
        self._holidays = days_of(rules.holidays)
        self._windows = [windows_of(row.time_window) if row.time_window else () for row in self._rules]
        zones = [zone for zone in road.zones if zone.speed_limit_mps is not None]
        self._zones, self._areas = zones, compile_areas([zone.polygon for zone in zones])
        self.has_zones = bool(zones)  # with limits
        self._no_hits: I32 = self._areas.find(np.zeros(0), np.zeros(0))
        self.names = ("lane", *map(_name, self._rules), *(f"zone:{zone.zone}" for zone in zones))
        names = list(dict.fromkeys(lane.road for lane in road.lanes))
        number = {name: k for k, name in enumerate(names)}
        self._roads: list[tuple[str | None, bool]] = [(name, name in rules.expressways) for name in names]
        self._roads.append((None, False))  # no lane
        self._road: I32 = np.array([*(number[lane.road] for lane in road.lanes), len(names)], dtype=np.int32)
        known: dict[tuple[str, str | None], int] = {(kind, None): k for k, kind in enumerate(KINDS)}
        group = [known.setdefault(vehicle[:2], len(known)) for vehicle in vehicles]
        self._groups, self._group = list(known), np.array([*group, 0], dtype=np.int32)
        self._varies = any(self._windows) or any(zone.windows for zone in zones)
        self._minute, self._rows = NONE, self._at(0)

    def of(self, tracks: TrackBatch, located: Located) -> Limits:
        """Return the limits of n tracks at their newest stamp."""
        n = len(located.lane)
        limits = Limits(np.empty(n), np.empty(n, dtype=np.int32))
        self.fill(limits, tracks, located)
        return limits

    def fill(self, limits: Limits, tracks: TrackBatch, located: Located) -> None:
        """Fill in what `of` returns."""
        if not len(limits.mps):
            return
        asked = self.asked(located)
        if self.has_zones:
            asked = asked._replace(hits=self._hits(tracks, located))
        _lowest_once(asked, self.rows_at(tracks), limits.mps, limits.layer)

    def asked(self, located: Located) -> Asked:
        """Return n vehicles, which may be located later, as `lowest` reads them; they are in no zone."""
        return Asked(located.found, located.lane, located.kind, located.vehicle, self._no_hits)

    def rows_at(self, tracks: TrackBatch) -> Rows:
        """Return the rows that hold at the newest stamp of n > 0 tracks."""
        if self._varies:
            newest_ns = int(tracks.stamp_ns.max())
            if newest_ns // MINUTE_NS != self._minute:
                self._minute, self._rows = newest_ns // MINUTE_NS, self._at(newest_ns)
        return self._rows

    def name(self, layer: int) -> str | None:
        """Return a layer's name as a violation has it."""
        return None if layer == NONE else self.names[layer]

    def _hits(self, tracks: TrackBatch, located: Located) -> I32:
        """Return the zones at the places of n tracks and at four places around each (5 n, k)."""
        spread = tracks.P[:, 0, 0] + tracks.P[:, 1, 1]
        reach = SIGMAS * np.sqrt(np.maximum(spread, 0.0) / 2 + tracks.bias_m**2)
        u_east, u_north = located.found[:, U_EAST], located.found[:, U_NORTH]
        known = np.isfinite(u_east)
        along_e, along_n = reach * np.where(known, u_east, 1.0), reach * np.where(known, u_north, 0.0)
        east, north = tracks.x[:, 0], tracks.x[:, 1]
        return self._areas.find(
            np.concatenate([east, east + along_e, east - along_e, east + along_n, east - along_n]),
            np.concatenate([north, north + along_n, north - along_n, north - along_e, north + along_e]),
        )

    def _at(self, stamp_ns: int) -> Rows:
        """Return the rows that hold at a stamp."""
        shape = (len(self._roads), len(self._groups))
        zones_mps = [_zone_mps(zone, stamp_ns, self._holidays) for zone in self._zones]
        rows = Rows(
            road=self._road,
            group=self._group,
            low_mps=np.full(shape, np.inf),
            low=np.full(shape, NONE, dtype=np.int32),
            share=np.ones(shape),
            sharing=np.full(shape, NONE, dtype=np.int32),
            zone_mps=np.array(zones_mps, dtype=np.float64),
            first_zone=1 + len(self._rules),
        )
        for k, row in enumerate(self._rules):
            if self._windows[k] and not holds(self._windows[k], stamp_ns, self._holidays):
                continue
            on = np.array([_is_on(row, *road) for road in self._roads], dtype=np.bool_)
            of = np.array([_is_of(row, *group) for group in self._groups], dtype=np.bool_)
            here = on[:, None] & of
            if row.limit_mps is not None:
                value, values, names = row.limit_mps, rows.low_mps, rows.low
            else:
                value, values, names = row.share or 1.0, rows.share, rows.sharing
            lower = here & (values > value)
            values[lower], names[lower] = value, 1 + k
        return rows


def _zone_mps(zone: Zone, stamp_ns: int, holidays: Collection[int]) -> float:
    if zone.speed_limit_mps is None or (zone.windows and not holds(zone.windows, stamp_ns, holidays)):
        return np.inf
    return zone.speed_limit_mps


def _name(row: SpeedLimit) -> str:
    return f"{row.layer}:{row.name}" if row.name else row.layer


def _is_on(row: SpeedLimit, road: str | None, expressway: bool) -> bool:
    """Return whether a row holds on a road; None: off the lanes."""
    return (not row.roads or road in row.roads) and row.on in ("any", "expressway" if expressway else "other")


def _is_of(row: SpeedLimit, kind: str, hazmat_class: str | None) -> bool:
    """Return whether a row holds for vehicles of a class and cargo."""
    if row.classes and kind not in row.classes:
        return False
    return not row.hazmat_classes or is_among(hazmat_class, row.hazmat_classes)


def lowest_speeds(lanes: Sequence[Lane], expressways: Collection[str], expressway_mps: float) -> F64:
    """Return the lowest speed of each lane (lanes + 1,), NaN without one; the last is "no lane".

    expressway_mps : of lanes of expressways that state none
    """
    low = [
        expressway_mps if lane.min_speed_mps is None and lane.road in expressways else lane.min_speed_mps
        for lane in lanes
    ]
    return np.array([*(np.nan if mps is None else mps for mps in low), np.nan], dtype=np.float64)
