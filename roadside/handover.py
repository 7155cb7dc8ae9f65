"""What is carried of a vehicle from RSU to RSU, and which handovers were taken already. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from edge.decoding import decoder
from edge.wire import Handover
from fusion.handover import CarriedTrack
from geofence.episodes import CarriedJudgement

REMEMBERED_MAX = 256  # handovers per giver whose repeats are only answered again


class CarriedVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A track's state, identity and ring, and what was judged of it."""

    track: CarriedTrack
    judgement: CarriedJudgement | None


_ENCODER = msgspec.msgpack.Encoder()
_decode = decoder(msgspec.msgpack.Decoder(CarriedVehicle))


def pack(epoch: int, seq: int, vehicles: Sequence[CarriedVehicle]) -> bytes:
    """Return the bytes of a handover message."""
    rows = tuple(msgspec.Raw(_ENCODER.encode(vehicle)) for vehicle in vehicles)
    return _ENCODER.encode(Handover(epoch=epoch, seq=seq, tracks=rows))


def unpack(message: Handover) -> list[CarriedVehicle]:
    """Return what a message carries; raises msgspec.DecodeError."""
    return [_decode(bytes(row)) for row in message.tracks]


@dataclass(slots=True)
class Received:
    """Which handovers were taken already: a repeat is answered, not taken twice."""

    keys: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def has(self, giver: str, epoch: int, seq: int) -> bool:
        """Say whether it was taken."""
        return (epoch, seq) in self.keys.get(giver, ())

    def add(self, giver: str, epoch: int, seq: int) -> None:
        """Remember that it was taken."""
        known = self.keys.setdefault(giver, [])
        known.append((epoch, seq))
        del known[:-REMEMBERED_MAX]
