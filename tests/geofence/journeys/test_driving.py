"""Driving time: 4 h without a rest of 20 min, 8 h in 24 h, 2 h at night, and the terminal's own alarm."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from geofence.journeys.driving import Driving, drive, in_a_day_s, is_night, limits_broken
from geofence.journeys.journey import decoded, encoded
from geofence.rules.driving_time import Config
from tests.geofence.journeys.test_journeys import Drive
from tests.support.geofence_world import CAR, T0_NS

NS = 10**9
CONFIG = Config()
HOUR_S = 3_600
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON_NS = int(datetime(2026, 11, 28, 12, tzinfo=SHANGHAI).timestamp()) * NS


def driven(*parts, start_ns=NOON_NS):
    """Drive (+) and stand (-) so many seconds, in looks of 10 s; return it and what it breaks."""
    driving, t_ns = Driving(stamp_ns=start_ns), start_ns
    for part_s in parts:
        for _ in range(round(abs(part_s)) // 10):
            t_ns += 10 * NS
            drive(driving, t_ns, 10.0 if part_s > 0 else 0.0, 10.0 if part_s < 0 else 0.0, CONFIG)
    return driving, {cause for cause, p in limits_broken(driving, CONFIG).items() if p}


@pytest.mark.parametrize(
    ("parts", "wanted"),
    [
        ((4 * HOUR_S,), set()),  # the limit itself is kept
        ((4 * HOUR_S + 10,), {"driving_continuous"}),
        ((2 * HOUR_S, -1_190, 2 * HOUR_S + 10), {"driving_continuous"}),  # ten seconds short of a rest
        ((2 * HOUR_S, -1_200, 2 * HOUR_S + 10), set()),
        ((4 * HOUR_S + 10, -1_200), set()),  # rested
        ((3 * HOUR_S, -1_200, 3 * HOUR_S, -1_200, 2 * HOUR_S + 10), {"driving_daily"}),
    ],
)
def test_driving_without_a_rest_and_in_a_day(parts, wanted):
    # by day: 10 h from 06:30 stay before 22:00
    start_ns = int(datetime(2026, 11, 28, 6, 30, tzinfo=SHANGHAI).timestamp()) * NS
    assert driven(*parts, start_ns=start_ns)[1] == wanted


def test_a_day_is_the_last_24_hours_by_whole_hours_at_most():
    rng = np.random.default_rng(7)
    driving, t_ns, looks = Driving(stamp_ns=NOON_NS), NOON_NS, []
    for _ in range(4_000):
        t_ns += 60 * NS
        moving_s = float(rng.integers(0, 2)) * 60.0
        drive(driving, t_ns, moving_s, 60.0 - moving_s, CONFIG)
        looks.append((t_ns, moving_s))
    truth_s = sum(moving_s for at_ns, moving_s in looks if at_ns > t_ns - 24 * HOUR_S * NS)
    assert truth_s - HOUR_S <= in_a_day_s(driving) <= truth_s
    assert len(driving.hours) <= 25


@pytest.mark.parametrize("night", [(22, 6), (0, 6), (6, 22)])
def test_night_is_that_of_the_sites_clock(night):
    config = Config(night=night)
    for minute in range(0, 2 * 24 * 60, 7):
        t_ns = NOON_NS + minute * 60 * NS
        hour = datetime.fromtimestamp(t_ns / NS, SHANGHAI).hour
        wanted = night[0] <= hour < night[1] if night[0] < night[1] else hour >= night[0] or hour < night[1]
        assert is_night(t_ns, config) == wanted


def test_driving_at_night_begins_with_the_night_and_ends_with_it():
    evening_ns = int(datetime(2026, 11, 28, 21, tzinfo=SHANGHAI).timestamp()) * NS
    assert driven(3 * HOUR_S - 10, start_ns=evening_ns)[1] == set()
    assert driven(3 * HOUR_S + 10, start_ns=evening_ns)[1] == {"driving_night"}
    morning_ns = int(datetime(2026, 11, 29, 5, tzinfo=SHANGHAI).timestamp()) * NS
    assert driven(3 * HOUR_S, start_ns=morning_ns)[1] == set()


def test_what_nobody_saw_may_have_been_a_rest():
    driving, _ = driven(3 * HOUR_S)
    drive(driving, driving.stamp_ns + 1_300 * NS, 10.0, 0.0, CONFIG)
    assert driving.driven_s == 10.0
    driving, _ = driven(3 * HOUR_S)
    drive(driving, driving.stamp_ns + 600 * NS, 10.0, 0.0, CONFIG)
    assert driving.driven_s == 3 * HOUR_S + 10.0


def test_it_goes_from_journey_to_journey_and_with_the_handover():
    first, second = Drive(), Drive(esn="RSU-2")
    first.along(0, 60)
    assert first.out[-1].reason == "exit"
    before_s = first.out[-1].driving.driven_s
    assert abs(before_s - 50.0) < 3.0
    for t_s in range(60, 80):
        first.look(t_s, {"east": 20.0 + 16.0 * (t_s - 60), "track": 2})
    (journey,) = first.journeys.open.values()
    assert journey.driving.driven_s > before_s + 10.0
    second.journeys.adopt(T0_NS + 80 * NS, decoded(first.journeys.carry([2])[2]))
    assert next(iter(second.journeys.open.values())).driving == journey.driving


def test_the_terminals_own_alarm_is_a_breach_while_it_lasts():
    drive_ = Drive()
    drive_.along(0, 20)
    journeys = drive_.journeys
    broken = {"driving_terminal"}
    for reported, wanted in ((True, broken), (False, set()), (True, broken)):
        for terminal in ("another", "13900000001"):
            journeys.note_fatigue(T0_NS + 20 * NS, terminal, reported=reported)
        assert set(journeys.breaches("driving_time").get(1, {})) == wanted


def test_only_hazmat_vehicles_are_judged():
    drive_ = Drive()
    drive_.look(0, {"east": 300.0, "terminal": 1, "kind": 1})
    (journey,) = drive_.journeys.open.values()
    assert (journey.terminal, journey.driving) == (CAR.terminal, None)
    assert decoded(encoded(journey)) == journey
