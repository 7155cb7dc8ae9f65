"""Bodies of the JT/T 808 messages that a gateway and a terminal exchange; pure, all big-endian, text in GBK.

Section numbers are of the 2019 edition. The position report has a file of its own (location.py).
"""

import struct
from enum import IntEnum

import msgspec

from core.errors import DeviceError
from roadside.devices.jt808.frame import BODY_BYTES_MAX, Frame


class Id(IntEnum):
    """Message ids; below 0x8000 from the terminal, above from the platform."""

    TERMINAL_REPLY = 0x0001
    HEARTBEAT = 0x0002
    LOGOUT = 0x0003
    REGISTER = 0x0100
    AUTHENTICATE = 0x0102
    LOCATION = 0x0200
    LOCATION_REPLY = 0x0201  # to a query: a serial number, then a position report
    CONTROL_REPLY = 0x0500  # to a command for the vehicle: the same
    LOCATION_BATCH = 0x0704
    PLATFORM_REPLY = 0x8001
    RESEND = 0x8003
    REGISTER_REPLY = 0x8100
    TEXT = 0x8300
    SET_POLYGON = 0x8604
    DELETE_POLYGON = 0x8605


class Result(IntEnum):
    """The result in a general reply (0x0001, 0x8001)."""

    OK = 0
    FAILED = 1
    WRONG = 2
    UNSUPPORTED = 3


RESENT_MAX = 125  # packages in one request (0x8003)

_U16 = struct.Struct(">H")
_REPLY = struct.Struct(">HHB")
_REGISTER_REPLY = struct.Struct(">HB")
_REGISTER_2011 = struct.Struct(">HH5s8s7sB")
_REGISTER_2013 = struct.Struct(">HH5s20s7sB")
_REGISTER_2019 = struct.Struct(">HH11s30s30sB")
_IMEI_BYTES, _SOFTWARE_BYTES = 15, 20
_URGENT_SHOWN_SPOKEN_2013 = 0x0D  # bits 0 urgent, 2 display, 3 speech
_URGENT_SHOWN_SPOKEN_2019 = 0x0E  # bits 0-1 = 10 urgent, 2 display, 3 speech
_TEXT_TYPE_NOTICE = 1


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """General reply: the other side's result for our message `seq` of kind `msg_id`."""

    seq: int
    msg_id: int
    result: int


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal introduces itself and its vehicle (sec. 8.8)."""

    province: int
    city: int
    maker: str
    model: str
    device: str
    colour: int  # of the plate, JT/T 697.7
    plate: str


class RegisterReply(msgspec.Struct, frozen=True, kw_only=True):
    """The platform's answer; the code to authenticate with comes only with result 0."""

    seq: int
    result: int  # 0 ok, 1 vehicle already, 2 no such vehicle, 3 terminal already, 4 no such terminal
    code: str = ""


def encode_reply(reply: Reply) -> bytes:
    return _REPLY.pack(reply.seq, reply.msg_id, reply.result)


def decode_reply(body: bytes) -> Reply:
    """Raises DeviceError `reply.length`."""
    if len(body) != _REPLY.size:
        raise DeviceError("reply.length")
    seq, msg_id, result = _REPLY.unpack(body)
    return Reply(seq=seq, msg_id=msg_id, result=result)


def encode_resend(first_seq: int, numbers: list[int], version: int | None) -> bytes:
    """Return the body of a request for missing packages; 2019 counts them in a word, else in a byte."""
    assert 1 <= len(numbers) <= RESENT_MAX, "the standard's list"
    n_numbers = len(numbers).to_bytes(1 if version is None else 2, "big")
    return _U16.pack(first_seq) + n_numbers + b"".join(map(_U16.pack, numbers))


def decode_resend(frame: Frame) -> tuple[int, list[int]]:
    """Return the first package's serial number and the missing numbers; DeviceError `resend.length`."""
    numbers_at = 3 if frame.version is None else 4
    listed = frame.body[numbers_at:]
    if len(frame.body) < numbers_at or len(listed) != 2 * int.from_bytes(frame.body[2:numbers_at], "big"):
        raise DeviceError("resend.length")
    (first_seq,) = _U16.unpack_from(frame.body)
    return first_seq, [number for (number,) in _U16.iter_unpack(listed)]


def encode_register(register: Register) -> bytes:
    """Return the body in the 2019 edition; too long texts are cut."""
    names = [
        register.maker.encode("gbk").ljust(11, b"\0"),
        register.model.encode("gbk").ljust(30, b"\0"),
        register.device.encode("gbk").ljust(30, b"\0"),
    ]
    head = _REGISTER_2019.pack(register.province, register.city, *names, register.colour)
    return head + register.plate.encode("gbk")


def decode_register(frame: Frame) -> Register:
    """Return the registration; 2011 and 2013 differ only in length. Raises DeviceError `register.length`."""
    layout = _REGISTER_2019
    if frame.version is None:
        layout = _REGISTER_2013 if len(frame.body) >= _REGISTER_2013.size else _REGISTER_2011
    if len(frame.body) < layout.size:
        raise DeviceError("register.length")
    province, city, maker, model, device, colour = layout.unpack_from(frame.body)
    return Register(
        province=province,
        city=city,
        maker=_text(maker),
        model=_text(model),
        device=_text(device),
        colour=colour,
        plate=_text(frame.body[layout.size :]),
    )


def encode_register_reply(reply: RegisterReply) -> bytes:
    return _REGISTER_REPLY.pack(reply.seq, reply.result) + reply.code.encode("gbk")


def decode_register_reply(body: bytes) -> RegisterReply:
    """Raises DeviceError `register_reply.length`."""
    if len(body) < _REGISTER_REPLY.size:
        raise DeviceError("register_reply.length")
    seq, result = _REGISTER_REPLY.unpack_from(body)
    return RegisterReply(seq=seq, result=result, code=_text(body[_REGISTER_REPLY.size :]))


def encode_authenticate(code: str, imei: str, software: str) -> bytes:
    """Return the body in the 2019 edition."""
    raw = code.encode("gbk")
    imei_bytes = imei.encode("ascii")[:_IMEI_BYTES].ljust(_IMEI_BYTES, b"\0")
    software_bytes = software.encode("gbk")[:_SOFTWARE_BYTES].ljust(_SOFTWARE_BYTES, b"\0")
    return bytes((len(raw),)) + raw + imei_bytes + software_bytes


def decode_authenticate(frame: Frame) -> str:
    """Return the code that a terminal authenticates with. Raises DeviceError `authenticate.length`."""
    if frame.version is None:
        return _text(frame.body)
    if not frame.body or len(frame.body) < 1 + frame.body[0]:
        raise DeviceError("authenticate.length")
    return _text(frame.body[1 : 1 + frame.body[0]])


def encode_text(text: str, version: int | None) -> bytes:
    """Return the body of an urgent text, shown and spoken to the driver, in the edition of his terminal.

    A character that GBK lacks becomes a question mark; a text too long for one frame is cut.
    """
    head = (
        bytes((_URGENT_SHOWN_SPOKEN_2013,))
        if version is None
        else bytes((_URGENT_SHOWN_SPOKEN_2019, _TEXT_TYPE_NOTICE))
    )
    raw = text.encode("gbk", errors="replace")[: BODY_BYTES_MAX - len(head)]
    return head + raw.decode("gbk", errors="ignore").encode("gbk")  # no half character at the cut


def decode_text(frame: Frame) -> str:
    """Return the text for the driver. Raises DeviceError `text.length`."""
    head_bytes = 1 if frame.version is None else 2
    if len(frame.body) < head_bytes:
        raise DeviceError("text.length")
    return _text(frame.body[head_bytes:])


def _text(raw: bytes) -> str:
    """Decode a padded text; bytes that are no GBK become a replacement sign, never an error."""
    return raw.decode("gbk", errors="replace").strip("\0 ")
