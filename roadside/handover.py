"""What is carried of a vehicle from RSU to RSU, and which handovers were taken already. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from edge.decoding import decoder
from edge.wire import Handover
from fusion.handover import CarriedTrack
from geofence.carried import believed, is_of_now, is_sound
from geofence.episodes import CarriedJudgement
from geofence.map.frames import SiteFrame

REMEMBERED_MAX = 256  # handovers per giver whose repeats are only answered again
UNDECODABLE, REFUSED = "handover.undecodable", "handover.refused"


class CarriedVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A track's state, identity and ring, and what was judged of it."""

    track: CarriedTrack
    judgement: CarriedJudgement | None


_ENCODER = msgspec.msgpack.Encoder()
_decode = decoder(msgspec.msgpack.Decoder(CarriedVehicle))


def pack(epoch: int, seq: int, vehicles: Sequence[CarriedVehicle]) -> bytes:
    """Return the bytes of a handover message."""
    rows = tuple(msgspec.Raw(_ENCODER.encode(vehicle)) for vehicle in vehicles)
    return _ENCODER.encode(Handover(epoch=epoch, seq=seq, tracks=rows, partial=True))


def episodes_of(vehicles: Sequence[CarriedVehicle]) -> tuple[str, ...]:
    """Return the ids of the open episodes that vehicles carry."""
    judged = [vehicle.judgement for vehicle in vehicles if vehicle.judgement is not None]
    return tuple(episode.id for judgement in judged for episode in judgement.episodes)


@dataclass(slots=True)
class Reading:
    """What of a handover can be taken, and what can not."""

    vehicles: list[CarriedVehicle] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)  # place in the message: reason, as it is counted


def read(
    message: Handover, now_ns: int, frame: SiteFrame, believes: Callable[[CarriedTrack], bool]
) -> Reading:
    """Return the vehicles that can be true, each judged by itself, and the places of the others.

    believes : whether the tracker can take a track.  Of two that claim one id, terminal or episode the first
    is taken: the second would change what was just taken of its neighbour.
    """
    reading = Reading()
    claimed: set[int | str] = set()
    for place, row in enumerate(message.tracks):
        try:
            vehicle = _decode(bytes(row))
        except (msgspec.DecodeError, ValueError):  # another version's, or a broken neighbour's
            reading.refused[place] = UNDECODABLE
            continue
        claims = _claims_of(vehicle)
        if claims & claimed or not believes(vehicle.track) or not _is_judged(vehicle, now_ns, frame):
            reading.refused[place] = REFUSED
            continue
        claimed |= claims
        if vehicle.judgement is not None:
            vehicle = msgspec.structs.replace(vehicle, judgement=believed(vehicle.judgement, now_ns))
        reading.vehicles.append(vehicle)
    return reading


def _claims_of(vehicle: CarriedVehicle) -> set[int | str]:
    claims: set[int | str] = {vehicle.track.track}
    if vehicle.track.terminal is not None:
        claims.add(f"terminal {vehicle.track.terminal}")
    if vehicle.judgement is not None:
        claims |= {f"episode {episode.id}" for episode in vehicle.judgement.episodes}
    return claims


def _is_judged(vehicle: CarriedVehicle, now_ns: int, frame: SiteFrame) -> bool:
    """Whether what was judged is of this very track, and each open episode can be gone on with."""
    judgement = vehicle.judgement
    return judgement is None or (
        judgement.track == vehicle.track.track
        and len({(episode.rule, episode.undecidable) for episode in judgement.episodes})
        == len(judgement.episodes)
        and all(is_sound(episode, frame) and is_of_now(episode, now_ns) for episode in judgement.episodes)
    )


@dataclass(slots=True)
class Received:
    """Which handovers were taken already: a repeat is answered as the first was, and not taken twice."""

    keys: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)  # epoch, seq, refused places

    def refused(self, giver: str, epoch: int, seq: int) -> tuple[int, ...] | None:
        """Return which places were refused of a handover that was taken; None: it was not."""
        for known in self.keys.get(giver, ()):
            if known[:2] == (epoch, seq):
                return known[2:]
        return None

    def add(self, giver: str, epoch: int, seq: int, refused: Sequence[int]) -> None:
        """Remember that it was taken, but for the refused places."""
        known = self.keys.setdefault(giver, [])
        known.append((epoch, seq, *refused))
        del known[:-REMEMBERED_MAX]
