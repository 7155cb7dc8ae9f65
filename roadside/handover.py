"""Handovers between neighbours: the message, the offers made and the offers received. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from edge.decoding import decoder
from edge.wire import Handover, HandoverAck, encode
from fusion.handover import CarriedTrack
from geofence.carried_checks import believed, is_of_now, is_sound
from geofence.carry import CarriedJudgement
from geofence.map.frames import SiteFrame
from roadside.handed_doubt import with_open_notices
from roadside.inputs import HandedOver, HandoverAnswered
from roadside.outputs import HandoverOffer, OfferAck
from roadside.ownership import Ownership
from roadside.pipeline_state import GivingState

ACKS_REMEMBERED_MAX = 256  # handovers of each giver whose repeats get the first acknowledgement again
REPEAT_NS = 200_000_000  # an offer is repeated until it is acknowledged
OFFERS_MAX = 256  # that wait for an acknowledgement
OFFER_TRACKS_MAX = 36  # in one message: some 13 kB each with its evidence, and brokers refuse 1 MB
PLACE_BITS, COUNTER_BITS = 9, 23  # of a track id, below the epoch's 32
NO_JOURNEY = b"\xc0"  # nil
UNDECODABLE, REFUSED = "handover.undecodable", "handover.refused"


class CarriedVehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A track with its state, identity and ring, and the state of its judgement."""

    track: CarriedTrack
    judgement: CarriedJudgement | None
    journey: msgspec.Raw = msgspec.Raw(NO_JOURNEY)  # decoded later: a bad one does not refuse its vehicle


_ENCODER = msgspec.msgpack.Encoder()
_decode = decoder(msgspec.msgpack.Decoder(CarriedVehicle))


def encode_handover(epoch: int, seq: int, t_ns: int, vehicles: Sequence[CarriedVehicle]) -> bytes:
    """Return the bytes of a handover message that is offered at tick t_ns."""
    rows = tuple(msgspec.Raw(_ENCODER.encode(vehicle)) for vehicle in vehicles)
    return _ENCODER.encode(Handover(epoch=epoch, seq=seq, tracks=rows, partial=True, offered_ns=t_ns))


def episodes_of(vehicles: Sequence[CarriedVehicle]) -> tuple[str, ...]:
    """Return the ids of the open episodes that vehicles carry."""
    judged = [vehicle.judgement for vehicle in vehicles if vehicle.judgement is not None]
    return tuple(episode.id for judgement in judged for episode in judgement.episodes)


@dataclass(slots=True)
class HandoverReading:
    """The vehicles of a handover that can be adopted, and the reasons why the others can't."""

    vehicles: list[CarriedVehicle] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)  # place in the message: reason, as it is counted
    n_restarted: int = 0  # vehicles whose evidence restarts here


def read_vehicles(
    message: Handover, now_ns: int, frame: SiteFrame, believes: Callable[[CarriedTrack], bool]
) -> HandoverReading:
    """Return the vehicles that can be true, each checked by itself, and the places of the others.

    believes : whether the tracker can adopt a track.  Of two vehicles that claim one id, terminal or episode
    the first is adopted: the second would change what was just adopted.
    """
    reading = HandoverReading()
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
            judgement, is_whole = believed(vehicle.judgement, now_ns)
            track = with_open_notices(vehicle.track, judgement.episodes)
            vehicle = msgspec.structs.replace(vehicle, track=track, judgement=judgement)
            reading.n_restarted += not is_whole
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
    """Say whether the judgement belongs to this very track, and each open episode can be continued."""
    judgement = vehicle.judgement
    return judgement is None or (
        judgement.track == vehicle.track.track
        and len({(episode.rule_name, episode.scope) for episode in judgement.episodes})
        == len(judgement.episodes)
        and all(is_sound(episode, frame) and is_of_now(episode, now_ns) for episode in judgement.episodes)
    )


@dataclass(slots=True)
class ReceivedHandovers:
    """Handovers that were adopted before: a repeat gets the first acknowledgement again."""

    keys: dict[str, list[tuple[int, ...]]] = field(default_factory=dict)  # epoch, seq, refused places

    def refused(self, giver: str, epoch: int, seq: int) -> tuple[int, ...] | None:
        """Return the refused places of a handover that was adopted before; None: it is new."""
        for known in self.keys.get(giver, ()):
            if known[:2] == (epoch, seq):
                return known[2:]
        return None

    def remember(self, giver: str, epoch: int, seq: int, refused: Sequence[int]) -> None:
        """Remember an adopted handover and its refused places."""
        known = self.keys.setdefault(giver, [])
        known.append((epoch, seq, *refused))
        del known[:-ACKS_REMEMBERED_MAX]


@dataclass(slots=True)
class Offered:
    """A handover without an acknowledgement: the message under `seq`, and when it was sent last."""

    seq: int
    to: str
    tracks: list[int]
    body: bytes
    sent_ns: int
    places: list[int] = field(default_factory=list)  # of the tracks in the message
    episodes: tuple[str, ...] = ()  # open ones that the message carries; later ones are not in it

    def __post_init__(self) -> None:
        self.places = self.places or list(range(len(self.tracks)))

    def merge(self, gone: int, survivor: int, *, under_way: bool) -> None:
        """Replace a merged track; under_way: the message still offers the survivor, else it is ours again."""
        if not under_way:
            left = [i for i, key in enumerate(self.tracks) if key not in (gone, survivor)]
            self.tracks, self.places = [self.tracks[i] for i in left], [self.places[i] for i in left]
        elif gone in self.tracks:
            self.tracks[self.tracks.index(gone)] = survivor

    def state(self) -> GivingState:
        """Return it as `/state` keeps it."""
        return GivingState(
            seq=self.seq, to=self.to, tracks=tuple(self.tracks), body=self.body, sent_ns=self.sent_ns,
            places=tuple(self.places), episodes=self.episodes,
        )  # fmt: skip

    @staticmethod
    def from_state(row: GivingState) -> "Offered":
        """Return the offer that a `/state` keeps."""
        return Offered(
            row.seq, row.to, list(row.tracks), row.body, row.sent_ns, list(row.places), row.episodes
        )


@dataclass(frozen=True, slots=True)
class Given:
    """The tracks and episodes that the neighbour now has, by an acknowledged offer."""

    tracks: Sequence[int] = ()
    episodes: Sequence[str] = ()  # open ones that the message carried


class Adopter(Protocol):
    """The part of the tracker that decides which tracks it can adopt."""

    id_base: int
    n_ids: int

    def believes(self, now_ns: int, track: CarriedTrack) -> bool:
        """Say whether a track can be true."""

    def has_room(self, tracks: Sequence[CarriedTrack]) -> bool:
        """Say whether all tracks fit into the store."""


@dataclass(frozen=True, slots=True)
class Reception:
    """The acknowledgement of a handover, and its vehicles; None: they were adopted before."""

    ack: OfferAck
    vehicles: Sequence[CarriedVehicle] | None


class Handovers:
    """The offers that this RSU made and received. It never touches tracks or judgements itself.

    ownership : the phases of the tracks, shared with the pipeline
    count(reason, n) : counts n events
    """

    def __init__(
        self, place: int, frame: SiteFrame, ownership: Ownership, count: Callable[[str, int], None]
    ) -> None:
        self._place, self._frame, self._ownership, self._count = place, frame, ownership, count
        self.offered: dict[int, Offered] = {}  # by seq
        self.received = ReceivedHandovers()
        self.seq = 0

    def offer(
        self,
        t_ns: int,
        epoch: int,
        leaving: Mapping[str, Sequence[int]],
        carry: Callable[[Sequence[int]], list[CarriedVehicle]],
    ) -> list[HandoverOffer]:
        """Offer tracks to the neighbours they drive to, and repeat the offers without an acknowledgement.

        leaving : track ids by neighbour.  carry : returns the vehicles of these tracks for the message
        """
        offers = []
        parts = [
            (to, list(keys[at : at + OFFER_TRACKS_MAX]))
            for to, keys in leaving.items()
            for at in range(0, len(keys), OFFER_TRACKS_MAX)
        ]
        for to, keys in parts:
            if len(self.offered) >= OFFERS_MAX:
                self._count("handover.full", 1)
                continue
            self.seq += 1
            vehicles = carry(keys)
            body = encode_handover(epoch, self.seq, t_ns, vehicles)
            ids = episodes_of(vehicles)
            self.offered[self.seq] = Offered(self.seq, to, keys, body, t_ns, episodes=ids)
            offers.append(HandoverOffer(to, self.seq, body))
            for key in keys:
                self._ownership.give(key, t_ns)
        return offers + self._repeated(t_ns)

    def episodes_offered(self, to: str) -> frozenset[str]:
        """Return the ids of the open episodes that are under way to a neighbour with their vehicles."""
        return frozenset(name for row in self.offered.values() if row.to == to for name in row.episodes)

    def side_message(
        self, to: str, epoch: int, *, lost: Sequence[bytes] = (), waiting: Sequence[bytes] = (),
        trips: Sequence[bytes] = (),
    ) -> HandoverOffer:  # fmt: skip
        """Return a message without tracks, that nobody repeats; the rows as in `Handover`."""
        self.seq += 1
        body = _ENCODER.encode(
            Handover(
                epoch=epoch, seq=self.seq, tracks=(), partial=True, waiting=tuple(waiting),
                lost=tuple(msgspec.Raw(row) for row in lost), trips=tuple(trips),
            )
        )  # fmt: skip
        return HandoverOffer(to, self.seq, body)

    def _repeated(self, t_ns: int) -> list[HandoverOffer]:
        offers = []
        for offered in list(self.offered.values()):
            if not any(self._ownership.phase(key) == "giving" for key in offered.tracks):
                del self.offered[offered.seq]  # all its tracks are gone
            elif t_ns - offered.sent_ns >= REPEAT_NS:
                offered.sent_ns = t_ns
                offers.append(HandoverOffer(offered.to, offered.seq, offered.body))
        return offers

    def merge(self, gone: int, survivor: int) -> None:
        """Follow two tracks that became one, after the ownership followed them."""
        under_way = self._ownership.phase(survivor) == "giving"
        for offered in self.offered.values():
            offered.merge(gone, survivor, under_way=under_way)

    def acknowledge(self, ack: HandoverAnswered, epoch: int) -> Given:
        """Return the tracks that the neighbour adopted; those it refused are judged here until they end."""
        offered = self.offered.get(ack.seq) if ack.epoch == epoch else None
        if offered is None or offered.to != ack.by:
            self._count("handover.unknown_answer", 1)
            return Given()
        del self.offered[ack.seq]
        refused = set(ack.refused)
        given = [
            key
            for place, key in zip(offered.places, offered.tracks, strict=True)
            if place not in refused and self._ownership.phase(key) == "giving"
        ]
        self._count("handover.not_taken", len(refused))
        for key in given:
            self._ownership.given(key)
        return Given(given, offered.episodes)

    def receive(self, now_ns: int, handed: HandedOver, tracker: Adopter) -> Reception | None:
        """Return the vehicles to adopt and the acknowledgement; None: no answer, the giver keeps judging.

        The caller adopts the vehicles, and their tracks in the ownership.
        """
        message = handed.message
        if not message.tracks and (message.lost or message.waiting or message.trips):
            return None  # a side message: nothing to adopt
        key = (handed.giver, message.epoch, message.seq)
        refused, vehicles = self.received.refused(*key), None
        if refused is None:
            reading = self._acceptable(now_ns, message, tracker)
            if reading is None:
                return None
            refused, vehicles = tuple(reading.refused), reading.vehicles
            self.received.remember(*key, refused)
        ack = HandoverAck(epoch=message.epoch, seq=message.seq, refused=refused)
        return Reception(OfferAck(handed.giver, encode(ack)), vehicles)

    def _acceptable(self, now_ns: int, message: Handover, tracker: Adopter) -> HandoverReading | None:
        """Return the part of a handover to adopt; None, counted, where it must stay unacknowledged.

        A giver of an earlier version reads any acknowledgement as one of all its vehicles: it gets none for a
        part of them.
        """

        def believes(track: CarriedTrack) -> bool:
            return not self._is_never_given(track, tracker) and tracker.believes(now_ns, track)

        reading = read_vehicles(message, now_ns, self._frame, believes)
        for reason in reading.refused.values():
            self._count(reason, 1)
        if reading.refused and not (message.partial and reading.vehicles):
            return None
        if not tracker.has_room([vehicle.track for vehicle in reading.vehicles]):
            self._count("handover.no_room", 1)
            return None
        self._count("handover.state", reading.n_restarted)
        return reading

    def _is_never_given(self, track: CarriedTrack, tracker: Adopter) -> bool:
        """Say whether a track has an id of ours that no track had yet: the next one would get it again."""
        place = track.track >> COUNTER_BITS & (1 << PLACE_BITS) - 1
        return place == self._place and track.track > tracker.id_base + tracker.n_ids

    def clear(self) -> None:
        """Forget all offers: their tracks ended."""
        self.offered.clear()

    def offers_state(self) -> tuple[GivingState, ...]:
        """Return the offers as `/state` keeps them."""
        return tuple(offered.state() for offered in self.offered.values())

    def received_state(self) -> dict[str, tuple[tuple[int, ...], ...]]:
        """Return the received handovers as `/state` keeps them."""
        return {giver: tuple(keys) for giver, keys in self.received.keys.items()}

    def restore(
        self,
        rows: Sequence[GivingState],
        received: Mapping[str, Sequence[tuple[int, ...]]],
        seq: int,
    ) -> None:
        """Continue from the offers and received handovers of a `/state`."""
        self.offered = {row.seq: Offered.from_state(row) for row in rows}
        self.received = ReceivedHandovers({giver: list(keys) for giver, keys in received.items()})
        self.seq = seq
