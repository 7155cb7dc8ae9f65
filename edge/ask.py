"""`violation/ask`: the centre asks an RSU for violations that its database lacks. Pure."""

import msgspec

from edge.decoding import Stamp, decoder
from edge.wire import Count, Name, Seqs

LOST = "lost "  # a void with such a reason: no file of the RSU holds the item
RECOVERED = "recovered "  # a void with such a reason: the violation came under a new key


class ViolationAsk(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Send again: the items of these keys, or all violations that the RSU's recordings hold since then."""

    centre: Name
    epoch: Count | None = None  # of `seqs`
    seqs: Seqs = ()
    since_ns: Stamp | None = None

    def __post_init__(self) -> None:
        by_key = self.epoch is not None and bool(self.seqs)
        if by_key == (self.since_ns is not None) or (self.epoch is None) != (not self.seqs):
            raise ValueError("an ask names either an epoch with seqs or since_ns")


decode_ask = decoder(msgspec.msgpack.Decoder(ViolationAsk))
