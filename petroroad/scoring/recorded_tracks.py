"""Snapshots and truth side by side, of a recording or a replay, for `petroroad.scoring.tracks`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from core.arrays import F64, I64
from edge.config import Site, site_of
from edge.recording.recorder import read_messages
from edge.wire import (
    FLAG_COASTING,
    FLAG_CONFIRMED,
    FLAG_GNSS,
    FLAG_OWNED,
    FLAG_RADAR,
    Records,
    TrackSnapshot,
    decode_site,
    decode_snapshot,
    records_of,
)
from fusion.observations import GnssFixes
from fusion.tracks import TrackBatch
from geofence.map.frames import SiteFrame
from petroroad.scoring.bindings import Bindings
from petroroad.scoring.frames import TracksNow
from petroroad.scoring.recorded_violations import TruthEventRow
from petroroad.scoring.tracks import TrackScore
from petroroad.scoring.true_frames import Truths, cover_of
from roadside.arrivals import decoded
from roadside.inputs import GatewayFixes

COLUMNS = ("track", "lon_e7", "lat_e7", "dt_ms", "speed_cmps", "course_cdeg", "sigma_cm", "flags")


@dataclass(slots=True)
class _Names:
    """The last published lanes and names of an RSU."""

    lanes: tuple[str, ...] = ()
    terminals: dict[int, str | None] = field(default_factory=dict)
    identity_p: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The counted tracks of one RSU's snapshot."""

    records: Records
    rsu: int
    lane: list[str | None]
    terminal: list[str | None]
    identity_p: Sequence[float]
    state: tuple[F64, F64] | None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a recording holds: its site, the RSUs with snapshots, and the radars with scans."""

    site: Site | None
    esn: str | None  # whose inputs these are; None: of the whole site
    esns: Sequence[str]
    sensors: set[str]  # only asked, never iterated


class Scorer:
    """Takes the snapshots of all RSUs in the order of their stamps, and scores each stamp once.

    Counted are owned tracks; those of an RSU without neighbours once confirmed: nobody else could own them.
    esns : the RSUs whose snapshots come.  sensors : the recorded radars; empty: all of theirs
    """

    def __init__(self, site: Site, esns: Sequence[str], sensors: set[str], truth_path: Path) -> None:
        reports, manipulated_ns = beside_truth(truth_path, site.frame)
        self.score = TrackScore(bindings=Bindings(reports))
        self._frame = site.frame
        self._cover = cover_of(site, esns, sensors)
        self._alone = {esn for esn in esns if not site.rsu(esn).neighbours}  # only asked, never iterated
        self._numbers = {esn: number for number, esn in enumerate(esns)}
        self._names: dict[str, _Names] = defaultdict(_Names)
        self._truths = Truths(truth_path, site.frame, self._cover, manipulated_ns)
        self._stamp_ns = 0
        self._parts: list[_Part] = []

    def add(self, snapshot: TrackSnapshot, batch: TrackBatch | None) -> None:
        """Take one snapshot, and the tracks that it was made of where they are at hand."""
        if snapshot.stamp_ns < self._stamp_ns:
            return  # of a clock that was set back
        if snapshot.stamp_ns > self._stamp_ns:
            self.finish()
            self._stamp_ns = snapshot.stamp_ns
        names = self._names[snapshot.esn]
        if snapshot.lanes is not None:
            names.lanes = snapshot.lanes
        if snapshot.names is not None:
            names.terminals = dict(zip(snapshot.names.track, snapshot.names.terminal, strict=True))
            names.identity_p = dict(zip(snapshot.names.track, snapshot.names.identity_p, strict=False))
        records = records_of(snapshot)
        counts = FLAG_CONFIRMED if snapshot.esn in self._alone else FLAG_OWNED
        rows = np.flatnonzero(records["flags"] & counts)
        records, lanes = records[rows], names.lanes  # none: an index beyond all lanes
        self._parts.append(
            _Part(
                records=records,
                rsu=self._numbers.get(snapshot.esn, -1),
                lane=[lanes[i] if i < len(lanes) else None for i in records["lane"].tolist()],
                terminal=[names.terminals.get(key) for key in records["track"].tolist()],
                identity_p=[names.identity_p.get(key, 1.0) for key in records["track"].tolist()],
                state=None if batch is None else _state_of(batch, rows, snapshot.stamp_ns),
            )
        )

    def finish(self) -> TrackScore:
        """Score the last stamp; return the score of all."""
        parts, self._parts = self._parts, []
        truth = self._truths.at(self._stamp_ns) if parts else None
        if truth is not None:
            self.score.add(truth, self._tracks(parts))
        return self.score

    def _tracks(self, parts: Sequence[_Part]) -> TracksNow:
        """Return the tracks of all RSUs at one stamp; unrounded where their states are at hand."""
        column = {name: np.concatenate([part.records[name] for part in parts]) for name in COLUMNS}
        states = [part.state for part in parts if part.state is not None]
        covariance: F64 | None = None
        speed = column["speed_cmps"] / 100.0
        if len(states) == len(parts):
            x, covariance = (np.concatenate(of) for of in zip(*states, strict=True))
            east, north, v_east, v_north = x.T
        else:
            east, north = self._frame.site_from_lonlat(column["lon_e7"] / 1e7, column["lat_e7"] / 1e7)
            heading = self._frame.heading_from_course(column["course_cdeg"] / 100.0, east, north)
            v_east, v_north = speed * np.cos(heading), speed * np.sin(heading)
            on_s = -column["dt_ms"] / 1e3  # from the state's time to the snapshot's
            east, north = east + on_s * v_east, north + on_s * v_north
        flags = column["flags"]
        return TracksNow(
            id=column["track"].astype(np.uint64),
            rsu=np.repeat([part.rsu for part in parts], [len(part.records) for part in parts]),
            east_m=east,
            north_m=north,
            speed_mps=speed,
            east_mps=v_east,
            north_mps=v_north,
            sigma_m=column["sigma_cm"] / 100.0,
            covariance=covariance,
            radar=flags & FLAG_RADAR != 0,
            gnss=flags & FLAG_GNSS != 0,
            coasting=flags & FLAG_COASTING != 0,
            in_field=self._cover.in_field(east, north),
            lane=[lane for part in parts for lane in part.lane],
            terminal=[terminal for part in parts for terminal in part.terminal],
            identity_p=np.array([p for part in parts for p in part.identity_p], dtype=np.float64),
        )


def score_tracks(recording: Path, truth_path: Path) -> TrackScore:
    """Score every snapshot of the recording for which the truth is known; empty where it has no `/site`."""
    found = scope_of(recording)
    if found.site is None or not found.esns:
        return TrackScore()
    scorer = Scorer(found.site, found.esns, scope_of(truth_path).sensors, truth_path)
    for message in read_messages(recording):
        if message.topic.startswith("/tracks/"):
            scorer.add(decode_snapshot(message.body), None)
    return scorer.finish()


def scope_of(path: Path) -> Scope:
    """Return what a recording holds."""
    site: Site | None = None
    esn: str | None = None
    topics: dict[str, None] = {}
    for message in read_messages(path):
        topics[message.topic] = None
        if message.topic == "/site" and site is None:
            record = decode_site(message.body)
            esn = record.esn
            site = site_of(record, f"{path.name}:/site")
    parts = [topic.split("/") for topic in topics]
    esns = sorted(part[2] for part in parts if part[1] == "tracks")
    return Scope(site, esn, esns, {part[2] for part in parts if part[1] == "radar"})


def beside_truth(path: Path, frame: SiteFrame) -> tuple[dict[str, list[int]], dict[int, int]]:
    """Return what the truth's file tells beside `/truth`.

    First by terminal the ascending log times of its reports, empty where none are recorded; then by vehicle
    since when its fixes are manipulated (`gnss_integrity` of the true violations).
    """
    reports: dict[str, list[int]] = defaultdict(list)
    manipulated_ns: dict[int, int] = {}
    events = msgspec.msgpack.Decoder(TruthEventRow)
    for message in read_messages(path):
        if message.topic == "/truth/violation":
            event = events.decode(message.body)
            if event.rule == "gnss_integrity":
                for vehicle in (event.vehicle, *event.vehicles):
                    since_ns = manipulated_ns.get(vehicle, event.start_ns)
                    manipulated_ns[vehicle] = min(since_ns, event.start_ns)
        elif message.topic.startswith(("/gnss", "/gateway/")):
            item = decoded(message, frame, None)
            fixes = item.fixes if isinstance(item, GatewayFixes) else item
            for terminal in fixes.terminal if isinstance(fixes, GnssFixes) else ():
                reports[terminal].append(message.log_ns)
    return {terminal: sorted(stamps) for terminal, stamps in reports.items()}, manipulated_ns


def _state_of(batch: TrackBatch, rows: I64, t_ns: int) -> tuple[F64, F64]:
    """Return the states (m, 4) of the rows (m,) at t_ns, and their whole covariances (m, 4, 4)."""
    x, covariance = batch.x[rows], batch.P[rows]
    x[:, :2] += ((t_ns - batch.stamp_ns[rows]) / 1e9)[:, None] * x[:, 2:]
    bias_m2 = batch.bias_m[rows] ** 2
    covariance[:, 0, 0] += bias_m2
    covariance[:, 1, 1] += bias_m2
    return x, covariance
