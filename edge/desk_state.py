"""What a centre says of its desk to the site's other centre: which alarms were handled there, by whom. Pure.

A part of `edge.wire`; docs/design.md sections 7 and 10.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.centre_status import Count, Id, Start
from edge.decoding import decoder

ALARMS_MAX = 500  # the newest; a desk of more says so

Word = Annotated[str, Meta(max_length=64)]


class HandledAlarm(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One alarm that is not new at that desk any more."""

    violation: Annotated[str, Meta(min_length=1, max_length=64)]
    state: Literal["acknowledged", "handled", "closed"]
    user: Word  # who acted last
    at_ns: Count  # since when it has this state, by the centre's clock
    reason: Word | None = None  # of closing


class DeskState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`centre/{id}/desk`: what was handled at a centre in the last 24 h, and the newest row of its log."""

    centre: Id
    epoch: Start  # of this start of the centre, as in its status
    stamp_ns: Count  # of this message, by the centre's clock
    n: Count  # number of the newest act of its log
    sha256: Annotated[bytes, Meta(max_length=32)]  # that row's digest: what is taken from the end shows
    alarms: Annotated[tuple[HandledAlarm, ...], Meta(max_length=ALARMS_MAX)] = ()
    cut: bool = False  # there are more


decode_desk_state = decoder(msgspec.msgpack.Decoder(DeskState))
encode = msgspec.msgpack.Encoder().encode
