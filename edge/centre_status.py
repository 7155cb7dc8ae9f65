"""The centre's retained status, the epoch that it gives back to an RSU, and an RSU's memory of centres. Pure.

A part of `edge.wire`; docs/design.md sections 7 and 10.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.decoding import decoder
from edge.status_order import SILENT_NS, Newest, Order, is_live

CENTRES_MAX = 8  # that an RSU remembers; a site has one or two
# An epoch from outside never leads an RSU beyond the year 2096: 290 million starts remain below 2^32
EPOCH_GIVEN_MAX = 4_000_000_000
ALIVE_S = SILENT_NS / 1e9  # a centre that was silent for longer is not known to live

# What a status says: began: its centre serves anew.  replayed: somebody sends an old one again
Receipt = Literal["began", "known", "refused", "replayed"]
Id = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Text = Annotated[str, Meta(min_length=1, max_length=64)]
Start = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class CentreStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`centre/{id}/status`: birth, will and heartbeat of a centre."""

    centre: Id
    state: Literal["online", "offline"]
    database: Text  # its name, drawn when it was created
    epoch: Start  # of this start of the centre
    connection: Count  # counts up within an epoch
    stamp_ns: Count  # of this heartbeat, by the centre's clock
    version: Text
    ready: bool = True  # the database takes what the centre commits
    acks: Annotated[int, Meta(ge=1, le=2)] = 1  # its site file's `[centre] acks`


class CentreSeen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`centres` of an RSU's status: one centre as the RSU knows it."""

    centre: Id
    state: Literal["online", "offline", "silent"]
    database: Text | None = None
    acked_ns: Count | None = None  # its last acknowledgement, by the RSU's clock
    since_ns: Count | None = None  # the first of the run of acknowledgements that no other centre's broke


class EpochKnown(msgspec.Struct, frozen=True, kw_only=True):
    """`epoch/down`: the highest epoch of an RSU that the centre knows, where the RSU's own one is lower."""

    centre: Id
    epoch: Annotated[int, Meta(ge=0, le=EPOCH_GIVEN_MAX)]


decode_centre_status = decoder(msgspec.msgpack.Decoder(CentreStatus))
decode_epoch_known = decoder(msgspec.msgpack.Decoder(EpochKnown))
_ENCODER = msgspec.msgpack.Encoder()


def encode(payload: CentreStatus | EpochKnown) -> bytes:
    """Return the MessagePack of a payload of this module."""
    return _ENCODER.encode(payload)


@dataclass(slots=True)
class _Known:
    """One centre; times in seconds are monotonic."""

    status: CentreStatus | None = None
    newest: Newest = field(default_factory=Newest)
    highest: tuple[int, int] = (0, 0)  # epoch and connection of the statuses that were believed
    beat_s: float | None = None  # its last status that was not retained
    alive_s: float | None = None  # its last live word: a status that was not retained, or an acknowledgement
    acked_ns: int | None = None
    since_ns: int | None = None


class Centres:
    """The centres that one process has received a status or an acknowledgement of."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._last: str | None = None  # the centre that acknowledged last
        self.counts: dict[str, int] = {}

    def receive(
        self, status: CentreStatus, *, retained: bool, now_s: float, age: int | None = None
    ) -> Receipt:
        """Receive a status; return what it says: where the centre serves anew, it may lack what was sent.

        A retained one comes with our own subscription: whatever waits is sent then anyway.
        age : how old it is [ns], by that centre's clock; None where that isn't known
        """
        known = self._centre(status.centre)
        if known is None:
            return "refused"
        before = known.status
        if status.state == "offline":
            if before is not None and _start(before) != _start(status):
                self._count("centres.outdated")  # the will of a connection that a newer one has replaced
                return "refused"
            known.status, known.highest = status, max(known.highest, _start(status))
            return "known"
        is_silent = known.beat_s is None or now_s - known.beat_s > ALIVE_S
        if _is_known(known, status) and not (not retained and is_silent and is_live(age)):
            if retained:  # a broker keeps the last one, which we know
                return "refused"
            self._count("centres.replayed")
            return "replayed"
        known.status, known.highest = status, _start(status)
        known.newest.add(_order(status))
        if not retained:
            known.beat_s = known.alive_s = now_s
        is_new = (
            before is None
            or before.state == "offline"
            or (_start(before), before.database) != (_start(status), status.database)
            or (status.ready and not before.ready)
        )
        if is_new:
            self._count("centres.began")
        return "began" if is_new and not retained else "known"

    def acknowledged(self, centre: str, *, now_s: float, now_ns: int) -> None:
        """Note an acknowledgement of a centre."""
        known = self._centre(centre)
        if known is None:
            return
        if self._last != centre or known.since_ns is None:
            known.since_ns = now_ns
        self._last = centre
        known.alive_s, known.acked_ns = now_s, now_ns

    def database(self, centre: str) -> str | None:
        """Return the name of a centre's database, None while it is unknown."""
        known = self._known.get(centre)
        return None if known is None or known.status is None else known.status.database

    def is_old(self, status: CentreStatus) -> bool:
        """Say whether something newer of its centre was believed; the newest itself is not old."""
        known = self._known.get(status.centre)
        return known is not None and (
            _start(status) < known.highest or known.newest.is_beyond(_order(status))
        )

    def epoch(self, centre: str) -> int | None:
        """Return the epoch of a centre's last believed status, None while there is none."""
        known = self._known.get(centre)
        return None if known is None or known.status is None else known.status.epoch

    def lives(self, centre: str, now_s: float) -> bool:
        """Say whether a centre is known to live now."""
        known = self._known.get(centre)
        return known is not None and self._state(known, now_s) == "online"

    def any_serves(self, now_s: float) -> bool:
        """Say whether a centre is known to live and to be able to commit now."""
        return any(
            known.status is not None and known.status.ready and self._state(known, now_s) == "online"
            for known in self._known.values()
        )

    def seen(self, now_s: float) -> tuple[CentreSeen, ...]:
        """Return all of them for a status message, by id."""
        return tuple(
            CentreSeen(
                centre=name,
                state=self._state(known, now_s),
                database=None if known.status is None else known.status.database,
                acked_ns=known.acked_ns,
                since_ns=known.since_ns,
            )
            for name, known in sorted(self._known.items())
        )

    def _state(self, known: _Known, now_s: float) -> Literal["online", "offline", "silent"]:
        if known.status is not None and known.status.state == "offline":
            return "offline"
        return "online" if known.alive_s is not None and now_s - known.alive_s <= ALIVE_S else "silent"

    def _centre(self, name: str) -> _Known | None:
        if name not in self._known:
            if len(self._known) >= CENTRES_MAX:
                self._count("centres.too_many")
                return None
            self._known[name] = _Known()
        return self._known[name]

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


def _is_known(known: _Known, status: CentreStatus) -> bool:
    """Say whether a status was believed before, or is of a start or a connection that has ended."""
    return _start(status) < known.highest or known.newest.has(_order(status))


def _order(status: CentreStatus) -> Order:
    return Order(status.epoch, status.connection, status.stamp_ns)


def _start(status: CentreStatus) -> tuple[int, int]:
    return status.epoch, status.connection
