"""The centre's retained status, the epoch that it gives back to an RSU, and an RSU's memory of centres. Pure.

A part of `edge.wire`; docs/design.md sections 7 and 10.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.decoding import decoder

CENTRES_MAX = 8  # that an RSU remembers; a site has one or two
# An epoch from outside never leads an RSU beyond the year 2096: 290 million starts remain below 2^32
EPOCH_GIVEN_MAX = 4_000_000_000
ALIVE_S = 6.0  # three heartbeats; a centre that was silent for longer is not known to live

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
    alive_s: float | None = None  # its last live word: a status that was not retained, or an acknowledgement
    acked_ns: int | None = None
    since_ns: int | None = None


class Centres:
    """The centres that one process has received a status or an acknowledgement of."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._last: str | None = None  # the centre that acknowledged last
        self.counts: dict[str, int] = {}

    def receive(self, status: CentreStatus, *, retained: bool, now_s: float) -> bool:
        """Receive a status; return whether that centre serves anew: it may lack what was sent before.

        A retained one comes with our own subscription: whatever waits is sent then anyway.
        """
        known = self._centre(status.centre)
        if known is None:
            return False
        before = known.status
        if status.state == "offline" and before is not None and _start(before) != _start(status):
            self._count("centres.outdated")  # the will of a connection that a newer one has replaced
            return False
        known.status = status
        if status.state == "offline":
            return False
        if not retained:
            known.alive_s = now_s
        is_new = (
            before is None
            or before.state == "offline"
            or (_start(before), before.database) != (_start(status), status.database)
            or (status.ready and not before.ready)
        )
        if is_new:
            self._count("centres.began")
        return is_new and not retained

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


def _start(status: CentreStatus) -> tuple[int, int]:
    return status.epoch, status.connection
