"""A whole run: inputs in the order of their arrival, and the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.support.foreign.events import events_of
from tests.support.foreign.frame import course_of, lonlat_of
from tests.support.foreign.motion import Motion, motion_of
from tests.support.foreign.object_radars import ObjectRadar, Objects
from tests.support.foreign.radars import Radar, Scan
from tests.support.foreign.receivers import Reports, all_reports, lonlat_of_reports
from tests.support.foreign.road import LANE_M, Road
from tests.support.foreign.scenario import Scenario
from tests.support.foreign.site import config_text, map_text, registry_text

T0_NS = 1_772_500_000_000_000_000  # a whole second; equal settings give equal bytes
TRUTH_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is recorded: a payload as plain values."""

    arrival_ns: int
    topic: str
    stamp_ns: int
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """All of one scenario and seed."""

    motion: Motion
    messages: list[Message]

    @property
    def site(self) -> dict[str, str]:
        road = self.motion.road
        return {"config": config_text(road), "map": map_text(road), "registry": registry_text(self.motion)}


def generate(scenario: Scenario, seed: int) -> Run:
    """Return the run; equal arguments give equal runs."""
    motion = motion_of(Road(scenario), seed)
    reports = list(all_reports(motion, seed))
    clocks = wrong_clocks(reports)
    messages = [truth_frame(motion, k, clocks) for k in range(int(scenario.duration_s / TRUTH_S))]
    messages += [_event(event) for event in events_of(motion, reports, T0_NS)]
    for made in reports:
        messages += _fixes(scenario, made)
    for pole in motion.road.poles:
        if scenario.radar.sends_objects:
            messages += [_objects(sent) for sent in ObjectRadar(motion, pole, seed).scans()]
        else:
            messages += [_scan(scan) for scan in Radar(motion, pole, seed).scans()]
    messages.sort(key=lambda message: (message.arrival_ns, message.topic, message.stamp_ns))
    return Run(motion=motion, messages=messages)


def wrong_clocks(reports: Sequence[Reports]) -> dict[int, float]:
    """Return by row how far a wrong clock is ahead at first [s]."""
    return {made.row: float(made.clock_s[0]) for made in reports if made.clock_s.any()}


def _ns(t_s: float) -> int:
    return T0_NS + round(t_s * 1e9)


def truth_frame(motion: Motion, k: int, clocks: dict[int, float]) -> Message:
    """Return the truth of frame k.  clocks : by row how far a wrong clock is ahead at first [s]."""
    t = k * TRUTH_S
    moment, fleet = motion.at(motion.active(t), t), motion.fleet
    lon, lat = lonlat_of(moment.east_m, moment.north_m)
    lanes = [motion.road.lanes[i] for i in moment.lane.tolist()]
    rows = moment.row
    payload = {
        "stamp_ns": _ns(t),
        "id": (rows + 1).tolist(),
        "terminal": [fleet.terminal(row) for row in rows.tolist()],
        "lon_deg": lon.round(9).tolist(),
        "lat_deg": lat.round(9).tolist(),
        "speed_mps": np.hypot(moment.v_east_mps, moment.v_north_mps).round(4).tolist(),
        "course_deg": np.mod(
            course_of(moment.heading_rad, moment.east_m, moment.north_m).round(4), 360.0
        ).tolist(),
        "length_m": fleet.length_m[rows].tolist(),
        "width_m": fleet.width_m[rows].tolist(),
        "lane": [
            lane.name if abs(left - lane.left_m) <= LANE_M / 2 else None
            for lane, left in zip(lanes, moment.left_m.tolist(), strict=True)
        ],
        "hazmat": fleet.is_hazmat[rows].tolist(),
    }
    if clocks:
        payload["clock_offset_s"] = [round(clocks.get(row, 0.0), 3) for row in rows.tolist()]
    return Message(arrival_ns=_ns(t), topic="/truth", stamp_ns=_ns(t), payload=payload)


def _event(event: dict[str, Any]) -> Message:
    stamps = event["end_ns"], event["start_ns"]
    return Message(arrival_ns=stamps[0], topic="/truth/violation", stamp_ns=stamps[1], payload=event)


def _fixes(scenario: Scenario, made: Reports) -> list[Message]:
    lon, lat = lonlat_of_reports(made)
    told_m = round(made.told_share * scenario.gnss.sigma_m, 4)
    messages = []
    stamps = (made.stamp_s + made.clock_s).tolist()
    for k, (stamp_s, arrival_s) in enumerate(zip(stamps, made.arrival_s.tolist(), strict=True)):
        payload = {
            "terminal": made.terminal,
            "stamp_ns": _ns(stamp_s),
            "arrived_ns": _ns(arrival_s),
            "source_seq": k,
            "lon_deg": lon[k],
            "lat_deg": lat[k],
            "speed_mps": round(float(made.speed_mps[k]), 3),
            "course_deg": float(made.course_deg[k].round(3)) % 360.0,
            "sigma_m": told_m,
            "quality": "none" if made.lost[k] else "single",
        }
        messages.append(
            Message(arrival_ns=_ns(arrival_s), topic="/gnss", stamp_ns=_ns(stamp_s), payload=payload)
        )
    return messages


def _scan(scan: Scan) -> Message:
    detections = {
        "range_m": scan.range_m.round(4).tolist(),
        "azimuth_rad": scan.azimuth_rad.round(6).tolist(),
        "range_rate_mps": scan.range_rate_mps.round(4).tolist(),
        "rcs_dbsm": scan.rcs_dbsm.round(1).tolist(),
    }
    return _of_radar(scan, {"detections": detections})


def _objects(sent: Objects) -> Message:
    objects = {
        "id": sent.id.tolist(),
        "x_m": sent.x_m.round(2).tolist(),
        "y_m": sent.y_m.round(2).tolist(),
        "vx_mps": sent.vx_mps.round(2).tolist(),
        "vy_mps": sent.vy_mps.round(2).tolist(),
        "length_m": sent.length_m.round(1).tolist(),
        "width_m": sent.width_m.round(1).tolist(),
        "class": [None] * len(sent.id),
    }
    return _of_radar(sent, {"objects": objects})


def _of_radar(sent: Scan | Objects, columns: dict[str, Any]) -> Message:
    """Return the message of a radar with what it measured."""
    times = {"stamp_ns": _ns(sent.stamp_s), "arrived_ns": _ns(sent.arrival_s)}
    payload = {"sensor": sent.sensor, **times, "scan": sent.number, **columns}
    topic = f"/radar/{sent.sensor}"
    return Message(arrival_ns=_ns(sent.arrival_s), topic=topic, stamp_ns=_ns(sent.stamp_s), payload=payload)
