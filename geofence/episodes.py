"""What is remembered of a judged track, as it is handed over, kept and resumed."""

from typing import Annotated

import msgspec
from msgspec import Meta

from geofence.violation import Grade, Rule, ViolationVehicle

# ge and le refuse NaN and infinity, which no payload may show
Number = Annotated[float, Meta(ge=-1e9, le=1e9)]
Small = Annotated[int, Meta(ge=0, le=2**31)]
Stamp = Annotated[int, Meta(ge=0, le=4 * 10**18)]


class OpenEpisode(msgspec.Struct, kw_only=True):
    """One open violation between its versions."""

    id: str
    rule: Rule
    undecidable: bool  # the record of a time that could not be judged
    track: Annotated[int, Meta(ge=0)]
    grade: Grade
    version: Small
    hop: Small
    start_ns: Stamp
    confirmed_ns: Stamp | None
    told_ns: Stamp  # when its last version was made
    seen_ns: Stamp  # of the last observation judged
    lane: str | None
    zone: str | None
    vehicle: ViolationVehicle | None
    identity_p: Number | None
    lon_deg: Number
    lat_deg: Number
    s_m: Number | None
    d_m: Number | None
    sigma_d_m: Number | None
    p_violation: Number
    speed_mps: Number
    limit_mps: Number | None


class CarriedJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """All that was judged of one track: a row of geofence.state.State.

    Little-endian numbers, since what is not known is NaN, which no payload may show as a number.
    """

    track: int
    state: bytes  # evidence, then flags, f8
    stamps: tuple[int, ...]
    ring: bytes  # (n, RING) f8, oldest first
    ring_ns: tuple[int, ...]
    episodes: tuple[OpenEpisode, ...]


class MonitorState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the next step of a monitor depends on."""

    judgements: tuple[CarriedJudgement, ...]
    waiting: tuple[tuple[OpenEpisode, int], ...]  # of a restart, and until when
    superseded: tuple[tuple[int, OpenEpisode], ...]  # slot and episode, to be closed
    unjudged_since: tuple[tuple[float, float, str, int], ...]
    counts: dict[str, int]


_DECODER = msgspec.msgpack.Decoder(OpenEpisode)


def decoded(body: bytes) -> OpenEpisode | None:
    """Return a packed episode; None for any bytes that are none, nesting bombs and broken text included."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, TypeError, RecursionError):
        return None
