"""`violation/ask`: the centre asks an RSU to send violations again. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.decoding import Stamp, decoder
from edge.wire import ACKNOWLEDGED_MAX, Count, Name, Seq

LOST = "lost "  # a void with such a reason: no file of the RSU holds the item
RECOVERED = "recovered "  # a void with such a reason: the violation came under a new key


class ViolationAsk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Keys of one epoch that the centre lacks, or a time from which on it lacks everything."""

    centre: Name
    epoch: Count | None = None
    seqs: Annotated[tuple[Seq, ...], Meta(max_length=ACKNOWLEDGED_MAX)] = ()
    since_ns: Stamp | None = None

    def __post_init__(self) -> None:
        if self.since_ns is None and (self.epoch is None or not self.seqs):
            raise ValueError("an ask has epoch and seqs, or since_ns")


decode_ask = decoder(msgspec.msgpack.Decoder(ViolationAsk))
