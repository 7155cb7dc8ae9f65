"""The registry of units (RSUs or gateways): the last status of each, its state, its age, and its epochs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from centre.commands import EPOCHS_MAX, StatusChange
from centre.screen import screened_status
from centre.twins import TwinWatch
from edge import wire
from edge.centre_status import EPOCH_GIVEN_MAX
from edge.status_order import AGE_NS, SILENT_NS, Newest, Order, age_ns, is_live

Kind = Literal["rsu", "gateway"]
AnyStatus = wire.Status | wire.GatewayStatus
STALE_NS = SILENT_NS  # after so long a lower (epoch, connection) is believed
DAY_S = 86_400  # an epoch this far ahead of the centre's clock needs a proof: stored items
EPOCH_GIVEN_NS = 10_000_000_000  # between two answers to one unit that its epoch is low
OFFSET_STEP_MS = 5.0  # a clock's offset that differs by so much from the stored one is stored,
OFFSET_AGAIN_NS = 30_000_000_000  # after so long
STATUS_BYTES_MAX = 262_144
PENDING_MAX = 256  # earlier epochs read of one status, the oldest; the next follow once those are stored
_DECODE: dict[Kind, Callable[[bytes], AnyStatus]] = {
    "rsu": wire.decode_status,
    "gateway": wire.decode_gateway_status,
}


@dataclass(slots=True)
class Unit:
    """One RSU or gateway, with its last status."""

    known: bool  # the site names it
    status: AnyStatus | None = None  # None: none arrived yet
    since_ns: int | None = None  # of its present state
    beat_ns: int | None = None  # arrival of the last heartbeat; a retained status has no arrival
    last_seqs: dict[int, int] = field(default_factory=dict)  # the highest by epoch; EPOCHS_MAX epochs at most
    accepted_ns: int | None = None  # arrival of the last live status that was believed
    proven: int = 0  # the highest epoch of items that the database holds
    given_ns: int | None = None  # when it was last answered that its epoch is low
    twins: TwinWatch = field(default_factory=TwinWatch)
    newest: Newest = field(default_factory=Newest)
    stored_offset_ms: float | None = None  # of the status that was last given to be stored
    stored_ns: int | None = None  # when that was


class UnitRegistry:
    """All units of one kind that the site names."""

    def __init__(
        self, kind: Kind, ids: Iterable[str], started_ns: int,
        judged_ns: Callable[[int], int] = lambda now_ns: now_ns,
    ) -> None:  # fmt: skip
        """`judged_ns(now_ns)`: the time that stamps are held against, by an arrival: `OwnClock.believed`."""
        self._judged_ns = judged_ns
        self.kind: Kind = kind
        self.counts: Counter[str] = Counter()
        self._rows = {name: Unit(known=True) for name in ids}
        self._started_ns = started_ns
        self._behind: dict[str, int] = {}  # units to be answered that their epoch is low, and the highest
        self.on_replayed: Callable[[str, str], None] = lambda _who, _reason: None  # ROLE/NAME, and why

    def restore(self, name: str, since_ns: int, body: bytes) -> None:
        """Set a unit's status from the database; one that can't be read is counted and left out."""
        try:
            status = screened_status(_DECODE[self.kind](body), since_ns, Counter())
        except (msgspec.MsgspecError, ValueError):
            self.counts["status.forgotten"] += 1
            return
        row = self._row(name)
        if row is None:  # of a site file that named it
            return
        row.status, row.since_ns = status, since_ns

    def restore_of_others(self, name: str, since_ns: int, body: bytes, now_ns: int) -> None:
        """Set a unit's status that another process stored, unless this one receives the unit itself."""
        row = self._rows.get(name)
        if row is None or (row.beat_ns is not None and now_ns - row.beat_ns <= STALE_NS):
            return
        before = row.status
        self.restore(name, since_ns, body)
        if before is not None and row.status is not None and _is_older(before, row.status, is_ahead=False):
            row.status = before

    def restore_last_seq(self, name: str, epoch: int, last_seq: int) -> None:
        """Set the highest seq of one of a unit's epochs from the database."""
        if name in self._rows:
            self._update_last_seq(self._rows[name], epoch, last_seq)

    def prove_epoch(self, name: str, epoch: int) -> None:
        """Note an epoch under which the database holds items."""
        if name in self._rows and epoch <= EPOCH_GIVEN_MAX:
            self._rows[name].proven = max(self._rows[name].proven, epoch)

    def pop_behind(self) -> dict[str, int]:
        """Return the units that live under a lower epoch than is known, with the known one; forget them."""
        behind, self._behind = self._behind, {}
        return behind

    def n_returns(self, name: str, now_ns: int) -> int:
        """Return how often two units of this name took turns in the last minute; 0: it has no twin."""
        return self._rows[name].twins.n_returns(now_ns) if name in self._rows else 0

    def receive_status(
        self, name: str, payload: bytes, *, retained: bool, now_ns: int, judges_age: bool = True
    ) -> StatusChange | None:
        """Receive a birth, heartbeat or will; return the change to store, None where nothing changed.

        payload : a status message, any bytes.  retained : the broker had kept it, so its age is unknown
        judges_age : the unit's offset is from our clock, so that a status that was kept back shows
        """
        try:
            if len(payload) > STATUS_BYTES_MAX:
                raise ValueError("too long")
            judged_ns = self._judged_ns(now_ns)
            status = screened_status(_DECODE[self.kind](payload), now_ns, self.counts, judged_ns)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            self.counts["status.unreadable"] += 1
            return None
        row = self._row(name)
        if row is None:
            return None
        before, is_beat = row.status, not retained and status.state == "online"
        is_silent = now_ns - (row.accepted_ns or self._started_ns) > STALE_NS
        age = age_ns(status.stamp_ns, status.clock_offset_ms, now_ns)
        if status.state == "online" and not (is_silent and is_beat and is_live(age)):
            reason = _replay(row, status, age if is_beat and judges_age else None)
            if reason is not None:
                if is_beat:  # a broker keeps the last one, and we may know it already
                    self._refuse_replay(name, reason)
                return None
        if is_beat:
            row.twins.receive(status.epoch, status.connection, now_ns)
            self._note_behind(name, row, status.epoch, now_ns)
        is_ahead = self._is_ahead(row, status.epoch, now_ns)
        if before is not None and _is_older(before, status, is_ahead=is_ahead):
            # one that has a stamp must show that it is sent now: an earlier epoch's may be a recorded one
            if not is_beat or not is_silent or not (status.stamp_ns is None or is_live(age)):
                self.counts["status.outdated"] += 1  # say, the will of a connection that is replaced
                return None
            self.counts["status.epoch_back"] += 1  # it lives, and the higher epoch has been silent for long
        if not retained:
            row.accepted_ns = now_ns
        if is_beat:
            row.beat_ns = now_ns
            if status.stamp_ns is not None:
                row.newest.add(Order(status.epoch, status.connection, status.stamp_ns))
        if before is None or before.state != status.state:
            row.since_ns = now_ns
        self._count("status.epoch_ahead", is_ahead)
        grown = () if is_ahead else self._grown_last_seqs(row, status)
        row.status = _merged(before, status)
        announce = before is None or _shown(before) != _shown(row.status)
        if not announce and not grown and not _offset_moved(row, now_ns):
            return None
        row.stored_offset_ms, row.stored_ns = row.status.clock_offset_ms, now_ns
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
        """Return online, offline or never, and whether its heartbeats are overdue (stale)."""
        row = self._rows.get(name)
        if row is None or row.status is None:
            return "never", False
        beat_ns = self._started_ns if row.beat_ns is None else row.beat_ns
        return row.status.state, row.status.state == "online" and now_ns - beat_ns > STALE_NS

    def count_states(self, now_ns: int) -> dict[str, int]:
        """Return the number of units in each state; a stale one counts as online too."""
        tally = {"online": 0, "offline": 0, "never": 0, "stale": 0}
        for name in self._rows:
            state, stale = self.state(name, now_ns)
            tally[state] += 1
            tally["stale"] += stale
        return tally

    def rows(self) -> dict[str, Unit]:
        """Return all units by id, in the order of the site file."""
        return self._rows

    def _refuse_replay(self, name: str, reason: str) -> None:
        self.counts["status.replayed"] += 1
        self.on_replayed(f"{self.kind}/{name}", reason)

    def _is_ahead(self, row: Unit, epoch: int, now_ns: int) -> bool:
        """Say whether an epoch is a day ahead of the clock here, and nothing that is stored proves it."""
        return epoch > now_ns // 10**9 + DAY_S and epoch > row.proven

    def _note_behind(self, name: str, row: Unit, epoch: int, now_ns: int) -> None:
        """Note a unit that lives under a lower epoch than is known; twins would never agree on one."""
        known = row.proven
        if row.status is not None and not self._is_ahead(row, row.status.epoch, now_ns):
            known = max(known, row.status.epoch)
        waits = row.given_ns is not None and now_ns - row.given_ns < EPOCH_GIVEN_NS
        if epoch < known and not waits and not row.twins.n_returns(now_ns):
            row.given_ns, self._behind[name] = now_ns, known

    def _row(self, name: str) -> Unit | None:
        if name not in self._rows:
            self.counts["status.strangers"] += 1
        return self._rows.get(name)

    def _grown_last_seqs(self, row: Unit, status: AnyStatus) -> tuple[tuple[int, int], ...]:
        """Update the last seqs of a unit and return those that grew.

        A will has old ones: the RSU wrote it before it sent anything.
        """
        if isinstance(status, wire.GatewayStatus) or status.state == "offline":
            return ()
        earlier = [pair for pair in status.pending if pair[0] < status.epoch]
        self._count("status.pending_untrue", len(status.pending) - len(earlier))
        self._count("status.pending_excess", len(earlier[PENDING_MAX:]))
        reported = ((status.epoch, status.last_seq), *earlier[:PENDING_MAX])
        return tuple((epoch, last) for epoch, last in reported if self._update_last_seq(row, epoch, last))

    def _update_last_seq(self, row: Unit, epoch: int, last_seq: int) -> bool:
        """Update the last seq of an epoch and return whether it grew; drop the lowest epoch for a new one."""
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


def _replay(row: Unit, status: AnyStatus, age: int | None) -> str | None:
    """Return why an `online` status is of another time: it was kept back, or believed before; else None.

    age : how old it is [ns]; None where that isn't known
    """
    if age is not None and abs(age) > AGE_NS:
        return "stale"
    if status.stamp_ns is None:  # of an earlier release
        return None
    order, last = Order(status.epoch, status.connection, status.stamp_ns), row.status
    if row.newest.has(order):
        return "repeated"
    if last is None or last.stamp_ns is None or (last.epoch, last.connection) != order[:2]:
        return None
    return "repeated" if order.stamp_ns <= last.stamp_ns else None


def _is_older(before: AnyStatus, status: AnyStatus, *, is_ahead: bool) -> bool:
    """Say whether a status is of an older start or connection than the last one.

    is_ahead : its epoch is not to be believed, so it does not replace one that lives
    """
    if is_ahead and status.epoch != before.epoch:
        return True
    return (status.epoch, status.connection) < (before.epoch, before.connection)


def _offset_moved(row: Unit, now_ns: int) -> bool:
    """Say whether the stored offset of a unit's clock is another one: workers correct stamps by it."""
    offset_ms = None if row.status is None else row.status.clock_offset_ms
    if offset_ms is None:
        return False
    if row.stored_offset_ms is None or row.stored_ns is None:
        return True
    moved_ms = abs(offset_ms - row.stored_offset_ms)
    return moved_ms >= OFFSET_STEP_MS and now_ns - row.stored_ns >= OFFSET_AGAIN_NS


def _merged(before: AnyStatus | None, status: AnyStatus) -> AnyStatus:
    """Return the status to show: of a will only that the unit is offline, the rest from its last status."""
    if before is None or status.state == "online":
        return status
    return msgspec.structs.replace(before, state="offline", epoch=status.epoch, connection=status.connection)


def _shown(status: AnyStatus) -> tuple[Any, ...]:
    """Return the values that the page must receive at once when they change.

    The ends of unjudged stretches vary by metres, so they are rounded to 10 m.
    """
    if isinstance(status, wire.GatewayStatus):
        return (status.state, status.epoch, status.version, status.degraded, status.strange_terminals)
    stretches = [
        (each.road, round(each.from_m, -1), round(each.to_m, -1), each.reason) for each in status.unjudged
    ]
    return (
        status.state, status.epoch, status.config, status.map, status.version, status.sensors,
        status.degraded, stretches, status.clocks_n, _kinds(status.clocks), _kinds(status.radar_clocks),
        status.host_clock and status.host_clock.kind, status.strange_terminals, status.strange_radars,
        status.terminal_only, {name: one.state for name, one in status.registration.items()},
    )  # fmt: skip


def _kinds(clocks: Mapping[str, wire.ClockReported]) -> dict[str, tuple[str, bool]]:
    """Return which clocks are wrong and how, without the offset, whose estimate varies all the time."""
    return {name: (fault.kind, fault.corrected) for name, fault in clocks.items()}
