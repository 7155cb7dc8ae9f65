"""Tracks from the field that once went wrong: small files, each with the grades that are right for it."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from geofence.config import RulesConfig, VehicleConfig
from geofence.map.frames import SiteFrame
from geofence.map.roadmap import load_map
from geofence.monitor import Monitor
from geofence.violation import GRADES
from tests.support.geofence_world import T0_NS, batch

CASES = Path(__file__).parent / "cases"
TERMINALS = [f"1390000000{k}" for k in range(9)]


def judge(name):
    """Return the highest grade of each episode as (rule, track, grade), counted."""
    case = json.loads((CASES / "tracks" / f"{name}.json").read_text())
    frame, vehicle = SiteFrame(*case["origin"]), case["vehicle"]
    length, width = vehicle.get("length", 16.0), vehicle.get("width", 2.5)
    registry = [
        VehicleConfig(
            terminal=terminal, class_=vehicle.get("terminal_class", "hazmat"), length_m=length, width_m=width
        )
        for terminal in TERMINALS
    ]
    road = load_map((CASES / case["map"]).read_text(), frame)
    monitor = Monitor(RulesConfig(), road, frame, registry, esn="B", stretch_m=None, radars=[])
    radar_age_s = vehicle.get("radar_age", 0.0)
    common = {
        "sigma": vehicle.get("sigma", 0.1), "tau": vehicle.get("tau", 0.3), "length": length, "width": width,
        "kind": vehicle.get("kind", 4), "radar_age_s": radar_age_s if radar_age_s < 1e6 else np.inf,
        "enforcing_age_s": radar_age_s if radar_age_s < 1e6 else np.inf,
    }  # fmt: skip
    found, top = [], {}
    for t_s in sorted({row[0] for row in case["rows"]}):
        rows = [row for row in case["rows"] if row[0] == t_s]
        stamp_ns = T0_NS + round(t_s * 1e9)
        vehicles = [
            {
                "track": int(track), "terminal": int(track) - 1, "east": east, "north": north,
                "v_east": v_east, "v_north": v_north,
            } | common
            for _, track, east, north, v_east, v_north in rows
        ]  # fmt: skip
        tracks = batch(stamp_ns, *vehicles)
        owned = np.ones(len(tracks), dtype=np.bool_)
        if round(t_s * 10) % 2 == 0:
            found += monitor.tick(stamp_ns + 6_000_000, tracks, monitor.locate(tracks, TERMINALS), owned)
        located = monitor.locate(tracks, TERMINALS)
        found += monitor.observe(stamp_ns + 6_000_000, tracks, located, owned)
    for judged in found:
        version = judged.violation
        before = top.get(version.id, ("", 0, "undecidable"))[2]
        grade = max(before, version.grade, key=GRADES.index)
        top[version.id] = (version.rule, version.track, grade)
    return Counter(top.values())


NOTICE = {("lane_departure", 1, "notice"): 1}


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("gap_then_one_sample", ({}, NOTICE)),
        ("one_outlier_fix_1hz", ({}, NOTICE)),
        ("ramp_ends_on_map", ({}, {("lane_departure", 1, "undecidable"): 1})),
        ("head_of_a_jam", ({},)),
        ("car_in_hazmat_lane", ({("unauthorised_vehicle", 1, "violation"): 1},)),
        ("reverses_out_of_lane", ({("lane_departure", 1, "violation"): 1},)),
        (
            "narrow_zone_between_fixes",
            ({("zone_entry", 1, "violation"): 1, ("overspeed", 1, "violation"): 1},),  # 25 m/s
        ),
    ],
)
def test_a_track_from_the_field_gets_the_grade_that_it_deserves(name, allowed):
    assert dict(judge(name)) in allowed
