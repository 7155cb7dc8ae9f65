"""The platform's side of one JT/T 808 connection, a pure state machine: bytes in, answers and fixes out.

It knows no socket and no clock. A terminal's mistake is answered as the standard says, and counted.
"""

from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from core.errors import DeviceError
from edge.wire import GnssFix
from roadside.devices import count_kind
from roadside.devices.jt808 import batch as batches
from roadside.devices.jt808 import frame as framing
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808 import messages
from roadside.devices.jt808.codes import drawn_codes, same_code
from roadside.devices.jt808.fix import fix_of
from roadside.devices.jt808.frame import Frame, Splitter
from roadside.devices.jt808.messages import RESENT_MAX, Id, RegisterReply, Reply, Result
from roadside.devices.jt808.packages import Assembly, PackageLimits, Packages

_REGISTERED, _TERMINAL_TAKEN, _NO_SUCH_TERMINAL = 0, 3, 4
_MISFITS_MAX = 20  # broken or foreign frames in a row: this is no terminal
_PLATE_LENGTH_MAX = 32  # a fix's on the wire: each of thousands carries it
_ANSWERS_MAX = 16  # of the terminal to our texts, not yet fetched

_READ_UNKNOWN = frozenset((Id.TERMINAL_REPLY, Id.REGISTER, Id.AUTHENTICATE))  # before one authenticates
_READ = _READ_UNKNOWN | {
    Id.HEARTBEAT, Id.LOGOUT, Id.LOCATION, Id.LOCATION_REPLY, Id.CONTROL_REPLY, Id.LOCATION_BATCH,
}  # fmt: skip
_UNKNOWN_LIMITS = PackageLimits(terminal_bytes=8_192)

Registration = Literal["open", "unlisted", "listed", "closed"]
Phase = Literal["new", "authenticated", "closed"]
# edition (None: before 2019) -> ids and bodies of messages, in order
MakeMessages = Callable[[int | None], list[tuple[Id, bytes]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRules:
    """The rules that all connections of a gateway share."""

    known: Container[str] = frozenset()  # terminals of the registry
    refuse_unknown: bool = False
    # who is handed a code: anyone, terminals that the registry lacks, those that it has, nobody
    registration: Registration = "open"
    code_of: Callable[[str], str] = field(default_factory=drawn_codes)


@dataclass(slots=True)
class Received:
    """The result of some bytes: answers to send, and fixes in the order of the reports."""

    replies: bytearray = field(default_factory=bytearray)
    fixes: list[GnssFix] = field(default_factory=list)
    n_frames: int = 0


class Session:
    """One connection; `terminal` is empty until one registers or authenticates on it."""

    def __init__(
        self,
        rules: SessionRules,
        counts: Counter[str],
        packages: Packages | None = None,
        is_live: Callable[[str], bool] = lambda _terminal: False,
    ) -> None:
        """is_live : whether a terminal reports on another connection now"""
        self._is_live = is_live
        self.phase: Phase = "new"
        self.answers: list[Reply] = []  # the terminal's, to our messages; the caller removes them
        self._rules = rules
        self._counts = counts
        self._splitter = Splitter(counts)
        self._packages = packages if packages is not None else Packages(counts)
        self._packages_unknown: Packages | None = None  # a stranger's are no matter of the others
        self._phone = ""  # digits as this connection's frames bear them
        self._version: int | None = None
        self._plate: str | None = None
        self._seq = 0
        self._n_misfits = 0

    @property
    def terminal(self) -> str:
        return self._phone.lstrip("0")

    @property
    def plate(self) -> str | None:
        return self._plate

    @property
    def known(self) -> bool:
        return self.terminal in self._rules.known

    def receive(self, data: bytes, arrived_ns: int) -> Received:
        """Return the answers and fixes; `phase` becomes closed when nothing good can follow."""
        out = Received()
        before = self._splitter.n_broken
        frames = self._splitter.feed(data)
        out.n_frames = len(frames) + self._splitter.n_broken - before
        self._n_misfits += self._splitter.n_broken - before
        for frame in frames:
            if self._admit(frame):
                self._n_misfits = 0
                self._handle(frame, arrived_ns, out)
        if self._n_misfits > _MISFITS_MAX:
            self.phase = "closed"
            self._counts["session.misfit"] += 1
        if frames and self._packages.n_bytes:
            out.replies += self.requests(arrived_ns)
        return out

    def requests(self, now_ns: int) -> bytes:
        """Return the requests (0x8003) for packages that are missing for a while now."""
        if self.phase != "authenticated" or self.terminal not in self._packages:
            return b""
        return b"".join(map(self._request, self._packages.requests(self.terminal, now_ns)))

    def end(self) -> None:
        """Count the frame that the end of the connection cut off."""
        self._splitter.end()

    def text(self, text: str) -> tuple[int, bytes]:
        """Return the serial number, by which the terminal answers, and the bytes of an urgent text."""
        assert self.phase == "authenticated", "texts go to terminals that we know"
        frame = self._frame(Id.TEXT, messages.encode_text(text, self._version))
        return frame.seq, framing.encode(frame)

    def commands(self, make: MakeMessages) -> tuple[list[int], bytes]:
        """Return the serial numbers and the bytes of messages in the edition of this terminal."""
        assert self.phase == "authenticated", "commands go to terminals that we know"
        frames = [self._frame(msg_id, body) for msg_id, body in make(self._version)]
        return [frame.seq for frame in frames], b"".join(map(framing.encode, frames))

    def _admit(self, frame: Frame) -> bool:
        """Say whether the frame belongs to this connection's terminal; anyone's does before one registers."""
        if not self._phone or frame.terminal == self.terminal:
            self._version = frame.version
            if self._phone:
                self._phone = frame.phone  # as many digits as this edition's header holds
            return True
        self._counts["session.other_phone"] += 1
        self._n_misfits += 1
        return False

    def _handle(self, frame: Frame, arrived_ns: int, out: Received) -> None:
        if self._packages.n_bytes and frame.package is None and self.phase == "authenticated":
            self._packages.passed(self.terminal, frame.seq)
        if frame.free_bits and frame.encrypted:
            self._counts["message.encrypted"] += 1
            self._reply(frame, Result.UNSUPPORTED, out)
        elif frame.package is not None:
            self._package(frame, arrived_ns, out)
        else:
            self._whole(frame, arrived_ns, out)

    def _whole(self, frame: Frame, arrived_ns: int, out: Received) -> None:
        if frame.msg_id == Id.TERMINAL_REPLY:
            self._take_answer(frame)
        elif frame.msg_id == Id.REGISTER:
            self._register(frame, out)
        else:
            self._reply(frame, self._result_of(frame, arrived_ns, out), out)

    def _package(self, frame: Frame, arrived_ns: int, out: Received) -> None:
        """Add one package of a message: each is answered, the last one for the whole message."""
        authenticated = self.phase == "authenticated"
        if frame.msg_id not in (_READ if authenticated else _READ_UNKNOWN):
            self._reply(frame, self._result_of(frame, arrived_ns, out), out)  # nobody would read the whole
            return
        if not authenticated and self._packages_unknown is None:
            self._packages_unknown = Packages(self._counts, _UNKNOWN_LIMITS)
        packages = self._packages if authenticated else self._packages_unknown
        assert packages is not None, "made above"
        try:
            whole = packages.add_package(frame.terminal, frame, arrived_ns)
        except DeviceError as error:  # this package can't be kept; others may
            self._counts[error.reason] += 1
            self._reply(frame, Result.WRONG if error.reason == "package.number" else Result.FAILED, out)
            return
        if whole is None:
            self._reply(frame, Result.OK, out)
        else:
            self._whole(whole, arrived_ns, out)

    def _request(self, message: Assembly) -> bytes:
        numbers = list(islice(message.missing(), RESENT_MAX))
        body = messages.encode_resend(message.first_seq, numbers, self._version)
        return framing.encode(self._frame(Id.RESEND, body))

    def _reply(self, frame: Frame, result: Result, out: Received) -> None:
        if frame.msg_id == Id.TERMINAL_REPLY:  # an answer to an answer would never end
            return
        reply = Reply(seq=frame.seq, msg_id=frame.msg_id, result=result)
        out.replies += self._answer(frame, Id.PLATFORM_REPLY, messages.encode_reply(reply))

    def _result_of(self, frame: Frame, arrived_ns: int, out: Received) -> Result:
        try:
            return self._obey(frame, arrived_ns, out)
        except DeviceError as error:  # the frame is sound, its body is not
            self._counts[error.reason] += 1
            return Result.WRONG

    def _obey(self, frame: Frame, arrived_ns: int, out: Received) -> Result:
        if frame.msg_id == Id.AUTHENTICATE:
            return self._authenticate(frame)
        if self.phase != "authenticated":
            self._counts["session.unauthenticated"] += 1
            return Result.FAILED
        match frame.msg_id:
            case Id.LOCATION:
                out.fixes.append(self._live(frame.body, frame.message_seq, arrived_ns))
            case Id.LOCATION_BATCH:
                self._batch(frame, arrived_ns, out)
            case Id.LOCATION_REPLY | Id.CONTROL_REPLY:
                report = frame.body[2:]  # behind the serial number of the request
                out.fixes.append(self._live(report, frame.message_seq, arrived_ns))
            case Id.HEARTBEAT:
                pass
            case Id.LOGOUT:
                self.phase = "new"
            case _:
                count_kind(self._counts, "message.unsupported", f"{frame.msg_id:04X}")
                return Result.UNSUPPORTED
        return Result.OK

    def _live(self, body: bytes, source_seq: int, arrived_ns: int) -> GnssFix:
        """Return the fix of a report of now: where its time can't be read, its arrival says when it was.

        Without a time and without a fix it says nothing. Raises DeviceError.
        """
        report = locations.decode_untimed(body)
        if report.stamp_ns == locations.NO_TIME_NS:
            if not report.fixed:
                raise DeviceError("location.time")
            self._counts["location.time"] += 1
        return self._fix(report, source_seq, arrived_ns)

    def _fix(self, report: locations.Location, source_seq: int, arrived_ns: int) -> GnssFix:
        if report.items or report.tail:
            locations.count_items(report, self._counts)
        return fix_of(report, self.terminal, self._plate, arrived_ns, source_seq)

    def _batch(self, frame: Frame, arrived_ns: int, out: Received) -> None:
        kind, reports = batches.decode_batch(frame.body, self._counts)
        if kind == batches.BATCH_BLIND_AREA:
            self._counts["location.blind_area"] += len(reports)
        for report in reports:
            try:
                out.fixes.append(self._fix(report, frame.message_seq, arrived_ns))
            except DeviceError as error:  # one report costs itself only
                self._counts[error.reason] += 1

    def _register(self, frame: Frame, out: Received) -> None:
        try:
            register = messages.decode_register(frame)
        except DeviceError as error:  # answered as if unknown: the standard has no better result
            self._counts[error.reason] += 1
            reply = RegisterReply(seq=frame.seq, result=_NO_SUCH_TERMINAL)
        else:
            reply = self._registered(frame, register)
        out.replies += self._answer(frame, Id.REGISTER_REPLY, messages.encode_register_reply(reply))

    def _registered(self, frame: Frame, register: messages.Register) -> RegisterReply:
        if self._refused(frame.terminal) or not self._may_register(frame.terminal):
            return RegisterReply(seq=frame.seq, result=_NO_SUCH_TERMINAL)
        if self._is_taken(frame.terminal):
            return RegisterReply(seq=frame.seq, result=_TERMINAL_TAKEN)
        self._phone = frame.phone
        plate = "".join(filter(str.isprintable, register.plate))
        if plate != register.plate:  # control characters are no part of one
            self._counts["register.plate"] += 1
        self._plate = plate[:_PLATE_LENGTH_MAX] or None
        return RegisterReply(seq=frame.seq, result=_REGISTERED, code=self._rules.code_of(frame.terminal))

    def _authenticate(self, frame: Frame) -> Result:
        if self._refused(frame.terminal):
            return Result.FAILED
        if not same_code(messages.decode_authenticate(frame), self._rules.code_of(frame.terminal)):
            self._counts["session.wrong_code"] += 1
            return Result.FAILED
        if self._is_taken(frame.terminal):
            return Result.FAILED
        self._phone = frame.phone
        self.phase = "authenticated"
        if not self.known:
            self._counts["terminal.unknown"] += 1
        return Result.OK

    def _may_register(self, terminal: str) -> bool:
        """Return whether a terminal is handed its code; where not, that is counted."""
        registration = self._rules.registration
        is_listed = terminal in self._rules.known
        allowed = registration == "open" or registration == ("listed" if is_listed else "unlisted")
        if not allowed:
            self._counts["register.refused"] += 1
        return allowed

    def _is_taken(self, terminal: str) -> bool:
        """Return whether a terminal reports on another connection: a second one must not displace it."""
        taken = self._is_live(terminal)
        if taken:
            self._counts["terminal.live"] += 1
        return taken

    def _refused(self, terminal: str) -> bool:
        refused = not terminal or (self._rules.refuse_unknown and terminal not in self._rules.known)
        if refused:
            self._counts["terminal.refused"] += 1
        return refused

    def _take_answer(self, frame: Frame) -> None:
        try:
            self.answers.append(messages.decode_reply(frame.body))
        except DeviceError as error:  # an answer that can't be read answers nothing
            self._counts[error.reason] += 1
        if len(self.answers) > _ANSWERS_MAX:  # nobody asked for so many
            self._counts["reply.full"] += 1
            del self.answers[0]

    def _answer(self, asked: Frame, msg_id: Id, body: bytes) -> bytes:
        return framing.encode(self._frame(msg_id, body, asked.phone, asked.version))

    def _frame(self, msg_id: Id, body: bytes, phone: str = "", version: int | None = None) -> Frame:
        seq, self._seq = self._seq, (self._seq + 1) & 0xFFFF
        return Frame(
            msg_id=msg_id,
            phone=phone or self._phone,
            seq=seq,
            body=body,
            version=version if phone else self._version,
        )
