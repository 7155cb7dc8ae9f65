"""The sections of a site file as frozen structs; unknown keys are refused (docs/design.md section 5)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.wire import Esn, Latitude, Longitude, Name
from fusion.config import FusionConfig, Reflects
from geofence.config import RulesConfig, VehicleConfig
from geofence.journeys.config import JourneysConfig
from geofence.permits import PERMITS_MAX, PermitConfig
from geofence.violation import Rule

RSUS_MAX = 512  # the place in a track id has nine bits
# `roadside.devices.radars.DECODERS` has a decoder for each; all of them are datagrams
RadarScheme = Literal["udp"]

Positive = Annotated[float, Meta(gt=0.0)]
NotNegative = Annotated[float, Meta(ge=0.0)]
ReflectionShare = Annotated[float, Meta(ge=0.0, le=0.5)]  # the bumper is at 0.5
SigmaShare = Annotated[float, Meta(gt=0.0, le=0.5)]  # 0 would be `reflects = "centres"`: nothing to learn
ReflectionS = Annotated[float, Meta(ge=0.05, le=10.0)]  # correlation time: from a scan's to a passage's
SigmaPlace = Annotated[float, Meta(ge=0.0, le=100.0)]
SigmaHeading = Annotated[float, Meta(ge=0.0, le=90.0)]
Url = Annotated[str, Meta(pattern=r"^[a-z0-9+]+://.+|^mqtt$|\$\{")]
HttpUrl = Annotated[str, Meta(pattern=r"^https?://.+", max_length=500)]
Address = Annotated[str, Meta(min_length=1)]  # HOST:PORT, looked at once ${ENV} is expanded
SourceAddress = Annotated[str, Meta(min_length=1, max_length=64)]  # an IP address


class SiteSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[site]`: the frame's zero and the map."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    map: Annotated[str, Meta(min_length=1)]  # file, relative to this one
    origin: tuple[Longitude, Latitude]


class RadarConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[rsu.radar]]`: its pose, its field of view and the errors that its maker states (1 sigma)."""

    id: Esn
    input: Url
    source: SourceAddress | None = msgspec.field(default=None, name="from")
    accepted: bool = False  # commissioned; else it tracks but does not enforce
    lon_deg: Longitude
    lat_deg: Latitude
    height_m: Annotated[float, Meta(ge=0.0, le=100.0)]  # above the road
    heading_deg: Annotated[float, Meta(ge=-360.0, le=360.0)]  # boresight, clockwise from true north
    range_m_max: Annotated[float, Meta(gt=0.0, le=10_000.0)]
    fov_deg: Annotated[float, Meta(gt=0.0, le=360.0)]  # full width
    sigma_range_m: Positive
    sigma_azimuth_deg: Positive
    sigma_range_rate_mps: Positive
    reflects: Reflects | None = None  # this and what follows: None as [radars] states it
    reflection_share: ReflectionShare | None = None
    sigma_reflection_share: SigmaShare | None = None
    reflection_s: ReflectionS | None = None
    sigma_place_m: SigmaPlace | None = None
    sigma_heading_deg: SigmaHeading | None = None


class RadarsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[radars]`: what is known of all radars of the site alike; a radar's own lines come first."""

    reflects: Reflects = "bodies"
    # Where on a body they see it: share of its length from the middle to that point, by commissioning, and
    # 1 sigma of it; None: learnt from traffic
    reflection_share: ReflectionShare | None = None
    sigma_reflection_share: SigmaShare | None = None
    reflection_s: ReflectionS = 1.0  # how long the point stays where it is on the body
    # 1 sigma of the poses by survey and commissioning; without it traffic shows how good the survey was. It
    # lasts, so that each centimetre takes one from what can be proven of a departure
    sigma_place_m: SigmaPlace | None = None
    sigma_heading_deg: SigmaHeading | None = None


class GnssInputConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[rsu.gnss]]`: a receiver or terminals of the RSU's own."""

    input: Url
    source: SourceAddress | None = msgspec.field(default=None, name="from")  # of a receiver


class RsuConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[rsu]]`: one roadside unit."""

    esn: Esn
    lon_deg: Longitude
    lat_deg: Latitude
    stretch_m: tuple[float, float]  # stations that it answers for
    neighbours: tuple[Esn, ...] = ()
    radar: tuple[RadarConfig, ...] = ()
    gnss: tuple[GnssInputConfig, ...] = ()
    health: Address | None = None  # serves /healthz, /readyz, /metrics; None: nowhere
    # of its camera, with {esn}, {stamp_s} and {plate}: a page for people, and a picture for evidence
    camera: HttpUrl | None = None
    still: HttpUrl | None = None


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[gateway]`: the entrance for the vehicles' terminals."""

    id: Esn
    listeners: tuple[Url, ...] = ()
    accept_unknown: bool = True  # terminals that the registry lacks
    # of which the terminals' codes are made; only as ${ENV}; None: drawn at each start
    secret: Annotated[str, Meta(min_length=1)] | None = None
    registration: Literal["open", "unlisted", "listed", "closed"] = "open"  # who is handed a code
    insecure: bool = False  # terminals on the network without a secret are meant
    # connections of one IP address; None: 64, and any number of this machine's own
    connections_per_address: Annotated[int, Meta(ge=1, le=20_000)] | None = None
    health: Address | None = None


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[mqtt]`: how to reach the broker; without addresses, the embedded one."""

    brokers: tuple[Address, ...] = ()
    cluster: bool = False  # they are nodes of one NATS cluster: each part begins with another one, at QoS 0
    embedded: Literal["nats", "mosquitto"] = "nats"
    ca_file: str | None = None  # any of the three: TLS
    cert_file: str | None = None
    key_file: str | None = None
    crl_file: str | None = None
    parts_file: str | None = None  # the certificates of all parts: messages are signed
    insecure: bool = False  # a broker on the network without TLS is meant
    username: str | None = None
    password: str | None = None  # only as ${ENV}: edge.config refuses it in the file


class OutboxConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[outbox]`: where violations wait for the centre."""

    directory: str = "outbox"  # relative to the working directory
    ballast_mib: Annotated[int, Meta(ge=0, le=4_096)] = 16  # freed first on a full disk


class RetentionConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retention]`: how much is kept, and how long. A centre keeps tracks of all vehicles, and clips."""

    tracks_days: Positive = 1.0  # who drove where is nobody's business for longer than a replay needs
    tracks_gib: Positive = 8.0  # of one centre
    clips_gib: Positive = 8.0  # of one centre: what was around violations
    recordings_days: Positive = 7.0
    recordings_gib: Positive = 32.0  # of one RSU: half of a card of 64 GB
    free_mib: Annotated[int, Meta(ge=0, le=1_000_000)] = 1_024  # the outbox's room comes first
    plates_days: Positive = 180.0


class EvidenceConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[centre.evidence]`: where evidence files lie, and how long."""

    directory: str = "evidence"  # relative to the database's file; with PostgreSQL, to the working directory
    days: Positive = 180.0
    gib: Positive = 8.0  # all files together


class WebhookConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[centre.webhook]`: a web address that gets an event for each alarm that is raised, rises or ends."""

    url: Annotated[str, Meta(pattern=r"^https?://.+|\$\{")]
    # of which each event's signature is made; only as ${ENV}
    secret: Annotated[str, Meta(min_length=1)] | None = None
    timeout_s: Annotated[float, Meta(ge=0.1, le=60.0)] = 5.0  # without an answer it is sent again


class CentreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[centre]`: the supervision centre."""

    id: Esn = "centre"
    database: str = "sqlite:///centre.sqlite"
    http: Address = "127.0.0.1:8080"
    health: Address | None = None  # None: the page's own address answers
    ingest: Literal["self", "workers"] = "self"  # who stores violations and journeys
    evidence: EvidenceConfig = EvidenceConfig()
    webhook: WebhookConfig | None = None
    alarm_topic: bool = False  # the same events as the webhook's, on the topic `alarm/up`
    acks: Annotated[int, Meta(ge=1, le=2)] = 1  # centres that must hold a violation before its RSU deletes it
    hosts: tuple[str, ...] = ()  # names by which browsers reach the page, beside its certificate's
    certificate: str | None = None  # of the page, PEM; None: the one of `petroroad pki issue page ID-page`
    key: str | None = None
    idle_min: Annotated[float, Meta(ge=1.0, le=44_640.0)] = 60.0  # a session without use ends
    session_h: Annotated[float, Meta(ge=0.1, le=744.0)] = 13.0  # a session ends: a shift and its hand-over
    history: str | None = None  # folder of the vehicles' tracks; None: beside a database of SQLite, else none


class NatsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[nats]`: the cluster as the centre's workers see it, and the bounds of the queues they pull from."""

    servers: tuple[Address, ...] = ()  # HOST:PORT of each node, for NATS clients
    replicas: Annotated[int, Meta(ge=1, le=5)] = 3  # of each queue
    queue_mib: Annotated[int, Meta(ge=16, le=1_000_000)] = 1_024  # of each queue; beyond it the oldest go
    queue_s: Annotated[float, Meta(ge=10.0, le=86_400.0)] = 60.0  # RSUs have sent again what is older


class StandbyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[standby]`: a second supervision centre, on the same brokers, with a database of its own."""

    id: Esn = "standby"
    database: str = "sqlite:///standby.sqlite"
    http: Address = "127.0.0.1:8081"
    health: Address | None = None
    hosts: tuple[str, ...] = ()
    certificate: str | None = None
    key: str | None = None
    history: str | None = None


DeskLevel = Annotated[int, Meta(ge=1, le=3)]
Deadline = Annotated[float, Meta(ge=1.0, le=86_400.0)]


class PriorityRuleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[desk.rule]]`: what makes an alarm urgent or its consequences grave; all its conditions must hold."""

    code: Esn  # the shipped rule of this code is replaced
    zh: Name
    en: Name
    consequence: DeskLevel | None = None  # None: says nothing of it
    urgency: DeskLevel | None = None
    rules: tuple[Name, ...] = ()  # any of them; so with each list, and an empty one is no condition
    classes: tuple[Name, ...] = ()
    un: tuple[Name, ...] = ()
    places: tuple[Name, ...] = ()  # roles or names of zones, gates and places of the map
    toward: tuple[Literal["oncoming", "off_carriageway"], ...] = ()
    unidentified: bool = False
    speed_mps: NotNegative | None = None  # at least
    over_limit: Positive | None = None  # at least so many times the limit


class ExerciseAlarmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[desk.exercise.alarm]]`: one made-up violation, or several alike, one after the other."""

    at_s: Annotated[float, Meta(ge=0.0, le=7_200.0)]
    lasts_s: Annotated[float, Meta(ge=1.0, le=3_600.0)]
    rule: Rule
    plate: Annotated[str, Meta(min_length=1, max_length=20)]
    hazmat_class: Name = "3"
    un: Name = "1203"
    place: Annotated[float, Meta(ge=0.0, le=1.0)]  # a share of the road's length
    speed_mps: Annotated[float, Meta(ge=0.0, le=70.0)]
    times: Annotated[int, Meta(ge=1, le=60)] = 1
    every_s: Positive = 10.0


class ExerciseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[[desk.exercise]]`: what an exercise plays; the shipped one of this name is replaced."""

    name: Name
    zh: Name
    en: Name
    alarm: Annotated[tuple[ExerciseAlarmConfig, ...], Meta(min_length=1, max_length=60)]


class DeskConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[desk]`: how the centre's desk ranks alarms, and how long they may wait."""

    # to acknowledge an alarm of priority 1, 2, 3, 4
    deadlines_s: tuple[Deadline, Deadline, Deadline, Deadline] = (30.0, 60.0, 180.0, 600.0)
    escalate_s: Deadline = 300.0  # from then on, until somebody handles it
    rule: Annotated[tuple[PriorityRuleConfig, ...], Meta(max_length=200)] = ()
    exercise: Annotated[tuple[ExerciseConfig, ...], Meta(max_length=50)] = ()


class SiteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    site: SiteSection
    rsu: Annotated[tuple[RsuConfig, ...], Meta(min_length=1, max_length=RSUS_MAX)]
    radars: RadarsConfig = RadarsConfig()
    gateway: GatewayConfig | None = None
    mqtt: MqttConfig = MqttConfig()
    fusion: FusionConfig = FusionConfig()
    rules: RulesConfig = RulesConfig()
    outbox: OutboxConfig = OutboxConfig()
    retention: RetentionConfig = RetentionConfig()
    centre: CentreConfig = CentreConfig()
    standby: StandbyConfig | None = None
    nats: NatsConfig = NatsConfig()
    desk: DeskConfig = DeskConfig()
    vehicle: tuple[VehicleConfig, ...] = ()
    registry: str | None = None  # CSV file, relative to this one; beside the [[vehicle]] tables
    journeys: JourneysConfig = JourneysConfig()
    permit: Annotated[tuple[PermitConfig, ...], Meta(max_length=PERMITS_MAX)] = ()
    permits: str | None = None  # CSV file, relative to this one; beside the [[permit]] tables
