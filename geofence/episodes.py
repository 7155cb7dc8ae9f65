"""What is remembered of a judged track, as it is handed over, kept and resumed."""

import msgspec

from geofence.violation import Grade, Rule, ViolationVehicle


class OpenEpisode(msgspec.Struct, kw_only=True):
    """One open violation between its versions."""

    id: str
    rule: Rule
    undecidable: bool  # the record of a time that could not be judged
    track: int
    grade: Grade
    version: int
    hop: int
    start_ns: int
    confirmed_ns: int | None
    told_ns: int  # when its last version was made
    seen_ns: int  # of the last observation judged
    lane: str | None
    zone: str | None
    vehicle: ViolationVehicle | None
    identity_p: float | None
    lon_deg: float
    lat_deg: float
    s_m: float | None
    d_m: float | None
    sigma_d_m: float | None
    p_violation: float
    speed_mps: float
    limit_mps: float | None


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
