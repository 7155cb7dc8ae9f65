"""Put the sub-packages of JT/T 808 messages together (2013 and 2019 editions, sec. 4.4.3), pure.

A message is known by its terminal, its id and the serial number of its first package; the packages of one
message have consecutive serial numbers, but for those of frames that the terminal sent in between. Memory is
bounded by terminal and in total, time by `forget_ns`.
"""

import zlib
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from core.errors import DeviceError
from roadside.devices.jt808.frame import Frame

_PIECE_BYTES = 128  # cost of a package beside its body, so that empty ones are bounded as well
_MESSAGE_BYTES = 512
_SEQ_MASK = 0xFFFF
_OTHERS_MAX = 256  # frames between two packages of one message
_DONE_MAX = 4  # whole messages of a terminal whose repeated packages are still recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageLimits:
    """How much waits for how long."""

    terminal_bytes: int = 256_000  # of one terminal
    terminal_messages: int = 32
    total_bytes: int = 32_000_000  # of all
    pause_ns: int = 2_000_000_000  # since the newest package, before the missing ones are asked for
    again_ns: int = 5_000_000_000  # between two requests
    requests_max: int = 3
    forget_ns: int = 60_000_000_000  # since the newest package


@dataclass(slots=True)
class Assembly:
    """One message, some of its packages received; `done` holds their checksums once it is whole."""

    msg_id: int
    first_seq: int
    total: int
    newest_ns: int = 0  # arrival of the newest package
    pieces: dict[int, bytes] = field(default_factory=dict)  # by number, from 1
    seqs: dict[int, int] = field(default_factory=dict)  # their serial numbers
    last_number: int = 0  # the highest that came
    others: set[int] = field(default_factory=set)  # serial numbers of other frames since then
    n_bytes: int = _MESSAGE_BYTES
    asked_ns: int | None = None
    n_requests: int = 0
    done: dict[int, int] | None = None

    def add_piece(self, number: int, seq: int, body: bytes) -> None:
        self.pieces[number] = body
        self.seqs[number] = seq
        if number > self.last_number:
            self.last_number = number
            self.others.clear()

    def passed(self, seq: int) -> None:
        if len(self.others) < _OTHERS_MAX:
            self.others.add(seq)

    def fits(self, number: int, seq: int) -> bool:
        """Say whether a missing package may bear this serial number, after other frames in between."""
        if self.done is not None or number in self.pieces:
            return False
        if number > self.last_number:
            last_seq = self.seqs[self.last_number]
            ahead = (seq - last_seq) & _SEQ_MASK
            n_others = sum((other - last_seq) & _SEQ_MASK < ahead for other in self.others)
            return ahead - n_others == number - self.last_number
        before = max((other for other in self.seqs if other < number), default=None)
        if before is None:
            return False
        after = min(other for other in self.seqs if other > number)
        n_between = (self.seqs[after] - self.seqs[before]) & _SEQ_MASK
        return 0 < (seq - self.seqs[before]) & _SEQ_MASK < n_between

    def missing(self) -> Iterator[int]:
        return (number for number in range(1, self.total + 1) if number not in self.pieces)

    def runs(self) -> list[tuple[int, bytes]]:
        """Return the runs of packages without a gap: number of the first package, and the bytes joined."""
        found: list[tuple[int, list[bytes]]] = []
        for number in sorted(self.pieces):
            if not found or number != found[-1][0] + len(found[-1][1]):
                found.append((number, []))
            found[-1][1].append(self.pieces[number])
        return [(number, b"".join(pieces)) for number, pieces in found]


@dataclass(slots=True)
class _Held:
    """The unfinished messages of one terminal, the oldest first."""

    messages: OrderedDict[tuple[int, int], Assembly] = field(default_factory=OrderedDict)
    n_bytes: int = 0


class Packages:
    """The unfinished messages of all terminals of one process: they outlive a connection."""

    def __init__(self, counts: Counter[str], limits: PackageLimits | None = None) -> None:
        self._counts = counts
        self._limits = limits or PackageLimits()
        self._held: OrderedDict[str, _Held] = OrderedDict()  # the terminal that was silent the longest first
        self.n_bytes = 0

    def __contains__(self, terminal: object) -> bool:
        return terminal in self._held

    def passed(self, terminal: str, seq: int) -> None:
        """Note a serial number that the terminal gave to another frame."""
        held = self._held.get(terminal)
        if held is not None:
            for message in held.messages.values():
                if message.done is None:
                    message.passed(seq)

    def add_package(self, terminal: str, frame: Frame, now_ns: int) -> Frame | None:
        """Return the whole message when this package completes it: `seq` of this package, `first_seq` set.

        Raises DeviceError `package.number` (no such package can be) or `package.full` (too large to hold).
        """
        assert frame.package is not None, "the caller has checked"
        total, number = frame.package
        if not 1 <= number <= total:
            raise DeviceError("package.number")
        held = self._held.setdefault(terminal, _Held())
        message = self._message_of(held, frame, total, number, now_ns)
        if message is None:
            return None
        for other in held.messages.values():
            if other is not message and other.done is None:
                other.passed(frame.seq)
        message.add_piece(number, frame.seq, frame.body)
        message.newest_ns = now_ns
        self._grow(held, message, len(frame.body) + _PIECE_BYTES)
        self._held.move_to_end(terminal)
        if len(message.pieces) == total:
            return self._complete(terminal, held, message, frame)
        self._make_room(terminal, message)
        return None

    def requests(self, terminal: str, now_ns: int) -> list[Assembly]:
        """Return the messages whose missing packages must be requested now, and note the request."""
        held = self._held.get(terminal)
        if held is None:
            return []
        due = [message for message in held.messages.values() if self._is_due(message, now_ns)]
        for message in due:
            message.asked_ns = now_ns
            message.n_requests += 1
            self._counts["package.requested"] += 1
        return due

    def waiting(self, now_ns: int) -> list[str]:
        """Return the terminals that lack packages which are to be asked for now."""
        return [
            terminal
            for terminal, held in self._held.items()
            if any(self._is_due(message, now_ns) for message in held.messages.values())
        ]

    def expire(self, now_ns: int) -> list[tuple[str, Assembly]]:
        """Drop messages that are too old; return the unfinished ones with their terminals."""
        lost: list[tuple[str, Assembly]] = []
        for terminal, held in list(self._held.items()):
            for message in list(held.messages.values()):
                # of either sign: a clock that was set back must not hold them for ever
                if abs(now_ns - message.newest_ns) < self._limits.forget_ns:
                    continue
                self._drop(terminal, held, message)
                if message.done is None:
                    self._counts["package.incomplete"] += 1
                    lost.append((terminal, message))
        return lost

    def _message_of(self, held: _Held, frame: Frame, total: int, number: int, now_ns: int) -> Assembly | None:
        """Return the message that a package belongs to, a new one where there is none; None: a repetition."""
        first_seq = (frame.seq - number + 1) & _SEQ_MASK
        found = held.messages.get((frame.msg_id, first_seq))
        if found is None:
            found = _other_numbering(held.messages, frame, total, number)
        if found is not None:
            if found.total == total and _holds(found, number, frame.body):
                self._counts["package.duplicate"] += 1
                return None
            if found.total == total and found.done is None and number not in found.pieces:
                return found
            # the serial number serves another message now: the terminal has restarted
            if found.done is None:
                self._counts["package.restarted"] += 1
            self._release(held, found)
        message = Assembly(frame.msg_id, first_seq, total, newest_ns=now_ns)
        held.messages[message.msg_id, message.first_seq] = message
        held.n_bytes += message.n_bytes
        self.n_bytes += message.n_bytes
        return message

    def _complete(self, terminal: str, held: _Held, message: Assembly, frame: Frame) -> Frame:
        body = b"".join(message.pieces[number] for number in range(1, message.total + 1))
        message.done = {number: zlib.crc32(piece) for number, piece in message.pieces.items()}
        message.pieces, message.others = {}, set()
        self._grow(held, message, -len(body))
        done = [other for other in held.messages.values() if other.done is not None]
        for old in done[:-_DONE_MAX]:
            self._release(held, old)
        self._make_room(terminal, message)
        return msgspec.structs.replace(frame, body=body, package=None, first_seq=message.first_seq)

    def _is_due(self, message: Assembly, now_ns: int) -> bool:
        if message.done is not None or message.n_requests >= self._limits.requests_max:
            return False
        if abs(now_ns - message.newest_ns) < self._limits.pause_ns:
            return False
        return message.asked_ns is None or abs(now_ns - message.asked_ns) >= self._limits.again_ns

    def _make_room(self, terminal: str, newest: Assembly) -> None:
        """Drop the oldest of this terminal, then of the one that is silent the longest, until all fits.

        Raises DeviceError `package.full` where it is the newest message itself that does not fit.
        """
        held = self._held[terminal]
        while (
            held.n_bytes > self._limits.terminal_bytes or len(held.messages) > self._limits.terminal_messages
        ):
            self._evict(terminal, held, newest)
        while self.n_bytes > self._limits.total_bytes:
            longest = next(iter(self._held))
            self._evict(longest, self._held[longest], newest)

    def _evict(self, terminal: str, held: _Held, newest: Assembly) -> None:
        oldest = next(iter(held.messages.values()))
        self._drop(terminal, held, oldest)
        if oldest is newest and oldest.done is None:
            raise DeviceError("package.full")
        if oldest.done is None:
            self._counts["package.full"] += 1

    def _drop(self, terminal: str, held: _Held, message: Assembly) -> None:
        self._release(held, message)
        if not held.messages:
            self._held.pop(terminal, None)

    def _release(self, held: _Held, message: Assembly) -> None:
        del held.messages[message.msg_id, message.first_seq]
        self._grow(held, message, -message.n_bytes)

    def _grow(self, held: _Held, message: Assembly, n_bytes: int) -> None:
        message.n_bytes += n_bytes
        held.n_bytes += n_bytes
        self.n_bytes += n_bytes


def _other_numbering(
    messages: Mapping[tuple[int, int], Assembly], frame: Frame, total: int, number: int
) -> Assembly | None:
    """Return the message of a package whose serial number is not its first package's plus its place."""
    same = messages.get((frame.msg_id, frame.seq))
    if same is not None and same.total == total:  # some number a whole message, not its packages
        return same
    for message in messages.values():  # other frames were sent in between
        if (message.msg_id, message.total) != (frame.msg_id, total):
            continue
        if message.seqs.get(number) == frame.seq or message.fits(number, frame.seq):
            return message
    return None


def _holds(message: Assembly, number: int, body: bytes) -> bool:
    """Say whether this very package came before."""
    if message.done is not None:
        return message.done.get(number) == zlib.crc32(body)
    return message.pieces.get(number) == body
