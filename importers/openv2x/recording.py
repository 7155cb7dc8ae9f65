"""A pole radar's log of targets (OpenV2X roadmocker's JSON) to a recording of object scans."""

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from core.arrays import F64
from geofence.map.frames import SiteFrame
from importers.motion import check, way_m
from importers.openv2x.pose import Pose, estimate
from importers.openv2x.records import read
from importers.openv2x.scans import LogScan, legs_of, scans_of
from importers.site import RadarText, site_record
from importers.tape import InputTape

SENSOR = "R1"
FAR_M = 2_000.0  # further from the others is no target of the same pole
_ENCODER = msgspec.msgpack.Encoder()


def import_openv2x_radar(source: Path, out: Path) -> dict[str, Any]:
    """Write the recording; returns scans, targets, each fault by reason, and the estimated pose."""
    counts: Counter[str] = Counter()
    records = read(source.read_bytes(), counts)
    scans, off_ms = scans_of(records, counts)
    scans = _near(scans, counts)
    if not any(scan.targets for scan in scans):
        found = f"holds no record with a sound target, of {len(records)} with a time"
        raise ValueError(f"{found}; {dict(sorted((+counts).items()))}")
    motion_ratio = check(legs_of(scans), counts)
    pose = estimate(scans)
    frame = SiteFrame(pose.lon_deg, pose.lat_deg)
    radar = RadarText(
        id=SENSOR,
        note=pose.note,
        lon_deg=pose.lon_deg,
        lat_deg=pose.lat_deg,
        heading_deg=pose.heading_deg,
        range_m_max=pose.range_m_max,
        fov_deg=pose.fov_deg,
    )
    note = "The radar's pose is estimated from its targets; there is no map of the road."
    site = site_record("openv2x-radar", note, (pose.lon_deg, pose.lat_deg), radars=[radar])
    with InputTape(out, site, scans[0].stamp_ms * 1_000_000) as tape:
        for number, scan in enumerate(scans):
            stamp_ns = scan.stamp_ms * 1_000_000
            payload = _payload(scan, stamp_ns, number, frame, pose)
            tape.add_input(f"/radar/{SENSOR}", _ENCODER.encode(payload), stamp_ns, stamp_ns)
    counts += tape.counts
    return {
        "records": len(records),
        "scans": len(scans),
        "targets": sum(len(scan.targets) for scan in scans),
        "ids": len({target.id for scan in scans for target in scan.targets}),
        "duration_s": (scans[-1].stamp_ms - scans[0].stamp_ms) / 1e3,
        "time_off_s_max": off_ms / 2e3,
        "motion_ratio": None if motion_ratio is None else round(motion_ratio, 3),
        "faults": dict(sorted((+counts).items())),
        "pose_estimated": {
            name: getattr(pose, name)
            for name in ("lon_deg", "lat_deg", "heading_deg", "range_m_max", "fov_deg")
        },
    }


def _near(scans: Sequence[LogScan], counts: Counter[str]) -> list[LogScan]:
    """Leave out targets that lie far from all others: a zero, a swapped pair."""
    places = [(t.lon_deg, t.lat_deg) for scan in scans for t in scan.targets]
    if not places:
        return list(scans)
    lon, lat = np.median(np.array(places), axis=0).tolist()
    kept = [
        LogScan(s.stamp_ms, tuple(t for t in s.targets if way_m(lon, lat, t.lon_deg, t.lat_deg) <= FAR_M))
        for s in scans
    ]
    counts["target_far"] += len(places) - sum(len(scan.targets) for scan in kept)
    return kept


def _payload(scan: LogScan, stamp_ns: int, number: int, frame: SiteFrame, pose: Pose) -> dict[str, Any]:
    """Return `/radar/{sensor}`: objects in the frame of the estimated pose, and the RCS beside them."""
    targets = scan.targets
    east, north = frame.site_from_lonlat([t.lon_deg for t in targets], [t.lat_deg for t in targets])
    boresight = float(frame.heading_from_course(pose.heading_deg, 0.0, 0.0))
    heading = frame.heading_from_course([t.heading_deg for t in targets], east, north)
    speed = np.abs(
        np.array([t.speed_mps for t in targets])
    )  # the sign says nearer or further, the heading where to
    x, y = _turned(east, north, -boresight)
    vx, vy = speed * np.cos(heading - boresight), speed * np.sin(heading - boresight)
    return {
        "sensor": SENSOR,
        "stamp_ns": stamp_ns,
        "arrived_ns": None,
        "scan": number,
        "objects": {
            "id": [t.id for t in targets],
            "x_m": np.round(x, 4).tolist(),
            "y_m": np.round(y, 4).tolist(),
            "vx_mps": np.round(vx, 4).tolist(),
            "vy_mps": np.round(vy, 4).tolist(),
            "length_m": [t.length_m for t in targets],
            "width_m": [t.width_m for t in targets],
            "class": [None] * len(targets),  # the log does not define its numbers
            "rcs_dbsm": [None if t.rcs_dbsm is None else round(t.rcs_dbsm, 3) for t in targets],
        },
    }


def _turned(east: F64, north: F64, angle: float) -> tuple[F64, F64]:
    cos, sin = math.cos(angle), math.sin(angle)
    return east * cos - north * sin, east * sin + north * cos
