"""Counts the vehicles that cross one station of each RSU's stretch, from its snapshots. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from edge import wire
from edge.stations import stations_m

HOUR_NS = 3_600_000_000_000
SAMPLE_NS = 1_000_000_000  # a look each second is enough: a crossing is seen by its two sides
LOST_NS = 5_000_000_000  # a track that was not seen for longer is forgotten
WATCHED_M = 400.0  # from the station, within which a track is remembered
LANES_MAX = 256  # names of one RSU


class Passage(NamedTuple):
    """One counter: the hour (UTC), the RSU, the lane (empty: none) and the class."""

    hour_ns: int
    esn: str
    lane: str
    kind: int


class Passages:
    """The counters since they were last taken."""

    def __init__(self, stations: Mapping[str, float]) -> None:
        """stations : by RSU, the station whose crossings are counted [m]"""
        self._stations = stations
        self._lanes: dict[str, tuple[str, ...]] = {}
        self._seen: dict[str, dict[int, tuple[float, int]]] = {}  # by RSU and track: metres beyond, stamp
        self._stamps: dict[str, int] = {}
        self._counted: Counter[Passage] = Counter()

    def receive(self, snapshot: wire.TrackSnapshot) -> None:
        """Count the crossings since the RSU's last snapshot."""
        esn, stamp_ns = snapshot.esn, snapshot.stamp_ns
        station_m = self._stations.get(esn)
        if station_m is None:
            return
        if snapshot.lanes is not None:
            self._lanes[esn] = snapshot.lanes[:LANES_MAX]
        if 0 <= stamp_ns - self._stamps.get(esn, -SAMPLE_NS) < SAMPLE_NS:
            return
        self._stamps[esn] = stamp_ns
        records = wire.records_of(snapshot)
        beyond_m = stations_m(records) - station_m
        near = ((records["flags"] & wire.FLAG_OWNED) != 0) & (abs(beyond_m) <= WATCHED_M)
        before = self._seen.get(esn, {})
        now = {track: at for track, at in before.items() if 0 <= stamp_ns - at[1] <= LOST_NS}
        columns = (records["track"][near], beyond_m[near], records["lane"][near], records["class"][near])
        for track, metres, lane, kind in zip(*(column.tolist() for column in columns), strict=True):
            last = now.get(track)
            if last is not None and (last[0] < 0.0) != (metres < 0.0):
                lanes = self._lanes.get(esn, ())
                name = lanes[lane][:64] if lane < len(lanes) else ""
                self._counted[Passage(stamp_ns // HOUR_NS * HOUR_NS, esn, name, kind)] += 1
            now[track] = (metres, stamp_ns)
        self._seen[esn] = now

    def take(self) -> Counter[Passage]:
        """Return what was counted, and begin anew."""
        counted, self._counted = self._counted, Counter()
        return counted

    def give_back(self, counted: Counter[Passage]) -> None:
        """Count again what could not be stored."""
        self._counted.update(counted)
