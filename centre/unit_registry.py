"""Who is alive: the last status of each RSU and gateway, three states, and how old it is."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from centre.commands import EPOCHS_MAX, StatusChange
from centre.screen import sound_status
from edge import wire

Kind = Literal["rsu", "gateway"]
AnyStatus = wire.Status | wire.GatewayStatus
STALE_NS = 6_000_000_000  # three heartbeats
STRANGERS_MAX = 64  # reporters that the site does not name
STATUS_BYTES_MAX = 262_144
PENDING_MAX = 256  # earlier epochs read of one status, the oldest; as those are stored, the others come up
_DECODE: dict[Kind, Callable[[bytes], AnyStatus]] = {
    "rsu": wire.decode_status,
    "gateway": wire.decode_gateway_status,
}


@dataclass(slots=True)
class Unit:
    """One RSU or gateway, as last heard."""

    known: bool
    status: AnyStatus | None = None  # None: never seen
    since_ns: int | None = None  # of its state
    beat_ns: int | None = None  # when it was last heard live; a retained status tells no time
    last_seqs: dict[int, int] = field(default_factory=dict)  # by epoch, the highest; EPOCHS_MAX at most


class UnitRegistry:
    """All of one kind, the site's own first."""

    def __init__(self, kind: Kind, ids: Iterable[str], started_ns: int) -> None:
        self.kind: Kind = kind
        self.counts: Counter[str] = Counter()
        self._rows = {name: Unit(known=True) for name in ids}
        self._started_ns = started_ns

    def restore(self, name: str, since_ns: int, body: bytes) -> None:
        """Take what an earlier run of the centre knew; older formats are forgotten."""
        try:
            status = sound_status(_DECODE[self.kind](body), since_ns, Counter())
        except (msgspec.MsgspecError, ValueError):
            self.counts["status.forgotten"] += 1
            return
        row = self._rows.setdefault(name, Unit(known=False))
        row.status, row.since_ns = status, since_ns

    def restore_last_seq(self, name: str, epoch: int, last_seq: int) -> None:
        """Take the highest seq that an earlier run had heard of."""
        if name in self._rows:
            self._note(self._rows[name], epoch, last_seq)

    def receive_status(
        self, name: str, payload: bytes, *, retained: bool, now_ns: int
    ) -> StatusChange | None:
        """Take a birth, a heartbeat or a will; return what of it must be kept, None where nothing changed."""
        try:
            if len(payload) > STATUS_BYTES_MAX:
                raise ValueError("too long")
            status = sound_status(_DECODE[self.kind](payload), now_ns, self.counts)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.counts["status.unreadable"] += 1
            return None
        row = self._row(name)
        if row is None:
            return None
        before = row.status
        if before is not None and (status.epoch, status.connection) < (before.epoch, before.connection):
            if retained or status.state == "offline" or not self.state(name, now_ns)[1]:
                self.counts["status.outdated"] += 1  # the will of a connection that another has replaced
                return None
            self.counts["status.epoch_back"] += 1  # alive, and of the later epoch nothing has come for long
        if not retained and status.state == "online":
            row.beat_ns = now_ns
        if before is None or before.state != status.state:
            row.since_ns = now_ns
        grown = self._grown(row, status)
        row.status = _merged(before, status)
        announce = before is None or _shown(before) != _shown(row.status)
        if not announce and not grown:
            return None
        return StatusChange(
            kind=self.kind,
            id=name,
            epoch=status.epoch,
            connection=status.connection,
            since_ns=row.since_ns or now_ns,
            body=wire.encode(row.status),
            announce=announce,
            last_seqs=grown,
        )

    def state(self, name: str, now_ns: int) -> tuple[str, bool]:
        """Return online, offline or never, and whether that is stale."""
        row = self._rows.get(name)
        if row is None or row.status is None:
            return "never", False
        heard_ns = self._started_ns if row.beat_ns is None else row.beat_ns
        return row.status.state, row.status.state == "online" and now_ns - heard_ns > STALE_NS

    def count_states(self, now_ns: int) -> dict[str, int]:
        """Return how many are in each state; the stale ones count among the online ones too."""
        tally = {"online": 0, "offline": 0, "never": 0, "stale": 0}
        for name in self._rows:
            state, stale = self.state(name, now_ns)
            tally[state] += 1
            tally["stale"] += stale
        return tally

    def rows(self) -> dict[str, Unit]:
        """Return all of them by id, the site's order, then strangers as they came."""
        return self._rows

    def _row(self, name: str) -> Unit | None:
        if name not in self._rows:
            if sum(not row.known for row in self._rows.values()) >= STRANGERS_MAX:
                self.counts["status.strangers"] += 1
                return None
            self._rows[name] = Unit(known=False)
        return self._rows[name]

    def _grown(self, row: Unit, status: AnyStatus) -> tuple[tuple[int, int], ...]:
        """Note what the RSU says that it sent; a will was written before that, so its word does not count."""
        if isinstance(status, wire.GatewayStatus) or status.state == "offline":
            return ()
        earlier = [pair for pair in status.pending if pair[0] < status.epoch]
        self._count("status.pending_untrue", len(status.pending) - len(earlier))
        self._count("status.pending_excess", len(earlier[PENDING_MAX:]))
        said = ((status.epoch, status.last_seq), *earlier[:PENDING_MAX])
        return tuple((epoch, last) for epoch, last in said if self._note(row, epoch, last))

    def _note(self, row: Unit, epoch: int, last_seq: int) -> bool:
        """Take a last seq; say whether it is news. The newest epochs stay, this RSU's own lowest give way."""
        known = row.last_seqs
        if last_seq <= known.get(epoch, 0):
            return False
        if epoch not in known and len(known) >= EPOCHS_MAX:
            self._count("status.epochs_forgotten", 1)
            oldest = min(known)
            if epoch < oldest:
                return False
            del known[oldest]
        known[epoch] = last_seq
        return True

    def _count(self, reason: str, times: int) -> None:
        if times:
            self.counts[reason] += times


def _merged(before: AnyStatus | None, status: AnyStatus) -> AnyStatus:
    """Return the status to show: a will says only that it is gone, all else is as last heard."""
    if before is None or status.state == "online":
        return status
    return msgspec.structs.replace(before, state="offline", epoch=status.epoch, connection=status.connection)


def _shown(status: AnyStatus) -> tuple[Any, ...]:
    """Return what the page must learn at once when it changes; ends of stretches tremble, so 10 m count."""
    if isinstance(status, wire.GatewayStatus):
        return (status.state, status.epoch, status.version)
    stretches = [
        (each.road, round(each.from_m, -1), round(each.to_m, -1), each.reason) for each in status.unjudged
    ]
    return (
        status.state, status.epoch, status.config, status.map, status.version, status.sensors,
        status.degraded, stretches, status.clocks_n, _kinds(status.clocks), _kinds(status.radar_clocks),
        status.host_clock and status.host_clock.kind,
    )  # fmt: skip


def _kinds(clocks: Mapping[str, wire.ClockReported]) -> dict[str, tuple[str, bool]]:
    """Return whose clock is wrong and how; the estimate of an offset trembles."""
    return {name: (fault.kind, fault.corrected) for name, fault in clocks.items()}
