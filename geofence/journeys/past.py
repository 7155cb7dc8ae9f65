"""What outlives a terminal's journeys: the time that was driven, and the permits whose trips are made. Pure.

It is kept on disk, so that a restart forgets neither, and sent to the neighbours, from which they send it on:
a vehicle may enter next where another RSU watches. Who gets it says so; until then it is sent again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from geofence.journeys.driving import Driving, copied, is_of_now
from geofence.permits import PermitConfig
from geofence.plausible import is_plain

NS = 1_000_000_000
DAY_NS = 86_400 * NS  # the longest time over which driving is summed
TERMINALS_MAX = 4_096  # whose driving times are kept; as many may wait to be sent to a neighbour
SEND_NS = 5 * NS  # on the UTC grid: what a neighbour has not confirmed is sent so often
ROWS_MAX = 64  # in one message
NOT_SENT = 0  # below each seq of a message
Name = Annotated[str, Meta(min_length=1, max_length=64)]


class PastTrips(msgspec.Struct, kw_only=True, tag="trips"):
    """What one terminal's past journeys leave behind; a row of the outbox, and what neighbours send."""

    terminal: Name
    used: Annotated[dict[Name, Name], Meta(max_length=ROWS_MAX)] = {}  # permits, and their journeys
    driving: Driving | None = None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(PastTrips)


def key_of(terminal: str) -> str:
    """Return the key of a terminal's row on the disk."""
    return f"trips/{terminal}"


def decoded(body: bytes) -> PastTrips | None:
    """Return a row; None for bytes that hold none."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None


class Past:
    """The past of all terminals, what of it the disk lacks, and what of it neighbours lack."""

    def __init__(self, permits: Sequence[PermitConfig], neighbours: Sequence[str] = ()) -> None:
        self._permits = {permit.permit: permit for permit in permits}
        self._of: dict[str, list[str]] = {}  # names of permits by terminal
        for permit in permits:
            self._of.setdefault(permit.terminal, []).append(permit.permit)
        self.used: dict[str, str] = {}  # permits whose trip ended or went on to a neighbour: its journey
        self.driving: dict[str, Driving] = {}  # of terminals without an open journey here
        self.unsaved: dict[str, None] = {}  # terminals, in the order of their changes
        # by neighbour and terminal: the first message with the row as it is now; NOT_SENT: none so far
        self.unsent: dict[str, dict[str, int]] = {esn: {} for esn in neighbours}

    def use(self, permit: str | None, journey: str) -> None:
        """Note that the trip of a permit is made, or goes on elsewhere."""
        known = None if permit is None else self._permits.get(permit)
        if known is not None:
            self.used[known.permit] = journey
            self.unsaved[known.terminal] = None

    def leave(self, terminal: str, driving: Driving | None) -> None:
        """Keep the driving time of a terminal whose journey ended or went on to a neighbour."""
        known = self.driving.get(terminal)  # a neighbour's may have come meanwhile
        if driving is not None and (known is None or known.stamp_ns <= driving.stamp_ns):
            self.driving[terminal] = driving
            self.unsaved[terminal] = None

    def take(self, terminal: str) -> Driving | None:
        """Return the driving time with which a journey begins; the journey keeps it from then on."""
        return self.driving.pop(terminal, None)

    def forget(self, t_ns: int) -> None:
        """Forget driving time that counts no more, and permits that have ended, which nobody can use."""
        for terminal in [name for name, one in self.driving.items() if t_ns - one.stamp_ns > DAY_NS]:
            self._drop(terminal)
        for terminal in list(self.driving)[: max(0, len(self.driving) - TERMINALS_MAX)]:
            self._drop(terminal)
        for permit in [name for name in self.used if t_ns - self._permits[name].end_ns > DAY_NS]:
            del self.used[permit]
            self.unsaved[self._permits[permit].terminal] = None

    def _drop(self, terminal: str) -> None:
        del self.driving[terminal]
        self.unsaved[terminal] = None

    # ---- rows, for the disk and for neighbours

    def row(self, terminal: str) -> PastTrips | None:
        """Return what is known of a terminal; None: nothing."""
        used = {name: self.used[name] for name in self._of.get(terminal, ()) if name in self.used}
        driving = self.driving.get(terminal)
        if not used and driving is None:
            return None
        newest = dict(list(used.items())[-ROWS_MAX:])
        return PastTrips(terminal=terminal, used=newest, driving=driving)

    def body(self, terminal: str) -> bytes | None:
        """Return a terminal's row as bytes; None: there is none."""
        row = self.row(terminal)
        return None if row is None else _ENCODER.encode(row)

    def to_save(self) -> list[tuple[str, bytes | None]]:
        """Return the rows that the disk lacks, by key (None: it forgets it); from now on it has them."""
        rows = [(key_of(terminal), self.body(terminal)) for terminal in self.unsaved]
        self.unsaved = {}
        return rows

    def read(self, row: PastTrips, t_ns: int | None) -> bool:
        """Add a row of the disk or of a neighbour; return whether anything in it was new and can be true.

        t_ns : now; None where the clock is not asked, since it may be behind at a start
        """
        changed = False
        for permit, journey in row.used.items():
            known = self._permits.get(permit)
            if known is not None and known.terminal == row.terminal and permit not in self.used:
                self.used[permit] = journey
                changed = True
        ours, theirs = self.driving.get(row.terminal), row.driving
        if theirs is None or not is_of_now(theirs, theirs.stamp_ns if t_ns is None else t_ns):
            return changed
        if ours is None or ours.stamp_ns < theirs.stamp_ns:
            self.driving[row.terminal] = theirs
            changed = True
        return changed

    # ---- neighbours

    def spread(self, terminal: str, but: str | None = None) -> None:
        """Send what is known of a terminal to all neighbours but one, until they confirm it."""
        if self.row(terminal) is None:
            return
        for esn, waiting in self.unsent.items():
            if esn != but:
                waiting.pop(terminal, None)
                waiting[terminal] = NOT_SENT
                for oldest in list(waiting)[: max(0, len(waiting) - TERMINALS_MAX)]:
                    del waiting[oldest]

    def due(self, t_ns: int) -> dict[str, dict[str, bytes]]:
        """Return the rows that are sent at tick t_ns, by neighbour and terminal; in turn where many wait.

        `note_sent` follows, with the seq of the message.
        """
        if t_ns % SEND_NS:
            return {}
        found = {}
        for esn, waiting in self.unsent.items():
            rows = {}
            for name in list(waiting)[:ROWS_MAX]:
                first_seq = waiting.pop(name)
                body = self.body(name)
                if body is not None:  # else it is forgotten meanwhile
                    waiting[name] = first_seq  # behind the others: they don't wait for who never confirms
                    rows[name] = body
            if rows:
                found[esn] = rows
        return found

    def note_sent(self, esn: str, terminals: Collection[str], seq: int) -> None:
        """Note under which seq the rows of terminals went out."""
        waiting = self.unsent[esn]
        waiting |= {name: seq for name in terminals if waiting[name] == NOT_SENT}

    def receive(self, giver: str, rows: Iterable[bytes], t_ns: int) -> list[str]:
        """Read a neighbour's rows, send on what is new; return the terminals that are confirmed."""
        confirmed = []
        for body in rows:
            row = decoded(body)
            if row is None or not is_plain(row.terminal) or not all(map(is_plain, row.used.values())):
                continue
            if row.driving is None or is_of_now(row.driving, t_ns):  # else it is sent again
                confirmed.append(row.terminal)
            if self.read(row, t_ns):
                self.unsaved[row.terminal] = None
                self.spread(row.terminal, giver)
        return confirmed

    def confirm(self, esn: str, terminals: Iterable[str], seq: int) -> None:
        """Note that a neighbour knows these terminals' past as the message `seq` carried it.

        What has changed since then it does not know: that is still sent.
        """
        waiting = self.unsent.get(esn, {})
        for terminal in terminals:
            if NOT_SENT < waiting.get(terminal, NOT_SENT) <= seq:
                del waiting[terminal]

    # ---- the whole state

    def start(self, bodies: Iterable[bytes]) -> tuple[bytes, ...]:
        """Begin with the rows that the disk kept; return the other bodies.

        Neighbours that were away when this process ended may lack them.
        """
        others = []
        for body in bodies:
            row = decoded(body)
            if row is None:
                others.append(body)
            elif self.read(row, None):
                self.spread(row.terminal)
            else:
                self.unsaved[row.terminal] = None  # of a permit that is no more: the disk forgets it
        return tuple(others)

    def sent(self) -> dict[str, dict[str, int]]:
        """Return the seqs of `unsent` that are known, as `restore` needs them."""
        return {
            esn: {name: seq for name, seq in waiting.items() if seq != NOT_SENT}
            for esn, waiting in self.unsent.items()
        }

    def restore(
        self, used: Mapping[str, str], driving: Mapping[str, Driving], unsaved: Iterable[str],
        unsent: Mapping[str, Sequence[str]], sent: Mapping[str, Mapping[str, int]],
    ) -> None:  # fmt: skip
        """Continue exactly from these; sent : seqs by neighbour and terminal, of those in `unsent`."""
        self.used = {name: journey for name, journey in used.items() if name in self._permits}
        self.driving = {name: copied(one) for name, one in driving.items()}
        self.unsaved = dict.fromkeys(unsaved)
        self.unsent = {
            esn: {name: sent.get(esn, {}).get(name, NOT_SENT) for name in unsent.get(esn, ())}
            for esn in self.unsent
        }
