"""The page of an evidence file: each rule has the chart that proves it, and its worst point is marked."""

import msgspec
import pytest

from centre.evidence.drawing import pdf, png, svg
from centre.evidence.plot import CIRCLE, page_of
from geofence.violation import Stamps
from tests.support.centre_samples import T0_NS, violation

S = 10**9
STAMPS = [T0_NS + n * S for n in range(5)]


def versions(rule, **columns):
    """One version with these columns, one row a second from the start, and its close 8 s later."""
    evidence = {"stamp_ns": STAMPS, "speed_mps": [16.0, 15.0, 20.0, 16.0, 16.0]} | columns
    evidence |= {"p_violation": [0.5, 0.9, 0.99, 0.99, 0.99]}
    first = violation(1, rule=rule, start_ns=T0_NS, evidence=evidence, end_ns=None, limit_mps=None)
    end_ns = T0_NS + 8 * S
    stamps = Stamps(measured_ns=end_ns, arrived_ns=end_ns)
    last = msgspec.structs.replace(first, version=2, phase="close", end_ns=end_ns, stamps=stamps, evidence={})
    return [first, last]


def drawn(found):
    """Return the titles and the values at the rings."""
    page = page_of(found)
    words = [each.text for each in page.words]
    rings = [each for each in page.strokes if len(each.points) == len(CIRCLE)]
    return words, rings


@pytest.mark.parametrize(
    ("rule", "columns", "title", "worst"),
    [
        ("lane_departure", {"excess_m": [0.0, 0.4, 0.85, 0.3, 0.1]}, "over the line 越线 [m]", "0.85 m"),
        ("illegal_stop", {}, "standing for 停车时长 [s]", "8.00 s"),
        ("parking_timeout", {}, "parked for 停车时长 [s]", "8.00 s"),
        ("dark_vehicle", {}, "silent for 无上报时长 [s]", "8.00 s"),
        ("convoy", {}, "too many for 过密时长 [s]", "8.00 s"),
        (
            "wrong_way", {"over": [-1.0, 5.0, 10.0, 9.0, 8.0]},
            "speed against the lane 逆行速度 [km/h]", "36.00 km/h",
        ),
        (
            "following_distance",
            {"gap_m": [None, 30.0, 12.5, 14.0, 20.0], "gap_least_m": [None, 50.0, 50.0, 50.0, 50.0]},
            "gap to the vehicle ahead 车距 [m]", "12.50 m",
        ),
        ("following_distance", {}, "too close for 跟车过近时长 [s]", "8.00 s"),  # of an older RSU
        ("overspeed", {}, "speed 速度 [km/h]", "72.00 km/h"),
        ("too_slow", {}, "speed 速度 [km/h]", "54.00 km/h"),
    ],
)  # fmt: skip
def test_each_rule_has_its_chart_and_its_worst_point(rule, columns, title, worst):
    words, rings = drawn(versions(rule, **columns))
    assert title in words
    assert worst in words
    assert len(rings) == 1
    assert any(word.startswith("seconds since 秒") for word in words)


def test_a_rule_without_a_measure_of_its_own_marks_nothing():
    words, rings = drawn(versions("zone_entry", d_m=[0.1] * 5, sigma_d_m=[0.1] * 5))
    assert rings == []
    assert "off the lane's centre 偏离车道中心 [m]" in words


def test_the_page_becomes_each_kind_of_file():
    page = page_of(versions("wrong_way", over=[1.0, 5.0, 10.0, 9.0, 8.0]))
    assert "逆行速度" in svg(page).decode()
    assert pdf(page).startswith(b"%PDF-1.4")
    assert png(page).startswith(b"\x89PNG")
