"""One vehicle from look to look: way, time, dwells, the share of the way and when it is due."""

import pytest

from geofence.journeys.config import JourneysConfig
from geofence.journeys.contact import Blind, cause_of, contact_of
from geofence.journeys.following import Look, follow
from geofence.journeys.journey import DWELLS_MAX, Journey, decoded, encoded
from geofence.journeys.timing import expect, pace_mps, progress
from tests.support.geofence_world import T0_NS

NS = 10**9


def begun(**changes):
    fields = {
        "id": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "esn": "R1", "terminal": "139", "began": "gate",
        "start_ns": T0_NS, "stamp_ns": T0_NS, "seen_ns": T0_NS, "s_m": 0.0, "entry_s_m": 0.0,
    }  # fmt: skip
    return Journey(**(fields | changes))


def look(t_s, s_m, speed_mps):
    return Look(T0_NS + round(t_s * NS), T0_NS + round(t_s * NS), s_m, 122.0, 41.0, speed_mps)


def test_way_and_time_are_those_of_the_speeds():
    journey = begun()
    for k in range(1, 101):  # 60 s at 15 m/s, then 40 s at rest
        follow(journey, look(k, min(k, 60) * 15.0, 15.0 if k <= 60 else 0.1), 0.8)
    assert (journey.way_m, journey.moving_s, journey.standing_s) == pytest.approx((900.0, 60.0, 40.0))
    assert journey.mean_mps == pytest.approx(9.0)
    assert journey.speed_mps_max == 15.0
    assert journey.dwells == []  # 40 s are traffic


def test_a_dwell_is_where_it_stood_and_for_how_long():
    journey = begun()
    changed = [follow(journey, look(k, 300.0, 0.0 if 10 <= k < 100 else 12.0), 0.8) for k in range(1, 121)]
    (dwell,) = journey.dwells
    assert (dwell.s_m, dwell.start_ns, dwell.standing_s) == (300.0, T0_NS + 10 * NS, 89.0)
    assert [k for k, is_news in enumerate(changed, 1) if is_news] == [70, 100]  # it begins, it ends
    for n in range(DWELLS_MAX + 5):
        at_s = 200.0 + 200.0 * n
        for t_s in (at_s, at_s + 4, at_s + 70, at_s + 75):
            follow(journey, look(t_s, 300.0 + n, 0.0 if t_s < at_s + 75 else 9.0), 0.8)
    assert len(journey.dwells) == DWELLS_MAX


@pytest.mark.parametrize(("s_m", "moving_s", "standing_s"), [(900.0, 60.0, 0.0), (20.0, 0.0, 60.0)])
def test_a_gap_is_what_the_stations_at_its_ends_say(s_m, moving_s, standing_s):
    journey = begun()
    follow(journey, look(60.0, s_m, 10.0), 0.8)
    assert (journey.way_m, journey.moving_s, journey.standing_s) == (s_m, moving_s, standing_s)


def test_it_is_expected_by_the_roads_speed_and_arrives_by_its_own():
    config = JourneysConfig()
    journey = begun(exit="out", exit_s_m=10_000.0)
    expect(journey, 20.0, config)
    assert journey.expected_ns == T0_NS + 500 * NS
    assert journey.due_ns == T0_NS + (500 + 250 + 1_200) * NS
    journey.way_m, journey.moving_s, journey.s_m = 6_000.0, 600.0, 6_000.0
    pace = (6_000.0 + 120.0 * 20.0) / 720.0
    assert pace_mps(journey, 20.0) == pace
    progress(journey, T0_NS + 600 * NS, 20.0)
    assert journey.share == 0.6
    assert journey.eta_ns == T0_NS + 600 * NS + round(4_000.0 / pace * NS)
    assert not journey.overdue
    progress(journey, journey.due_ns + 1, 20.0)
    assert journey.overdue


def test_who_has_no_exit_ahead_is_never_overdue():
    journey = begun()
    expect(journey, 20.0, JourneysConfig())
    progress(journey, T0_NS + 10**15, 20.0)
    assert (journey.expected_ns, journey.eta_ns, journey.share, journey.overdue) == (None, None, None, False)


@pytest.mark.parametrize(
    ("radar_age_s", "gnss_age_s", "wanted"),
    [(0.1, 1.0, "both"), (0.1, 40.0, "radar"), (9.0, 1.0, "terminal"), (9.0, 40.0, "terminal")],
)
def test_contact_is_who_saw_it_of_late(radar_age_s, gnss_age_s, wanted):
    t_ns = T0_NS + 100 * NS
    assert contact_of(t_ns, t_ns - round(radar_age_s * NS), t_ns - round(gnss_age_s * NS), 35 * NS) == wanted


@pytest.mark.parametrize(
    ("s_m", "off_since", "gateway", "wanted"),
    [
        (500.0, 0, True, "terminal_silent"),  # a radar covers the place
        (150.0, 0, True, "radar_gap"),
        (250.0, 0, True, "radar_silent"),
        (500.0, 1, True, "off_road"),
        (None, 0, True, "off_road"),
        (150.0, 0, False, "gateway_silent"),
        (1_010.0, 0, True, "rsu_off"),  # past the end of the stretch: the neighbour did not adopt it
    ],
)
def test_a_loss_has_its_cause(s_m, off_since, gateway, wanted):
    blind = [Blind(100.0, 200.0, "no_radar"), Blind(200.0, 300.0, "radar_silent")]
    journey = begun(s_m=s_m, off_road_since_ns=off_since)
    assert cause_of(journey, blind, (0.0, 1_000.0), gateway_present=gateway) == wanted


def test_bytes_that_hold_no_journey_are_none():
    journey = begun(vehicle=None)
    assert decoded(encoded(journey)) == journey
    for bad in (
        begun(id="x"), begun(terminal="a\u202eb"), begun(end_ns=T0_NS - 1), begun(way_m=-1.0),
        begun(speed_mps=1e9), begun(start_ns=T0_NS + 5),
    ):  # fmt: skip
        assert decoded(encoded(bad)) is None
    assert decoded(b"") is None
    assert decoded(b"\x91" * 100_000) is None
