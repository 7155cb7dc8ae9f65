"""Decoding of messages from outside: MessagePack to structs, one kind of error, bounds of stamps. Pure."""

from collections.abc import Callable
from typing import Annotated, Protocol, TypeVar

import msgspec
from msgspec import Meta

from core.times import STAMP_NS_MAX, STAMP_NS_MIN

Stamp = Annotated[int, Meta(ge=STAMP_NS_MIN, le=STAMP_NS_MAX)]  # UTC nanoseconds between 2001 and 2096
DEVICE_STAMP_NS_MAX = 42 * 10**17  # 2103: two digits of a year reach no further
DeviceStamp = Annotated[int, Meta(ge=0, le=DEVICE_STAMP_NS_MAX)]  # of a clock that may never have been set

T = TypeVar("T")


def decoder(reader: msgspec.msgpack.Decoder[T]) -> Callable[[bytes], T]:
    """Return the decoder's `decode`, which raises msgspec.DecodeError for any other bytes.

    msgspec alone lets a text that is no UTF-8 out as ValueError and a nesting bomb as RecursionError, which
    would pass a caller that counts DecodeError, and end the process.
    """
    decode = reader.decode

    def guarded(body: bytes) -> T:
        try:
            return decode(body)
        except (UnicodeDecodeError, TypeError, RecursionError) as error:
            raise msgspec.DecodeError(f"{type(error).__name__}: {error}") from error

    return guarded


class Stamped(Protocol):
    """A measurement with the stamp of its device."""

    @property
    def stamp_ns(self) -> int:
        """The time of the measurement by the clock of the device."""


def place_stamp(made: Stamped) -> None:
    """Move a stamp that the wire does not carry to `device_stamp_ns`, while a msgspec struct is made.

    A clock that was never set (1970, 2000, 2099) must not cost the report.
    """
    stamp_ns = made.stamp_ns
    if not STAMP_NS_MIN <= stamp_ns <= STAMP_NS_MAX:
        assert isinstance(made, msgspec.Struct), "only structs are made here"
        carried_ns = min(max(stamp_ns, STAMP_NS_MIN + 1), STAMP_NS_MAX - 1)
        msgspec.structs.force_setattr(made, "stamp_ns", carried_ns)
        msgspec.structs.force_setattr(made, "device_stamp_ns", stamp_ns)
