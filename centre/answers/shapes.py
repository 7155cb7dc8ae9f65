"""The shapes of the answers, as OpenAPI describes them; API.md has their meaning. Pure."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from geofence.violation import Grade, Phase, Rule, ViolationVehicle

Ns = Annotated[str, Meta(pattern="^-?[0-9]+$", description="Nanoseconds since the epoch, UTC")]
MaybeNs = Ns | None
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
State = Literal["online", "offline", "never"]
Pair = Annotated[list[float], Meta(min_length=2, max_length=2)]


class Stamps(TypedDict):
    """Stamps of the observation that decided."""

    measured_ns: Ns
    arrived_ns: Ns
    by: NotRequired[str | None]


class Decided(TypedDict):
    """Where and how fast the vehicle was when the highest grade was decided."""

    lon_deg: float
    lat_deg: float
    lane: str | None
    zone: str | None
    s_m: float | None
    d_m: float | None
    speed_mps: float


class Shown(TypedDict):
    """What an episode and each of its versions have."""

    id: str
    version: int
    hop: int
    phase: Phase
    grade: Grade
    rule: Rule
    vehicle: ViolationVehicle | None
    identity_p: float | None
    track: Annotated[str, Meta(pattern="^[0-9]+$")]
    esn: str
    start_ns: Ns
    confirmed_ns: MaybeNs
    end_ns: MaybeNs
    lon_deg: float
    lat_deg: float
    lane: str | None
    zone: str | None
    s_m: float | None
    d_m: float | None
    sigma_d_m: float | None
    p_violation: Share
    speed_mps: float
    limit_mps: float | None
    limit_of: str | None
    road_s_m: float | None
    map_version: str
    rules_version: str
    stamps: Stamps
    reason: str | None
    late: bool
    terminal_alarm: bool | None
    detected_ns: MaybeNs
    sent_ns: MaybeNs
    received_ns: MaybeNs
    committed_ns: MaybeNs
    clock_unset: bool


class Episode(Shown):
    """One violation at its newest version."""

    order: int
    open: bool
    grade_max: Grade
    excess_m: float | None
    excess_m_max: float | None
    p_violation_max: float
    versions: int
    hops: list[str]
    last_violating_ns: MaybeNs
    decided: Decided | None
    first_detected_ns: MaybeNs
    first_sent_ns: MaybeNs
    first_committed_ns: MaybeNs
    latency_ms: float | None


class Version(Shown):
    """One version of a violation with its evidence."""

    evidence: dict[str, list[Any]]
    epoch: int | str
    seq: int | str
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class EpisodePage(TypedDict):
    """One page of the list, newest opened on top."""

    cursor: int
    next: int | None
    items: list[Episode]


class EpisodeDetail(TypedDict):
    """An episode and all its versions."""

    episode: Episode
    versions: list[Version]


class JourneyShown(TypedDict):
    """One journey at its newest version; API.md has the other fields."""

    id: str
    order: int
    open: bool
    esn: str
    terminal: str
    vehicle: ViolationVehicle | None
    start_ns: Ns
    end_ns: MaybeNs
    mean_mps: float
    way_m: float
    contact: str
    cause: str | None
    received_ns: Ns


class JourneyPage(TypedDict):
    """One page of journeys, newest begun on top."""

    next: int | None
    items: list[JourneyShown]


class Quarantined(TypedDict):
    """A message or item that was not stored, and why."""

    n: int
    received_ns: Ns
    topic: str
    esn: str | None
    epoch: int | str | None
    seq: int | str | None
    reason: str
    bytes: int


class QuarantinePage(TypedDict):
    """One page of what was set aside, newest first."""

    next: int | None
    items: list[Quarantined]


class Latency(TypedDict):
    """Quantiles of the time from sensor to commit; below n = 20 the high one is chance."""

    p50_ms: float | None
    p99_ms: float | None
    n: int
    deferred: int


class Unit(TypedDict):
    """What RSUs and gateways have in common."""

    state: State
    stale: bool
    since_ns: MaybeNs
    beat_ns: MaybeNs
    beat_age_s: float | None
    twin_n: int
    epoch: int | str | None
    version: str | None
    clock_offset_ms: float | None
    counts: dict[str, int]


class Rsu(Unit):
    """One RSU."""

    esn: str
    known: bool
    stretch_m: Pair | None
    stored: int
    missing: int
    lost: int
    lost_since_ns: MaybeNs
    outbox_depth: int | None
    sensors: dict[str, str]
    degraded: list[str]
    unjudged: list[dict[str, Any]]
    strange_terminals: dict[str, str]
    strange_radars: dict[str, str]
    registration: dict[str, dict[str, Any]]
    latency: Latency


class Gateway(Unit):
    """The gateway of the terminals."""

    id: str
    terminals: int | None
    strange_terminals: dict[str, str]
    degraded: list[str]


class RsuTable(TypedDict):
    """All units."""

    now_ns: Ns
    rsus: list[Rsu]
    gateways: list[Gateway]


class Summary(TypedDict):
    """The present state in figures."""

    now_ns: Ns
    cursor: int
    open: dict[Grade, int]
    total: int
    last_alarm_ns: MaybeNs
    rsus: dict[str, int]
    gateways: dict[str, int]
    vehicles: int
    hazmat: int
    unjudged_m: float
    length_m: float
    sections: dict[str, int]
    alarms: dict[str, int | list[int]]
    latency: Latency
    outbox_depth: int
    quarantined: int
    missing: int
    warnings: list[dict[str, Any]]
    centres: list[dict[str, Any]]
    database: dict[str, Any] | None
    broker: dict[str, Any]


class SiteBody(TypedDict):
    """The site: axis, lanes, places and units."""

    name: str
    title: dict[Literal["zh", "en"], str]
    synthetic: bool
    origin: Pair
    map_version: str
    rules_version: str
    length_m: float
    range_m: Pair
    axis: dict[Literal["lon", "lat", "s_m"], list[float]] | None
    lanes: list[dict[str, Any]]
    rows: list[dict[str, Any]]
    places: list[dict[str, Any]]
    rsus: list[dict[str, Any]]
    gateway: str | None
    rules: dict[str, Any]


class Counts(TypedDict):
    """Counters by part and reason."""

    centre: dict[str, int]
    strangers: dict[str, int]
    rsus: dict[str, dict[str, int]]
    gateways: dict[str, dict[str, int]]


class Problem(TypedDict):
    """An error (RFC 9457); some have members of their own, such as `errors`."""

    type: str
    title: str
    status: Annotated[int, Meta(ge=400, le=599)]
    detail: str
    instance: str


SHAPES: tuple[type, ...] = (
    EpisodePage, EpisodeDetail, JourneyPage, QuarantinePage, RsuTable, Summary, SiteBody, Counts, Problem,
)  # fmt: skip


def components() -> dict[str, Any]:
    """Return the schemas of all shapes by name."""
    return msgspec.json.schema_components(SHAPES, ref_template="#/components/schemas/{name}")[1]
