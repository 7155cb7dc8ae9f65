"""Gathers the snapshots of each RSU until they make a block, and keeps the names that go with them. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from centre.history.codec import ROWS_MAX, SHOTS_MAX, Shot, joined
from core.times import NS
from edge import wire

BLOCK_NS = 5 * NS  # of one block: what a killed centre loses at most, and what a reader decodes at least
NAMED_NS = 120 * NS  # a name is known for so long after its RSU gave it last: a clip of 60 s ends later
NAMES_MAX = 20_000  # of one RSU


class Name(NamedTuple):
    """Who a track is; both None: nobody any more."""

    terminal: str | None
    plate: str | None
    identity_p: float


NOBODY = Name(None, None, 0.0)


class Sealed(NamedTuple):
    """The snapshots of one RSU within one block's time.

    known : the names of its tracks.  names : (stamp_ns, name) of those that changed
    """

    esn: str
    shots: list[Shot]
    lanes: tuple[str, ...]
    known: dict[int, Name]
    names: dict[int, tuple[int, Name]]


@dataclass(slots=True)
class Gathering:
    """What came of one RSU since its last block."""

    esn: str
    shots: list[Shot] = field(default_factory=list)  # `owned` leaves out the rows of neighbours
    lanes: tuple[str, ...] = ()
    names: dict[int, tuple[int, Name]] = field(
        default_factory=dict
    )  # by track: when last given, and the name
    arrived_ns: int = 0  # of the newest
    _rows: int = 0
    _fresh: dict[int, tuple[int, Name]] = field(default_factory=dict)  # of the open block

    def add(self, snapshot: wire.TrackSnapshot, now_ns: int) -> Sealed | None:
        """Add a snapshot; return the block before it, where it begins the next one.

        An older one than the newest is left out: the page shows none of them either.
        """
        if self.shots and snapshot.stamp_ns <= self.shots[-1].stamp_ns:
            return None
        rows = _rows_of(snapshot)
        sealed = None
        if self.shots and self._is_full(snapshot, rows):
            sealed = self.seal()
        if snapshot.lanes is not None:
            self.lanes = snapshot.lanes
        if snapshot.names is not None:
            self._note(snapshot.names, owned_rows(snapshot), snapshot.stamp_ns)
        self.shots.append(Shot(snapshot.stamp_ns, snapshot.seq, rows))
        self._rows += len(rows)
        self.arrived_ns = now_ns
        return sealed

    def _is_full(self, snapshot: wire.TrackSnapshot, rows: wire.Records) -> bool:
        first = self.shots[0]
        return (
            first.stamp_ns // BLOCK_NS != snapshot.stamp_ns // BLOCK_NS
            or (snapshot.lanes is not None and snapshot.lanes != self.lanes)  # the rows hold indices into it
            or len(self.shots) >= SHOTS_MAX
            or self._rows + len(rows) > ROWS_MAX
            or first.rows.dtype != rows.dtype
        )

    def seal(self) -> Sealed | None:
        """Return the block as it is, None where nothing came, and begin the next one."""
        if not self.shots:
            return None
        shots = owned(self.shots)
        tracks: list[int] = np.unique(joined(shots)["track"]).tolist()
        known = {track: self.names[track][1] for track in tracks if track in self.names}
        found = Sealed(self.esn, shots, self.lanes, known, self._fresh)
        self.shots, self._rows, self._fresh = [], 0, {}
        return found

    def _note(self, names: wire.TrackNames, rows: wire.Records, stamp_ns: int) -> None:
        """Note who the tracks are. Names are always whole: a present track without one has lost it."""
        known = self.names
        given: dict[int, Name] = {}
        for track, terminal, plate, p in zip(
            names.track, names.terminal, names.plate, names.identity_p, strict=True
        ):
            given[track] = Name(terminal, plate, round(p, 1))
        for track, name in given.items():
            before = known.get(track)
            if before is None or before[1][:2] != name[:2]:
                self._fresh[track] = (stamp_ns, name)
            known[track] = (stamp_ns, name)
        for track in set(rows["track"].tolist()).intersection(known).difference(given):
            self._fresh[track] = (stamp_ns, NOBODY)
            del known[track]
        if len(known) > 64:  # the tracks that have left
            for track in [each for each, (at_ns, _) in known.items() if stamp_ns - at_ns > NAMED_NS]:
                del known[track]
        while len(known) > NAMES_MAX:
            del known[next(iter(known))]


def _rows_of(snapshot: wire.TrackSnapshot) -> wire.Records:
    """Return the rows of a screened snapshot; of a usual one all: `owned` chooses among a block's."""
    if snapshot.dtype == wire.TRACK_DESCR:
        rows: wire.Records = np.frombuffer(snapshot.data, wire.TRACK_DTYPE)
        return rows
    return owned_rows(snapshot)


def owned_rows(snapshot: wire.TrackSnapshot) -> wire.Records:
    """Return the rows of the tracks that the RSU owns, with the fields that this version knows."""
    records = wire.records_of(snapshot)
    known = wire.SIGNED_DTYPE if wire.SIGNED_STATION[0] in (records.dtype.names or ()) else wire.TRACK_DTYPE
    chosen: wire.Records = records[(records["flags"] & wire.FLAG_OWNED) != 0]
    if chosen.dtype == known:
        return chosen
    rows = np.empty(len(chosen), known)
    for name in known.names or ():
        rows[name] = chosen[name]
    return rows


def owned(shots: list[Shot]) -> list[Shot]:
    """Return snapshots of one dtype without the rows that their RSU does not own."""
    if not shots:
        return []
    rows = joined(shots)
    is_owned = (rows["flags"] & wire.FLAG_OWNED) != 0
    if is_owned.all():
        return shots
    n_owned = np.concatenate(([0], np.cumsum(is_owned)))
    ends = n_owned[np.cumsum([len(shot.rows) for shot in shots])]
    parts = np.split(rows[is_owned], ends[:-1])
    return [Shot(shot.stamp_ns, shot.seq, part) for shot, part in zip(shots, parts, strict=True)]


def each_second(shots: list[Shot]) -> list[Shot]:
    """Return the first snapshot of each second."""
    found: list[Shot] = []
    for shot in shots:
        if not found or shot.stamp_ns // NS != found[-1].stamp_ns // NS:
            found.append(shot)
    return found
