"""The terminal's side of a JT/T 808-2019 connection, a pure state machine: a truck's box, for the simulator.

The caller owns the socket and the clock: it sends the bytes, and asks for each heartbeat and report.
"""

from collections import Counter
from typing import Literal

from core.errors import DeviceError
from edge.wire import GnssFix
from roadside.devices.jt808 import batch as batches
from roadside.devices.jt808 import frame as framing
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808 import messages
from roadside.devices.jt808.fix import location_of
from roadside.devices.jt808.frame import BODY_BYTES_MAX, Frame, Splitter
from roadside.devices.jt808.messages import Id, Register, Reply, Result

VERSION_2019 = 1
_PHONE_DIGITS = 20
_REGISTERED = 0
_TEXTS_MAX = 16
_SENT_MAX = 4

Phase = Literal["registering", "authenticating", "ready", "refused"]


class Client:
    """One terminal; `phase` ready means that the platform accepts its positions."""

    def __init__(self, terminal: str, plate: str, *, software: str = "petroroad") -> None:
        assert terminal.isdecimal(), "a terminal's id is a phone number"
        assert len(terminal) <= _PHONE_DIGITS, "a phone number has at most 20 digits"
        self.terminal = terminal
        self.phase: Phase = "registering"
        self.texts: list[str] = []  # the newest texts for the driver
        self.counts: Counter[str] = Counter()
        self._plate = plate
        self._software = software
        self._code: str | None = None  # kept over reconnections, as a terminal's flash does
        self._seq = 0
        self._sent: dict[int, list[bytes]] = {}  # packages of long messages by the first one's
        self._splitter = Splitter(self.counts)

    @property
    def ready(self) -> bool:
        return self.phase == "ready"

    def greeting(self) -> bytes:
        """Return the first message of a new connection: the known code, else a registration."""
        self._splitter = Splitter(self.counts)
        return self._register() if self._code is None else self._authenticate(self._code)

    def receive(self, data: bytes) -> bytes:
        """Return the answers to bytes of the platform."""
        return b"".join(self._handle(frame) for frame in self._splitter.feed(data))

    def heartbeat(self) -> bytes:
        return self._frame(Id.HEARTBEAT)

    def logout(self) -> bytes:
        return self._frame(Id.LOGOUT)

    def report(self, fix: GnssFix) -> bytes:
        """Return a position report (0x0200); the protocol rounds it to 1e-6 deg and whole seconds."""
        return self._frame(Id.LOCATION, locations.encode(location_of(fix)))

    def report_late(self, fixes: list[GnssFix]) -> bytes:
        """Return the reports stored in a blind area as one batch (0x0704 type 1), in packages if long."""
        body = batches.encode_batch([location_of(fix) for fix in fixes], batches.BATCH_BLIND_AREA)
        if len(body) <= BODY_BYTES_MAX:
            return self._frame(Id.LOCATION_BATCH, body)
        return b"".join(self._packages(Id.LOCATION_BATCH, body))

    def _handle(self, frame: Frame) -> bytes:
        try:
            return self._obey(frame)
        except DeviceError as error:  # the platform's fault; the next message may be sound
            self.counts[error.reason] += 1
            return b""

    def _obey(self, frame: Frame) -> bytes:
        match frame.msg_id:
            case Id.REGISTER_REPLY:
                return self._registered(messages.decode_register_reply(frame.body))
            case Id.PLATFORM_REPLY:
                return self._replied(messages.decode_reply(frame.body))
            case Id.TEXT:
                self.texts.append(messages.decode_text(frame))
                del self.texts[:-_TEXTS_MAX]
                result = Result.OK
            case Id.RESEND:  # the answer is the packages that it asks for
                first_seq, numbers = messages.decode_resend(frame)
                sent = self._sent.get(first_seq, [])
                return b"".join(sent[number - 1] for number in numbers if 1 <= number <= len(sent))
            case _:
                result = Result.UNSUPPORTED
        answer = Reply(seq=frame.seq, msg_id=frame.msg_id, result=result)
        return self._frame(Id.TERMINAL_REPLY, messages.encode_reply(answer))

    def _registered(self, reply: messages.RegisterReply) -> bytes:
        if reply.result != _REGISTERED:
            self.phase = "refused"
            return b""
        self._code = reply.code
        return self._authenticate(reply.code)

    def _replied(self, reply: Reply) -> bytes:
        if reply.msg_id != Id.AUTHENTICATE:
            self.counts["reply.not_ok"] += reply.result != Result.OK
            return b""
        if reply.result == Result.OK:
            self.phase = "ready"
            return b""
        if self._code is None:
            self.phase = "refused"
            return b""
        self._code = None  # another platform's, or an old one: register anew, once
        return self._register()

    def _register(self) -> bytes:
        self.phase = "registering"
        register = Register(
            province=21,  # Liaoning and Panjin, GB/T 2260
            city=1100,
            maker="petroroad",
            model="simulated",
            device=self.terminal,
            colour=2,  # yellow: heavy vehicles
            plate=self._plate,
        )
        return self._frame(Id.REGISTER, messages.encode_register(register))

    def _authenticate(self, code: str) -> bytes:
        self.phase = "authenticating"
        return self._frame(
            Id.AUTHENTICATE, messages.encode_authenticate(code, self.terminal[-15:], self._software)
        )

    def _packages(self, msg_id: Id, body: bytes) -> list[bytes]:
        """Return a message in packages, and keep them for when some are asked for again."""
        pieces = [body[at : at + BODY_BYTES_MAX] for at in range(0, len(body), BODY_BYTES_MAX)]
        first_seq = self._seq
        packages = [self._frame(msg_id, piece, (len(pieces), i)) for i, piece in enumerate(pieces, start=1)]
        self._sent[first_seq] = packages
        for old in list(self._sent)[:-_SENT_MAX]:
            del self._sent[old]
        return packages

    def _frame(self, msg_id: Id, body: bytes = b"", package: tuple[int, int] | None = None) -> bytes:
        seq, self._seq = self._seq, (self._seq + 1) & 0xFFFF
        phone = self.terminal.zfill(_PHONE_DIGITS)
        frame = Frame(msg_id=msg_id, phone=phone, seq=seq, body=body, version=VERSION_2019, package=package)
        return framing.encode(frame)
