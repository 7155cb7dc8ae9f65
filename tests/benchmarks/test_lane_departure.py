"""The benchmark of departures: drivers who keep their lane keep it, errors are those that are stated."""

import math

import numpy as np
import pytest

from benchmarks.lane_departure import alone, calibration, fences, report
from benchmarks.lane_departure.chain import chain_at
from benchmarks.lane_departure.drivers import FAMILY, N_DRIVER, begin, honest, next_error_m, place_m
from benchmarks.lane_departure.false_alarms import interval
from tests.support.geofence_world import World, feature, lonlat, road


@pytest.mark.parametrize("name", FAMILY)
def test_no_member_of_the_family_crosses_the_line(name):
    driver, own = FAMILY[name], np.zeros(N_DRIVER)
    begin.py_func(driver, own)
    places = [place_m.py_func(driver, own, 0.1) for _ in range(5_000)]
    assert max(places) <= 0.0
    assert name != "on_line" or min(places) == 0.0


def test_errors_have_the_stated_sigma_and_correlation():
    error, values = honest(0.4, 2.0), [0.0]
    for _ in range(40_000):
        values.append(next_error_m.py_func(values[-1], error, 0.1))
    made = np.array(values[200:])
    assert made.std() == pytest.approx(0.4, rel=0.1)
    assert np.corrcoef(made[:-20], made[20:])[0, 1] == pytest.approx(math.exp(-1.0), abs=0.1)


def test_the_filter_behind_a_radar_is_the_trackers_at_its_range():
    near, far = chain_at(60.0), chain_at(250.0)
    assert near.sigma_m == pytest.approx(0.215, abs=0.001)  # 60 m at 0.2 degrees, 5 % missed
    assert near.told_sigma_m < far.told_sigma_m < far.sigma_m
    assert near.gain_place > far.gain_place


def test_a_rate_of_false_alarms_has_its_exact_interval():
    assert interval(0, 100.0) == pytest.approx((0.0, 0.0369), abs=1e-4)  # 3.69 events at most
    low, high = interval(10, 100.0)
    assert (low, high) == pytest.approx((0.048, 0.184), abs=1e-3)


def test_trucks_leave_their_lane_as_deep_and_as_long_as_planned():
    plan = alone.cases()["s02_tau4_1.0m_3s_1hz"]
    t_s = np.arange(0.0, alone.seconds_of(plan), 0.01)
    outside = alone.way_out_m(plan, t_s) - alone.MARGIN_M
    assert outside.max() == pytest.approx(1.0)
    assert (outside > 0.999).sum() * 0.01 == pytest.approx(3.0, abs=0.05)
    assert outside[0] == outside[-1] == -alone.MARGIN_M


def test_calibration_counts_only_where_p_is_unsure():
    samples = np.array([[0.0, 0.1, 0.0]] * 100 + [[0.3, 0.1, 0.0]] * 7 + [[0.3, 0.1, 1.0]] * 3)
    assert calibration.calibration_error(samples) == (pytest.approx(0.0), 10)
    samples[:, calibration.TRUE] = 0.0
    assert calibration.calibration_error(samples) == (pytest.approx(0.3), 10)


@pytest.mark.parametrize("has_zone", [False, True], ids=["at_once", "in_steps"])
def test_calibration_hears_all_that_is_judged(has_zone):
    """A monitor judges in one compiled step, or in several where a zone has a limit."""
    ring = lonlat([(0, -9), (900, -9), (900, -6), (0, -6)])
    zone = feature("zone", "Polygon", [ring], zone="Z", roles=["slow"], speed_limit_mps=9.0)
    world, counted = World(road(zone) if has_zone else None), []
    with calibration.heard(lambda judged: counted.append(judged.p_out[judged.mine].tolist())):
        world.drive(5.0, lambda t: {"east": 50.0 + 16.0 * t})
    assert len(counted) == 50
    assert np.isfinite(counted[-1]).all()
    assert len(counted[-1]) == 1


def test_the_report_replaces_the_tables_that_were_run_and_keeps_the_others(tmp_path):
    parts = list(report.TABLES)
    marks = [f"{report.begin(part)}\nold {part}\n{report.end(part)}\n" for part in parts]
    (tmp_path / "geofence.md").write_text("before\n" + "between\n".join(marks) + "after\n", encoding="utf-8")
    found = {"ece": {"value": 0.25, "n": 7.0}, "delay.white.s03.v03": {"value": 2.4, "warning": 2.5}}
    report.write(["calibration", "delays"], found, tmp_path)
    text = (tmp_path / "geofence.md").read_text(encoding="utf-8")
    assert "| ece | 0.25 | 7 |" in text
    assert "| white.s03 | **2.4 (2.2)** | **– (1.45)** | **– (0.9)** | 2.5 – – |" in text
    assert [f"old {part}" in text for part in parts] == [
        part not in ("calibration", "delays") for part in parts
    ]
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert (tmp_path / report.PLOT).stat().st_size > 0
    (tmp_path / "geofence.md").write_text("", encoding="utf-8")
    with pytest.raises(AssertionError, match="no place for"):
        report.write(["chain"], found, tmp_path)


def judged_by(setting, values_m):
    """Return at which fixes (one each second) a setting raises an event, by the rule's words."""
    found = fences.fences_of([setting])
    fences.forget_vehicle.py_func(found)
    events = []
    for k, value_m in enumerate(values_m):
        fences.judge_fences.py_func(value_m, float(k), found)
        if found.raised[0]:
            events.append(k)
    return events


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        (fences.Setting("traccar", 0.0, 0.0, 0.0), [1, 4, 6]),  # each fix outside after one inside
        (fences.Setting("traccar", 0.5, 0.5, 0.0), [4, 9]),
        (fences.Setting("tile38", 0.5, 0.0, 0.0), [4, 9]),
        (fences.Setting("tile38", 0.5, -0.2, 0.0), [4]),  # it never was inside the inner fence again
        (fences.Setting("thingsboard", 0.0, 0.0, 2.0), [8]),
    ],
)
def test_other_systems_fences_raise_what_their_words_say(setting, wanted):
    values_m = [-1.0, 0.2, -0.5, -0.1, 0.8, 0.0, 0.3, 0.4, 0.4, 0.9, 0.7]
    assert judged_by(setting, values_m) == wanted
