"""Which times the wire carries, and where a device's clock goes that shows none of them. Pure."""

from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

from core.times import STAMP_NS_MAX, STAMP_NS_MIN

Stamp = Annotated[int, Meta(ge=STAMP_NS_MIN, le=STAMP_NS_MAX)]  # UTC nanoseconds between 2001 and 2096
DEVICE_STAMP_NS_MAX = 42 * 10**17  # 2103: two digits of a year reach no further
DeviceStamp = Annotated[int, Meta(ge=0, le=DEVICE_STAMP_NS_MAX)]  # what a clock may show that was never set


class Stamped(Protocol):
    """What a device stamped."""

    @property
    def stamp_ns(self) -> int:
        """When its clock says that it measured."""


def place_stamp(made: Stamped) -> None:
    """Move a stamp that the wire does not carry to `device_stamp_ns`, while a msgspec struct is made.

    A clock that was never set (1970, 2000, 2099) must not cost the report: that it came says enough.
    """
    stamp_ns = made.stamp_ns
    if not STAMP_NS_MIN <= stamp_ns <= STAMP_NS_MAX:
        assert isinstance(made, msgspec.Struct), "only structs are made here"
        carried_ns = min(max(stamp_ns, STAMP_NS_MIN + 1), STAMP_NS_MAX - 1)
        msgspec.structs.force_setattr(made, "stamp_ns", carried_ns)
        msgspec.structs.force_setattr(made, "device_stamp_ns", stamp_ns)
