"""`/delivery/{esn}` of a recording: the outbox's redo log. Pure.

The recording is the second copy of the outbox. It has each violation's bytes; this channel says under which
key each was put, and which keys wait no longer. Both are on the disk before the outbox commits.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.decoding import decoder
from edge.wire import Count, Seq


class Given(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A key that an item got."""

    epoch: Count
    seq: Seq
    detected_ns: int | None = None  # by a clock that may be anything
    sha256: Annotated[bytes, Meta(max_length=32)] | None = None  # of the violation's bytes
    void: str | None = None  # the reason, for a void


class Delivery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one commit of the outbox changed."""

    given: tuple[Given, ...] = ()
    done: tuple[tuple[Count, Seq], ...] = ()  # acknowledged, or moved to another key
    episodes: dict[str, bytes | None] = {}  # open ones' states by id; None: closed, or a neighbour's now


decode_delivery = decoder(msgspec.msgpack.Decoder(Delivery))
encode_delivery = msgspec.msgpack.Encoder().encode
