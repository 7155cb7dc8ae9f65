"""The binary UDP frame of a radar scan: encode and decode, pure; docs/devices/radar_udp.md describes it.

One datagram is one scan. Little-endian throughout, float32 values, CRC-32 at the end.
"""

import math
import struct
import zlib
from collections.abc import Callable

import numpy as np

from core.errors import DeviceError
from edge.decoding import DEVICE_STAMP_NS_MAX
from roadside.inputs import TARGETS_MAX, DetectionColumns, ObjectColumns, RadarPayload

MAGIC = b"PRAD"
VERSION = 1
SENSOR_BYTES_MAX = 32
CLASS_UNKNOWN = 255

_DETECTIONS, _OBJECTS = 1, 2
_HEADER = struct.Struct("<4sBBBxIQH")  # magic, version, kind, sensor bytes, pad, scan, stamp_ns, targets
_CRC = struct.Struct("<I")
_DETECTION = np.dtype(
    [("range_m", "<f4"), ("azimuth_rad", "<f4"), ("range_rate_mps", "<f4"), ("rcs_dbsm", "<f4")]
)
_OBJECT = np.dtype(
    [("id", "<u4")]
    + [(name, "<f4") for name in ("x_m", "y_m", "vx_mps", "vy_mps", "length_m", "width_m")]
    + [("class", "u1")]
)
_RECORD = {_DETECTIONS: _DETECTION, _OBJECTS: _OBJECT}
_NEEDED = {
    _DETECTIONS: ("range_m", "azimuth_rad", "range_rate_mps"),
    _OBJECTS: ("x_m", "y_m", "vx_mps", "vy_mps"),
}
_OPTIONAL = {_DETECTIONS: ("rcs_dbsm",), _OBJECTS: ("length_m", "width_m")}
DATAGRAM_BYTES_MAX = _HEADER.size + SENSOR_BYTES_MAX + TARGETS_MAX * _OBJECT.itemsize + _CRC.size

Column = tuple[float, ...]
MaybeColumn = tuple[float | None, ...]
Count = Callable[[str], None]


def encode(payload: RadarPayload) -> bytes:
    """Return the datagram of a scan; absent values become NaN, an absent class 255."""
    if payload.detections is not None:
        kind, columns = _DETECTIONS, _detection_columns(payload.detections)
    else:
        assert payload.objects is not None, "RadarPayload has either"
        kind, columns = _OBJECTS, _object_columns(payload.objects)
    n_targets = len(columns[0])
    assert n_targets <= TARGETS_MAX, "a scan holds at most 512 targets"
    records = np.zeros(n_targets, dtype=_RECORD[kind])
    names = records.dtype.names
    assert names is not None
    for name, column in zip(names, columns, strict=True):
        records[name] = column
    sensor = payload.sensor.encode("ascii")
    assert 1 <= len(sensor) <= SENSOR_BYTES_MAX, "a sensor id has 1 to 32 bytes"
    stamp_ns = payload.stamp_ns if payload.device_stamp_ns is None else payload.device_stamp_ns
    head = _HEADER.pack(MAGIC, VERSION, kind, len(sensor), payload.scan & 0xFFFFFFFF, stamp_ns, n_targets)
    body = head + sensor + records.tobytes()
    return body + _CRC.pack(zlib.crc32(body))


def decode(datagram: bytes, arrived_ns: int | None = None, count: Count = lambda _: None) -> RadarPayload:
    """Return the scan in a datagram, stamped with the arrival at the socket.

    A target without a place or a speed is left out, and counted as radar.value; the others are kept. A size
    or a radar cross-section that is infinite is unknown, and counted as radar.infinite.
    Raises DeviceError with reason radar.length, .magic, .version, .kind, .targets, .crc, .sensor or .stamp.
    """
    kind, sensor_bytes, scan, stamp_ns, n_targets = _checked_header(datagram)
    start = _HEADER.size + sensor_bytes
    sensor = datagram[_HEADER.size : start]
    if (
        not 1 <= sensor_bytes <= SENSOR_BYTES_MAX
        or not sensor.isascii()
        or not sensor.decode("ascii").isprintable()
    ):
        raise DeviceError("radar.sensor")
    if stamp_ns > DEVICE_STAMP_NS_MAX:  # a clock that was never set is the tracker's to name
        raise DeviceError("radar.stamp")
    records = np.frombuffer(datagram, _RECORD[kind], n_targets, start)
    sound = np.logical_and.reduce([np.isfinite(records[name]) for name in _NEEDED[kind]])
    odd = [np.isinf(records[name]) for name in _OPTIONAL[kind]]
    for reason, n in (("radar.value", np.count_nonzero(~sound)), ("radar.infinite", np.count_nonzero(odd))):
        for _ in range(int(n)):
            count(reason)
    records = records[sound]
    detections, objects = None, None
    if kind == _DETECTIONS:
        detections = _detections(records)
    else:
        objects = _objects(records)
    return RadarPayload(
        sensor=sensor.decode("ascii"),
        stamp_ns=stamp_ns,
        arrived_ns=arrived_ns,
        scan=scan,
        detections=detections,
        objects=objects,
    )


def _checked_header(datagram: bytes) -> tuple[int, int, int, int, int]:
    """Return kind, bytes of the sensor's id, scan, stamp_ns and number of targets of an unbroken frame."""
    if not _HEADER.size + _CRC.size < len(datagram) <= DATAGRAM_BYTES_MAX:
        raise DeviceError("radar.length")
    magic, version, kind, sensor_bytes, scan, stamp_ns, n_targets = _HEADER.unpack_from(datagram)
    if magic != MAGIC:
        raise DeviceError("radar.magic")
    if version != VERSION:
        raise DeviceError("radar.version")
    if kind not in _RECORD:
        raise DeviceError("radar.kind")
    if n_targets > TARGETS_MAX:
        raise DeviceError("radar.targets")
    if len(datagram) != _HEADER.size + sensor_bytes + n_targets * _RECORD[kind].itemsize + _CRC.size:
        raise DeviceError("radar.length")
    (crc,) = _CRC.unpack_from(datagram, len(datagram) - _CRC.size)
    if crc != zlib.crc32(memoryview(datagram)[: -_CRC.size]):
        raise DeviceError("radar.crc")
    return kind, sensor_bytes, scan, stamp_ns, n_targets


def _detection_columns(seen: DetectionColumns) -> list[Column]:
    return [seen.range_m, seen.azimuth_rad, seen.range_rate_mps, _numbers(seen.rcs_dbsm)]


def _object_columns(seen: ObjectColumns) -> list[Column]:
    classes = tuple(CLASS_UNKNOWN if kind is None else kind for kind in seen.class_)
    sizes = [_numbers(seen.length_m), _numbers(seen.width_m)]
    return [seen.id, seen.x_m, seen.y_m, seen.vx_mps, seen.vy_mps, *sizes, classes]


def _detections(records: np.ndarray) -> DetectionColumns:
    return DetectionColumns(
        range_m=_numbers_of(records, "range_m"),
        azimuth_rad=_numbers_of(records, "azimuth_rad"),
        range_rate_mps=_numbers_of(records, "range_rate_mps"),
        rcs_dbsm=_maybe(records, "rcs_dbsm"),
    )


def _objects(records: np.ndarray) -> ObjectColumns:
    return ObjectColumns(
        id=tuple(records["id"].tolist()),
        x_m=_numbers_of(records, "x_m"),
        y_m=_numbers_of(records, "y_m"),
        vx_mps=_numbers_of(records, "vx_mps"),
        vy_mps=_numbers_of(records, "vy_mps"),
        length_m=_maybe(records, "length_m"),
        width_m=_maybe(records, "width_m"),
        class_=tuple(None if kind == CLASS_UNKNOWN else kind for kind in records["class"].tolist()),
    )


def _numbers_of(records: np.ndarray, name: str) -> Column:
    return tuple(records[name].tolist())


def _maybe(records: np.ndarray, name: str) -> MaybeColumn:
    """Return a column, None where it is NaN or infinite."""
    return tuple(value if math.isfinite(value) else None for value in records[name].tolist())


def _numbers(column: MaybeColumn) -> Column:
    return tuple(math.nan if value is None else value for value in column)
