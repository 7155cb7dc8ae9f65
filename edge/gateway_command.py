"""`command/down` and `command/up` of a gateway: a text for a driver, or fences for a terminal. Pure."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.decoding import decoder

Result = Literal["delivered", "refused", "not_connected", "no_answer", "unsupported", "overloaded"]


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """`command/down` of a gateway."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    kind: Annotated[str, Meta(max_length=32)] = "text"
    terminal: Annotated[str, Meta(max_length=64)] = ""
    text: Annotated[str, Meta(max_length=500)] = ""


class CommandOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """`command/up`: the outcome of one command."""

    id: str
    terminal: str
    outcome: Result
    stamp_ns: int


decode_command = decoder(msgspec.msgpack.Decoder(Command))
decode_outcome = decoder(msgspec.msgpack.Decoder(CommandOutcome))
