"""The inputs of an RSU's pipeline: their recorded payloads (docs/design.md section 6) and decoded forms.

Pure: `decode` turns a topic and its bytes into an `Input`, the same for a live arrival and a recorded one.
Longitude and latitude become site metres here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from core.arrays import F64, I64
from core.classes import N_CLASSES, UNKNOWN
from edge.config_down import ConfigDown, decode_config_down
from edge.decoding import DeviceStamp, Stamp, decoder, place_stamp
from edge.gnss_down import read_down
from edge.schemas import kind_of
from edge.wire import (
    Count,
    GnssColumns,
    GnssDown,
    GnssFix,
    Handover,
    HandoverAck,
    Place,
    decode_fix,
    decode_handover,
)
from fusion.config import QUALITY_SIGMA_M
from fusion.observations import F_USABLE, N_FIX, SIZE_M_MAX, GnssFixes, ObjectScan, RadarScan
from geofence.map.frames import SiteFrame
from geofence.map.projection import N_PLACE, place, place_into
from roadside.pipeline_map import Published
from roadside.terminal_alarms import alarms_of

TARGETS_MAX = 512  # of one scan
INT64_MAX = 2**63 - 1
LON_ROW = N_FIX  # of GnssFixes.floats: behind what the tracker reads lie longitude, latitude, course [deg]
N_TIMES, N_NUMBERS = 4, N_FIX + 3  # rows of GnssFixes.ints and .floats
Column = Annotated[tuple[float, ...], Meta(max_length=TARGETS_MAX)]
MaybeColumn = Annotated[tuple[float | None, ...], Meta(max_length=TARGETS_MAX)]


def _equal_lengths(columns: dict[str, Any]) -> int:
    lengths = {len(column) for column in columns.values()}
    if len(lengths) != 1:
        raise ValueError("columns differ in length")
    return lengths.pop()


class DetectionColumns(msgspec.Struct, frozen=True, kw_only=True):
    """A radar's raw detections, columns of equal length, in its polar frame; the tracker drops odd ones."""

    range_m: Column
    azimuth_rad: Column  # counter-clockwise from boresight
    range_rate_mps: Column  # positive when receding
    rcs_dbsm: MaybeColumn

    def __post_init__(self) -> None:
        n = len(self.range_m)
        if not len(self.azimuth_rad) == len(self.range_rate_mps) == len(self.rcs_dbsm) == n:
            raise ValueError("columns differ in length")


class ObjectColumns(msgspec.Struct, frozen=True, kw_only=True):
    """A radar's own tracks, columns of equal length, x forward and y left of its boresight."""

    id: Annotated[tuple[int, ...], Meta(max_length=TARGETS_MAX)]
    x_m: Column
    y_m: Column
    vx_mps: Column
    vy_mps: Column
    length_m: MaybeColumn
    width_m: MaybeColumn
    class_: Annotated[tuple[int | None, ...], Meta(max_length=TARGETS_MAX)] = msgspec.field(name="class")

    def __post_init__(self) -> None:
        _equal_lengths(msgspec.structs.asdict(self))


class RadarPayload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`/radar/{sensor}`: one scan, either detections or objects."""

    sensor: Annotated[str, Meta(min_length=1, max_length=32)]
    stamp_ns: DeviceStamp  # within Stamp once it is made
    arrived_ns: Stamp | None = None  # None: the log time
    scan: Count
    detections: DetectionColumns | None = None
    objects: ObjectColumns | None = None
    device_stamp_ns: DeviceStamp | None = None  # in place of a `stamp_ns` that no right clock shows

    def __post_init__(self) -> None:
        place_stamp(self)
        if (self.detections is None) == (self.objects is None):
            raise ValueError("neither or both of detections and objects")


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """The first input of all: the outbox's epoch, its open episodes and journeys."""

    epoch: Count
    episodes: tuple[bytes, ...] = ()
    journeys: tuple[bytes, ...] = ()


class ClockStep(msgspec.Struct, frozen=True, kw_only=True, tag="clock_step"):
    """The wall clock moved by more than a second against the monotonic one."""

    from_ns: int  # the time without the step: ticks of the old grid are due until then
    to_ns: int  # the time it shows


class EpisodesFound(msgspec.Struct, frozen=True, kw_only=True, tag="episodes_found"):
    """What the recordings know of episodes and a damaged or older outbox did not.

    episodes : that were open.  ended : by id, when they ended; an older outbox had them open
    """

    episodes: tuple[bytes, ...]
    ended: dict[str, int] = {}


class HandoverAnswered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="handover_ack"):
    """A neighbour acknowledged the handover (epoch, seq) of ours, but for the `refused` places in it."""

    by: str
    epoch: Count
    seq: Count
    refused: tuple[Place, ...] = ()
    resumed: tuple[str, ...] = ()  # episodes that waited here and continue there
    trips: tuple[str, ...] = ()  # terminals whose past it knows now

    @staticmethod
    def of(by: str, ack: HandoverAck) -> "HandoverAnswered":
        """Return the input that a neighbour's message is."""
        return HandoverAnswered(
            by=by, epoch=ack.epoch, seq=ack.seq, refused=ack.refused, resumed=ack.resumed, trips=ack.trips
        )


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """A clean end."""


Control = Start | EpisodesFound | ClockStep | HandoverAnswered | Stop


@dataclass(frozen=True, slots=True)
class GatewayFixes:
    """One message of a gateway: its fixes, and the proof that terminals can report."""

    gateway: str
    fixes: GnssFixes
    n_refused: int = 0  # fixes of the message that no terminal can mean


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A handover of a neighbour; its `tracks` are `roadside.handover.CarriedVehicle`s, still packed."""

    giver: str
    message: Handover


@dataclass(frozen=True, slots=True)
class GatewayPayload:
    """A decoded message of a gateway: its sound fixes, and the number of the others."""

    message: GnssDown
    n_refused: int


Payload = (
    RadarPayload | GnssFix | GatewayPayload | Handover | ConfigDown | Published | Control
)  # a channel's bytes, decoded
Input = RadarScan | ObjectScan | GnssFixes | GatewayFixes | HandedOver | ConfigDown | Published | Control

_decode_radar = decoder(msgspec.msgpack.Decoder(RadarPayload))
_decode_control: Callable[[bytes], Control] = decoder(msgspec.msgpack.Decoder(Control))
ENCODER = msgspec.msgpack.Encoder()


def decode(topic: str, body: bytes, log_ns: int, frame: SiteFrame) -> Input | None:
    """Return the input that a recorded payload is; None for a channel that is no input.

    log_ns : the arrival where the payload has none. Raises msgspec.DecodeError or ValueError.
    """
    payload = payload_of(topic, body)
    return None if payload is None else input_of(topic, payload, log_ns, frame)


def payload_of(topic: str, body: bytes) -> Payload | None:
    """Return the payload of a channel's bytes; raises msgspec.DecodeError or ValueError."""
    head, _ = kind_of(topic)
    if head == "radar":
        return _decode_radar(body)
    if head == "gnss":
        return decode_fix(body)
    if head == "gateway":
        return GatewayPayload(*read_down(body))
    if head == "handover":
        return decode_handover(body)
    if head == "input":
        return _decode_control(body)
    if head == "config":
        return decode_config_down(body)
    return None


def input_of(topic: str, payload: Payload, log_ns: int, frame: SiteFrame) -> Input:
    """Return the pipeline's input of a decoded payload; raises ValueError."""
    match payload:
        case RadarPayload():
            return scan_of(payload, log_ns)
        case GnssFix():
            return fixes_of(payload, log_ns, frame)
        case GatewayPayload(message=message, n_refused=n_refused):
            fixes = fixes_of_columns(message.fixes, log_ns, frame)
            return GatewayFixes(message.gateway, fixes, n_refused)
        case Handover():
            return HandedOver(topic.rpartition("/")[2], payload)
    return payload


def is_raw(topic: str) -> bool:
    """Say whether a channel's messages are inputs, but no observations."""
    return kind_of(topic)[0] in ("handover", "input", "config")


def scan_numbers(payload: RadarPayload, log_ns: int) -> tuple[int, int, int]:
    """Return a scan's stamp, arrival and number."""
    stamp_ns = payload.stamp_ns if payload.device_stamp_ns is None else payload.device_stamp_ns
    return stamp_ns, log_ns if payload.arrived_ns is None else payload.arrived_ns, payload.scan


def scan_of(payload: RadarPayload, log_ns: int) -> RadarScan | ObjectScan:
    """Return the tracker's scan of a payload."""
    stamp_ns, arrived_ns, scan = scan_numbers(payload, log_ns)
    if payload.detections is not None:
        seen = payload.detections
        return RadarScan(
            sensor=payload.sensor,
            stamp_ns=stamp_ns,
            arrived_ns=arrived_ns,
            scan=scan,
            range_m=_column(seen.range_m),
            azimuth_rad=_column(seen.azimuth_rad),
            range_rate_mps=_column(seen.range_rate_mps),
            rcs_dbsm=_column(seen.rcs_dbsm),
        )
    objects = payload.objects
    assert objects is not None, "RadarPayload has either"
    return ObjectScan(
        sensor=payload.sensor,
        stamp_ns=stamp_ns,
        arrived_ns=arrived_ns,
        scan=scan,
        object_id=np.array([number & INT64_MAX for number in objects.id], dtype=np.int64),
        x_m=_column(objects.x_m),
        y_m=_column(objects.y_m),
        vx_mps=_column(objects.vx_mps),
        vy_mps=_column(objects.vy_mps),
        length_m=_sizes(objects.length_m),
        width_m=_sizes(objects.width_m),
        kind=np.array([_class(k) for k in objects.class_], dtype=np.int64),
    )


def _class(kind: int | None) -> int:
    """Return a class's number; -1 for no class: the tracker counts it as unknown."""
    if kind is None:
        return UNKNOWN
    return kind if UNKNOWN <= kind < N_CLASSES else -1


def _column(values: tuple[float, ...] | tuple[float | None, ...]) -> F64:
    return np.array(values, dtype=np.float64)  # None becomes NaN


def _sizes(values: tuple[float | None, ...]) -> F64:
    """Return sizes (n,) [m], NaN where unknown or no vehicle's: second echoes are looked for within them."""
    sizes = _column(values)
    sizes[~(sizes <= SIZE_M_MAX)] = math.nan
    return sizes


def _sigma_m(stated_m: float | None, quality: str | None) -> float | None:
    """Return the sigma of a fix as stated [m], else as its kind implies; None: neither is known."""
    return QUALITY_SIGMA_M.get(quality or "") if stated_m is None else stated_m


def fixes_of(fix: GnssFix, log_ns: int, frame: SiteFrame) -> GnssFixes:
    """Return the tracker's fix of one payload; one beyond the frame is put at the origin, not usable."""
    ints, floats = fix_matrices([(fix, log_ns)], frame)
    return GnssFixes.of((fix.terminal,), ints[0], floats[0])


def fix_matrices(fixes: Sequence[tuple[GnssFix, int]], frame: SiteFrame) -> tuple[I64, F64]:
    """Return GnssFixes.ints and .floats of single fixes, (n, rows, 1) each; fixes : with their log times."""
    n = len(fixes)
    times = [
        (
            fix.stamp_ns if fix.device_stamp_ns is None else fix.device_stamp_ns,
            log_ns if fix.arrived_ns is None else fix.arrived_ns,
            -1 if fix.source_seq is None else fix.source_seq,
            alarms_of(fix.alarm, fix.departure),
        )
        for fix, log_ns in fixes
    ]
    numbers = [
        (
            0.0, 0.0, 0.0, float(fix.quality != "none"), fix.speed_mps, _sigma_m(fix.sigma_m, fix.quality),
            fix.tau_s, fix.lon_deg, fix.lat_deg, fix.course_deg,
        )
        for fix, _ in fixes
    ]  # fmt: skip
    ints: I64 = np.array(times, dtype=np.int64).reshape(n, N_TIMES, 1)
    floats: F64 = np.array(numbers, dtype=np.float64).reshape(n, N_NUMBERS)
    lon_deg, lat_deg, course_deg = np.ascontiguousarray(floats[:, LON_ROW:].T)
    placed = place(lon_deg, lat_deg, course_deg, frame.projection)
    placed[F_USABLE] *= floats[:, F_USABLE]
    floats[:, :N_PLACE] = placed.T
    return ints, floats[:, :, None]


def fixes_of_columns(columns: GnssColumns, log_ns: int, frame: SiteFrame) -> GnssFixes:
    """Return a message's fixes in site metres; where the frame can't carry one it is not usable."""
    times = (
        [
            stamp_ns if device_ns is None else device_ns
            for stamp_ns, device_ns in zip(columns.stamp_ns, columns.device_stamp_ns, strict=True)
        ],
        [log_ns if a is None else a for a in columns.arrived_ns],
        [-1 if seq is None else seq for seq in columns.source_seq],
        [alarms_of(*of) for of in zip(columns.alarm, columns.departure, strict=True)],
    )
    none = np.zeros(len(columns.terminal))
    floats: F64 = np.array((
        none, none, none, none, columns.speed_mps,
        [_sigma_m(*of) for of in zip(columns.sigma_m, columns.quality, strict=True)], columns.tau_s,
        columns.lon_deg, columns.lat_deg, columns.course_deg,
    ), dtype=np.float64)  # fmt: skip
    place_into(floats[LON_ROW], floats[LON_ROW + 1], floats[LON_ROW + 2], frame.projection, floats)
    floats[F_USABLE] *= [quality != "none" for quality in columns.quality]
    return GnssFixes.of(columns.terminal, np.array(times, dtype=np.int64), floats)
