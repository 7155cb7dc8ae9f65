"""Every payload of docs/design.md section 7 as a struct, and the packed records of a track snapshot. Pure.

Bounds are checked where bytes become these objects; absent and nil are the same; unknown fields are ignored.
"""

from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge.centre_status import CENTRES_MAX, CentreSeen
from edge.config_down import ConfigAnswer
from edge.decoding import DeviceStamp, Stamp, decoder, place_stamp
from edge.radar_errors import RegistrationReported
from edge.terminal_only import TerminalsOnly

ITEMS_MAX, FIXES_MAX = 32, 4_096  # of a violation batch; of one gateway message
TRACKS_MAX, CLOCKS_MAX = 65_535, 512  # of one snapshot; of one status
HANDED_MAX = 512  # vehicles of one handover
SIDE_MAX = 64  # lost vehicles of one handover, and episodes that wait
ACKNOWLEDGED_MAX = 1_024  # seqs of one acknowledgement: as many items as the centre reads of one batch
PAYLOAD_BYTES_MAX = 1_000_000  # a broker's usual limit: 1 MiB
VIOLATION_BYTES_MAX = 256_000
NONE_LANE, NONE_S_DM, NONE_D_CM = 65_535, 4_294_967_295, -32_768

Esn = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Plate = Annotated[str, Meta(max_length=32)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]  # fits SQLite's and NumPy's signed 64 bits
Epoch = Annotated[int, Meta(ge=0, le=2**32 - 1)]  # wall seconds; track ids hold 32 bits of it
Seq = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Seqs = Annotated[tuple[Seq, ...], Meta(max_length=ACKNOWLEDGED_MAX)]
Place = Annotated[int, Meta(ge=0, lt=HANDED_MAX)]
Nonnegative = Annotated[float, Meta(ge=0.0, le=1e9)]  # ge and le refuse NaN as well
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Longitude = Annotated[float, Meta(ge=-180.0, le=180.0)]
Latitude = Annotated[float, Meta(ge=-90.0, le=90.0)]
Altitude = Annotated[float, Meta(ge=-1e5, le=1e5)]
Course = Annotated[float, Meta(ge=0.0, le=360.0)]
Side = Annotated[int, Meta(ge=0, le=2)]
Quality = Literal["none", "single", "dgnss", "float", "fixed", "dead_reckoning"]

# Little-endian and packed; the browser reads the same bytes. docs/design.md section 7 fixes order and names.
TRACK_DESCR: tuple[tuple[str, str], ...] = (
    ("track", "<u8"),
    ("lon_e7", "<i4"),
    ("lat_e7", "<i4"),
    ("dt_ms", "<i2"),  # state time - stamp
    ("speed_cmps", "<u2"),
    ("course_cdeg", "<u2"),  # clockwise from north
    ("sigma_cm", "<u2"),  # lateral, 1 sigma
    ("lane", "<u2"),  # index into `lanes`, NONE_LANE
    ("s_dm", "<u4"),  # station along the road's axis, NONE_S_DM
    ("d_cm", "<i2"),  # left of the lane's centre positive, NONE_D_CM
    ("p_lane", "|u1"),  # of 255
    ("length_dm", "|u1"),
    ("class", "|u1"),  # 0 unknown, 1 car, 2 bus, 3 truck, 4 hazmat, 5 other
    ("flags", "|u1"),  # the FLAG_ bits
)
TRACK_DTYPE = np.dtype(list(TRACK_DESCR))
SIGNED_STATION = ("s_signed_dm", "<i4")  # added where the axis begins below 0: see edge.stations
SIGNED_DESCR = (*TRACK_DESCR, SIGNED_STATION)
SIGNED_DTYPE = np.dtype(list(SIGNED_DESCR))
FLAG_OWNED, FLAG_CONFIRMED, FLAG_COASTING, FLAG_UNDECIDABLE = 1, 2, 4, 8
FLAG_RADAR, FLAG_GNSS, FLAG_INTEGRITY, FLAG_TENTATIVE = 16, 32, 64, 128
PLAIN_FORMATS = {"u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"}
Records = NDArray[np.void]


class ViolationItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of the outbox: a violation's own bytes, or a void in place of one that can't be recovered."""

    seq: Seq
    detected_ns: Stamp | None = None
    sent_ns: Stamp | None = None
    violation: Annotated[bytes, Meta(max_length=VIOLATION_BYTES_MAX)] | None = None
    void: str | None = None  # the reason

    def __post_init__(self) -> None:
        if (self.violation is None) == (self.void is None):
            raise ValueError("an item is either a violation or a void")
        if self.violation is not None and (self.detected_ns is None or self.sent_ns is None):
            raise ValueError("a violation needs detected_ns and sent_ns")


class ViolationBatch(msgspec.Struct, frozen=True, kw_only=True):
    """`violation/up` as an RSU sends it; `centre.batch_decoder` is its only reader."""

    epoch: Count
    items: Annotated[tuple[ViolationItem, ...], Meta(min_length=1, max_length=ITEMS_MAX)]


class ViolationAck(msgspec.Struct, frozen=True, kw_only=True):
    """`violation/ack`: the items of one batch that the centre's database has committed."""

    centre: Name  # the name of the database
    by: Esn | None = None  # the id of the centre; None: an older one
    epoch: Count
    stored: Seqs = ()
    conflict: Seqs = ()  # same key, other bytes: never stored under it


class TrackNames(msgspec.Struct, frozen=True, kw_only=True):
    """Who the identified tracks are; columns of equal length, always whole."""

    track: tuple[Count, ...] = ()
    terminal: tuple[str | None, ...] = ()
    plate: tuple[str | None, ...] = ()
    identity_p: tuple[Probability, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.track) == len(self.terminal) == len(self.plate) == len(self.identity_p):
            raise ValueError("columns differ in length")


class TrackSnapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`track/up`: all tracks at `stamp_ns`, a point of the 100 ms grid."""

    v: Literal[1]  # no default: omit_defaults would leave it out
    esn: Esn
    seq: Count
    stamp_ns: Stamp
    n: Annotated[int, Meta(ge=0, le=TRACKS_MAX)]
    dtype: tuple[tuple[str, str], ...]
    data: bytes
    lanes: tuple[str, ...] | None = None
    names: TrackNames | None = None


class Handover(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`handover/{to}`: each vehicle as `roadside.handover` carries it, still packed (`msgspec.Raw`)."""

    epoch: Count
    seq: Seq
    tracks: Annotated[tuple[msgspec.Raw, ...], Meta(max_length=HANDED_MAX)]
    partial: bool = False  # its giver reads `refused` in the answer, and keeps judging those
    offered_ns: Stamp | None = None  # tick of the offer: the flag passes a moment later, on both sides
    # nameless vehicles that drive towards the receiver where no radar sees them (`roadside.found_again`)
    lost: Annotated[tuple[msgspec.Raw, ...], Meta(max_length=SIDE_MAX)] = ()
    # open episodes that the sender's disk kept, and whose vehicles it has not seen since its restart
    waiting: Annotated[tuple[bytes, ...], Meta(max_length=SIDE_MAX)] = ()
    trips: Annotated[tuple[bytes, ...], Meta(max_length=SIDE_MAX)] = ()  # `geofence.journeys.past`


class HandoverAck(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`handover/{from}/ack`."""

    epoch: Count
    seq: Seq
    refused: Annotated[tuple[Place, ...], Meta(max_length=HANDED_MAX)] = ()  # in `tracks`: not adopted
    resumed: Annotated[tuple[Name, ...], Meta(max_length=SIDE_MAX)] = ()  # of `waiting`: continue here
    trips: Annotated[tuple[Name, ...], Meta(max_length=SIDE_MAX)] = ()  # terminals whose past came


class UnjudgedStretch(msgspec.Struct, frozen=True, kw_only=True):
    """Where and since when nothing can be judged."""

    road: str
    from_m: float
    to_m: float
    reason: str
    since_ns: int


class ClockReported(msgspec.Struct, frozen=True, kw_only=True):
    """The fault of one clock."""

    kind: Name  # time_zone, offset, stopped, erratic, registry, rollover, host, gateway
    offset_s: Annotated[float, Meta(ge=-1e10, le=1e10)]  # ahead of the arrivals here; negative behind
    corrected: bool  # its stamps are put right and used
    since_ns: Count
    n: Count  # messages since then that bore it


Clocks = Annotated[dict[Name, ClockReported], Meta(max_length=CLOCKS_MAX)]


# by terminal or radar: the address of who was refused under its name last, within some minutes
Strange = Annotated[dict[Name, Annotated[str, Meta(max_length=64)]], Meta(max_length=CLOCKS_MAX)]


class Status(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`rsu/{esn}/status`: birth, will and heartbeat; the required fields are always on the wire."""

    state: Literal["online", "offline"]
    epoch: Epoch
    connection: Count  # counts up within an epoch: an older one is ignored
    last_seq: Count
    pending: tuple[tuple[Count, Count], ...]  # (epoch, last_seq) of earlier epochs not yet acknowledged whole
    outbox_depth: Count
    config: str  # versions that are applied
    map: str
    version: str  # of the software
    clock_offset_ms: float | None
    sensors: dict[str, str]
    counts: dict[str, int]
    unjudged: tuple[UnjudgedStretch, ...]
    degraded: tuple[str, ...] = ()  # reasons, such as disk_full
    clocks: Clocks = {}  # by terminal, the first of `clocks_n`
    clocks_n: Count = 0  # terminals whose clocks are wrong
    radar_clocks: Clocks = {}  # by sensor
    host_clock: ClockReported | None = None  # this RSU's own or the gateway's: all terminals are off alike
    stamp_ns: int | None = None  # of this heartbeat
    registration: Annotated[dict[Name, RegistrationReported], Meta(max_length=CLOCKS_MAX)] = {}  # by sensor
    configured: ConfigAnswer | None = None  # the answer to the newest `config/down`
    centres: Annotated[tuple[CentreSeen, ...], Meta(max_length=CENTRES_MAX)] = ()  # that it knows
    strange_terminals: Strange = {}
    strange_radars: Strange = {}
    terminal_only: TerminalsOnly = ()  # alarms that terminals alone raised


class GatewayStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`gateway/{id}/status`."""

    state: Literal["online", "offline"]
    epoch: Epoch
    connection: Count
    terminals: Count  # connected now
    version: str
    clock_offset_ms: float | None
    counts: dict[str, int]
    stamp_ns: int | None = None
    strange_terminals: Strange = {}
    degraded: tuple[str, ...] = ()  # reasons, such as port_closed


class GnssFix(msgspec.Struct, frozen=True, kw_only=True):
    """`/gnss` and `vehicle/{terminal}/gnss/up`: one fix of the antenna."""

    terminal: Name
    stamp_ns: DeviceStamp  # within Stamp once it is made
    lon_deg: Longitude
    lat_deg: Latitude
    plate: Plate | None = None
    arrived_ns: Stamp | None = None
    source_seq: Count | None = None
    alt_m: Altitude | None = None
    speed_mps: Nonnegative | None = None
    course_deg: Course | None = None
    sigma_m: Nonnegative | None = None
    tau_s: Nonnegative | None = None
    quality: Quality | None = None
    satellites: Count | None = None
    alarm: Count | None = None
    status: Count | None = None
    device_stamp_ns: DeviceStamp | None = None  # in place of a `stamp_ns` that no right clock shows
    departure: Side | None = None  # the terminal's own alarm: 0 side unknown, 1 left, 2 right

    def __post_init__(self) -> None:
        place_stamp(self)


class GnssColumns(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of `GnssFix` as columns of equal length; an optional one that is absent is all None."""

    terminal: Annotated[tuple[Name, ...], Meta(max_length=FIXES_MAX)] = ()
    stamp_ns: Annotated[tuple[Stamp, ...], Meta(max_length=FIXES_MAX)] = ()
    lon_deg: Annotated[tuple[Longitude, ...], Meta(max_length=FIXES_MAX)] = ()
    lat_deg: Annotated[tuple[Latitude, ...], Meta(max_length=FIXES_MAX)] = ()
    plate: tuple[Plate | None, ...] = ()
    arrived_ns: tuple[Stamp | None, ...] = ()
    source_seq: tuple[Count | None, ...] = ()
    alt_m: tuple[Altitude | None, ...] = ()
    speed_mps: tuple[Nonnegative | None, ...] = ()
    course_deg: tuple[Course | None, ...] = ()
    sigma_m: tuple[Nonnegative | None, ...] = ()
    tau_s: tuple[Nonnegative | None, ...] = ()
    quality: tuple[Quality | None, ...] = ()
    satellites: tuple[Count | None, ...] = ()
    alarm: tuple[Count | None, ...] = ()
    status: tuple[Count | None, ...] = ()
    device_stamp_ns: tuple[DeviceStamp | None, ...] = ()
    departure: tuple[Side | None, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.terminal)
        if not len(self.stamp_ns) == len(self.lon_deg) == len(self.lat_deg) == n:
            raise ValueError("columns differ in length")
        for name in GNSS_OPTIONAL:
            found = len(getattr(self, name))
            if found == 0 and n:
                msgspec.structs.force_setattr(self, name, (None,) * n)
            elif found != n:
                raise ValueError("columns differ in length")

    def __len__(self) -> int:
        return len(self.terminal)


GNSS_OPTIONAL = tuple(field.name for field in msgspec.structs.fields(GnssFix) if not field.required)


class GnssDown(msgspec.Struct, frozen=True, kw_only=True):
    """`gnss/down`: the fixes that a gateway routes to one RSU, at least each second even if empty."""

    gateway: Esn
    epoch: Count
    seq: Count
    fixes: GnssColumns


class ClockReq(msgspec.Struct, frozen=True, kw_only=True):
    """`clock/req`."""

    seq: Count
    sent_ns: int


class ClockRsp(msgspec.Struct, frozen=True, kw_only=True):
    """`clock/rsp`: the request's two fields, and when the other side received and answered it."""

    seq: Count
    sent_ns: int  # by the asker's clock, which may be anything
    received_ns: Stamp
    answered_ns: Stamp


class SiteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`/site` of a recording: the texts that were used, whole."""

    config: str
    map: str
    registry: str | None = None
    esn: str | None = None  # None: the whole site
    permits: str | None = None


_ENCODER = msgspec.msgpack.Encoder()


def encode(payload: msgspec.Struct) -> bytes:
    """Return the MessagePack of any payload of this module."""
    return _ENCODER.encode(payload)


decode_ack = decoder(msgspec.msgpack.Decoder(ViolationAck))
decode_snapshot = decoder(msgspec.msgpack.Decoder(TrackSnapshot))
decode_handover = decoder(msgspec.msgpack.Decoder(Handover))
decode_handover_ack = decoder(msgspec.msgpack.Decoder(HandoverAck))
decode_status = decoder(msgspec.msgpack.Decoder(Status))
decode_gateway_status = decoder(msgspec.msgpack.Decoder(GatewayStatus))
decode_fix = decoder(msgspec.msgpack.Decoder(GnssFix))
decode_down = decoder(msgspec.msgpack.Decoder(GnssDown))
decode_clock_req = decoder(msgspec.msgpack.Decoder(ClockReq))
decode_clock_rsp = decoder(msgspec.msgpack.Decoder(ClockRsp))
decode_site = decoder(msgspec.msgpack.Decoder(SiteRecord))


def columns_of(fixes: list[GnssFix]) -> GnssColumns:
    """Return the fixes as columns, in the same order."""
    fields = GnssColumns.__struct_fields__
    return GnssColumns(**{name: tuple(getattr(fix, name) for fix in fixes) for name in fields})


def fixes_of(columns: GnssColumns) -> list[GnssFix]:
    """Return the columns as single fixes, in the same order."""
    fields = GnssColumns.__struct_fields__
    rows = zip(*(getattr(columns, name) for name in fields), strict=True)
    return [GnssFix(**dict(zip(fields, row, strict=True))) for row in rows]


def snapshot_of(
    records: Records, *, esn: str, seq: int, stamp_ns: int,
    lanes: tuple[str, ...] | None = None, names: TrackNames | None = None,
) -> TrackSnapshot:  # fmt: skip
    """Pack records of TRACK_DTYPE or SIGNED_DTYPE, shape (n,)."""
    assert records.dtype in (TRACK_DTYPE, SIGNED_DTYPE), "records of TRACK_DTYPE or SIGNED_DTYPE"
    return TrackSnapshot(
        v=1,
        esn=esn,
        seq=seq,
        stamp_ns=stamp_ns,
        n=len(records),
        dtype=TRACK_DESCR if records.dtype == TRACK_DTYPE else SIGNED_DESCR,
        data=records.tobytes(),
        lanes=lanes,
        names=names,
    )


def records_of(snapshot: TrackSnapshot) -> Records:
    """Return the snapshot's records, shape (n,), read-only; ValueError where dtype or length is wrong.

    Only the plain number formats of TRACK_DESCR are accepted, so that no payload can name an object dtype.
    """
    known = dict(TRACK_DESCR)
    if not known.items() <= dict(snapshot.dtype).items():
        raise ValueError("dtype lacks a field of TRACK_DTYPE")
    if not {form.lstrip("<|") for _, form in snapshot.dtype} <= PLAIN_FORMATS:
        raise ValueError("dtype has a format that is no plain number")
    dtype = np.dtype(list(snapshot.dtype))
    if len(snapshot.data) != snapshot.n * dtype.itemsize:
        raise ValueError("data is not n records long")
    return np.frombuffer(snapshot.data, dtype)
