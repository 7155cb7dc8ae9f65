"""The RSUs that get a fix: those on whose stretch of road it lies (docs/design.md section 1). Pure.

The gateway routes live, the replay of a whole site routes again: equal fixes in equal order get equal routes.
"""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.arrays import F64, Bools
from edge.sections import RsuConfig
from edge.wire import GnssFix
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import RoadPlan

FEED_MARGIN_M = 150.0  # beyond both ends of a stretch: an RSU tracks a truck before it owns it
CORRIDOR_M = 60.0  # from the axis: carriageways, ramps and the error of a bad receiver
CELL_M = 500.0  # of the axis: a long road's stretches are not all asked for each fix
TERMINALS_MAX = 20_000  # remembered; three times the hazmat trucks of Panjin

Esns = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """One RSU: its range of stations, and its pole in site metres."""

    esn: str
    from_m: float
    to_m: float
    east_m: float
    north_m: float

    def holds(self, station_m: float, margin_m: float) -> bool:
        """Say whether the station is on the stretch; NaN never is."""
        return self.from_m - margin_m <= station_m <= self.to_m + margin_m

    def beside_m(self, station_m: float) -> float:
        """Return how far outside the stretch a station lies."""
        return max(self.from_m - station_m, station_m - self.to_m, 0.0)


class StationAxis(Protocol):
    """The part of a road's axis that routing needs."""

    def station_of(self, east: F64, north: F64) -> tuple[F64, F64]:
        """Return station and offset, shape (n,)."""


class Router:
    """Routes fixes by the stretches of the RSUs; it remembers each terminal's last RSU on the road."""

    def __init__(
        self,
        frame: SiteFrame,
        axis: StationAxis | None,
        stretches: Sequence[Stretch],
        gates: Sequence[tuple[float, float]] = (),
    ) -> None:
        """`gates` are the middles of the gate lines, east and north; without an axis all is off the road."""
        assert stretches, "a site has an RSU"
        self._frame = frame
        self._axis = axis
        self._stretches = tuple(stretches)
        self._nearby: dict[float, tuple[Stretch, ...]] = {}  # by cell of the axis, as it is asked for
        self._last: OrderedDict[str, str] = OrderedDict()  # terminal -> esn, the longest silent first
        self._entrances = self._entrances_of(np.array(gates, dtype=np.float64).reshape(-1, 2))

    def route(self, fixes: Sequence[GnssFix]) -> list[Esns]:
        """Return the RSUs that get each fix; () for a fix without a known place."""
        if not fixes:
            return []
        lon_deg = np.array([fix.lon_deg for fix in fixes], dtype=np.float64)
        lat_deg = np.array([fix.lat_deg for fix in fixes], dtype=np.float64)
        east_m, north_m, inside = self._frame.placed(lon_deg, lat_deg)
        seen = np.array([fix.quality != "none" for fix in fixes]) & inside
        return self.route_placed([fix.terminal for fix in fixes], seen, east_m, north_m)

    def route_placed(self, terminals: Sequence[str], seen: Bools, east_m: F64, north_m: F64) -> list[Esns]:
        """Return the RSUs that get each fix, of n in site metres.

        seen : (n,) its place is known
        """
        stations = self._stations(east_m, north_m)
        columns = (terminals, seen.tolist(), stations, east_m.tolist(), north_m.tolist())
        nearby, routed = self._nearby.get, list[Esns]()
        for terminal, known, station, east, north in zip(*columns, strict=True):
            near = nearby(station // CELL_M, ()) if known else ()  # NaN is no cell
            if len(near) == 1 and near[0].holds(station, FEED_MARGIN_M):  # most of a road
                self._remember(terminal, near[0].esn)
                routed.append((near[0].esn,))
            else:
                routed.append(self._one(terminal, known, station if known else math.nan, east, north))
        return routed

    def _stations(self, east_m: F64, north_m: F64) -> list[float]:
        """Return the station of each place on the road, NaN beside it."""
        if self._axis is None:
            return [math.nan] * len(east_m)
        found = zip(*(values.tolist() for values in self._axis.station_of(east_m, north_m)), strict=True)
        return [station if abs(offset) <= CORRIDOR_M else math.nan for station, offset in found]

    def _one(self, terminal: str, seen: bool, station_m: float, east_m: float, north_m: float) -> Esns:
        nearby = self._near(station_m)
        receivers = [s for s in nearby if s.holds(station_m, FEED_MARGIN_M)]
        if receivers:
            nearest = min(nearby, key=lambda s: s.beside_m(station_m))
            self._remember(terminal, nearest.esn)
            return tuple([s.esn for s in receivers])
        last = self._last.get(terminal)
        if last is not None:
            self._remember(terminal, last)
            return (last,)
        return (self._entrance(east_m, north_m),) if seen else ()

    def _near(self, station_m: float) -> tuple[Stretch, ...]:
        """Return, in the site's order, the stretches near a station, and some more; () for NaN."""
        if math.isnan(station_m):
            return ()
        cell = math.floor(station_m / CELL_M)
        nearby = self._nearby.get(cell)
        if nearby is None:
            middle_m, reach_m = (cell + 0.5) * CELL_M, CELL_M + FEED_MARGIN_M
            nearby = tuple(s for s in self._stretches if s.holds(middle_m, reach_m))
            self._nearby[cell] = nearby
        return nearby

    def _remember(self, terminal: str, esn: str) -> None:
        self._last[terminal] = esn
        self._last.move_to_end(terminal)
        if len(self._last) > TERMINALS_MAX:
            self._last.popitem(last=False)

    def _entrances_of(self, gates: F64) -> list[tuple[float, float, str]]:
        """Return each gate with the RSU that answers for it; the RSUs' own poles where there is no gate."""
        if self._axis is None or not len(gates):
            return [(s.east_m, s.north_m, s.esn) for s in self._stretches]
        stations_m, _ = self._axis.station_of(
            np.ascontiguousarray(gates[:, 0]), np.ascontiguousarray(gates[:, 1])
        )
        return [
            (east, north, min(self._stretches, key=lambda s: (s.beside_m(station), s.from_m)).esn)
            for (east, north), station in zip(gates.tolist(), stations_m.tolist(), strict=True)
            if not math.isnan(station)
        ] or [(s.east_m, s.north_m, s.esn) for s in self._stretches]

    def _entrance(self, east_m: float, north_m: float) -> str:
        return min(self._entrances, key=lambda gate: math.hypot(gate[0] - east_m, gate[1] - north_m))[2]


def router_of(rsus: Sequence[RsuConfig], frame: SiteFrame, road: RoadPlan) -> Router:
    """Return the router to the RSUs of a site by the axis of its map; live and replay have the same."""
    east_m, north_m = frame.site_from_lonlat(
        np.array([rsu.lon_deg for rsu in rsus]), np.array([rsu.lat_deg for rsu in rsus])
    )
    stretches = [
        Stretch(rsu.esn, *rsu.stretch_m, east, north)
        for rsu, east, north in zip(rsus, east_m.tolist(), north_m.tolist(), strict=True)
    ]
    gates = [(float(gate.points[:, 0].mean()), float(gate.points[:, 1].mean())) for gate in road.gates]
    return Router(frame, road.axis, stretches, gates)
