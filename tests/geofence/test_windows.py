"""Times of the week, against the calendar of the standard library; and zones that hold at times."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MapError
from geofence.ban_checks import bans_by_day
from geofence.calendar import Exemption, Holiday, days_of
from geofence.config import RulesConfig, VehicleConfig
from geofence.map.windows import DAYS, holds, in_force, windows_of
from geofence.rules.time_window import TimeWindow
from tests.geofence.test_zones import drive, fast, zone
from tests.support.geofence_world import T0_NS, TRUCK, World, faults, road

CHINA = ZoneInfo("Asia/Shanghai")
MINUTE_NS = 60_000_000_000
moments = st.integers(1_600_000_000, 1_900_000_000)  # Unix seconds


@given(
    at_s=moments,
    days=st.sets(st.sampled_from([*DAYS, "PH"]), min_size=1),
    off=st.sets(st.sampled_from([*DAYS, "PH"]), max_size=2),
    near=st.sets(st.integers(-2, 1)),
    first=st.integers(0, 1439),
    length=st.integers(1, 1439),
)
def test_holidays_and_days_off_agree_with_the_calendar(at_s, days, off, near, first, length):
    """near : which of the days around the moment are holidays."""
    moment = datetime.fromtimestamp(at_s, CHINA)
    holidays = [moment.date() + timedelta(days=k) for k in near]
    until = (first + length) % 1440 or 1440
    text = f"{','.join(sorted(days))} {first // 60:02}:{first % 60:02}-{until // 60:02}:{until % 60:02}"
    text += f"; {','.join(sorted(off))} off" if off else ""
    want = False
    for back in (0, 1):
        midnight = datetime.combine(moment.date() - timedelta(days=back), datetime.min.time(), CHINA)
        kinds = {DAYS[midnight.weekday()]} | ({"PH"} if midnight.date() in holidays else set())
        begin = midnight + timedelta(minutes=first)
        inside = begin <= moment < begin + timedelta(minutes=length)
        want |= bool(kinds & days) and not kinds & off and inside
    known = days_of(Holiday(first=day.isoformat()) for day in holidays)
    assert holds(windows_of(text), at_s * 1_000_000_000, known) == want


@given(at_s=moments, ends=st.tuples(*[st.integers(-3, 3)] * 2))
def test_dates_bound_a_window_by_the_day_on_which_it_begins(at_s, ends):
    moment = datetime.fromtimestamp(at_s, CHINA)
    low, high = (moment.date() + timedelta(days=k) for k in sorted(ends))
    windows = in_force((), low.isoformat(), high.isoformat())
    assert holds(windows, at_s * 1_000_000_000) == (low <= moment.date() <= high)


@given(
    at_s=moments, days=st.sets(st.sampled_from(DAYS), min_size=1), ends=st.tuples(*[st.integers(0, 1439)] * 2)
)
def test_a_window_holds_when_the_calendar_says_so(at_s, days, ends):
    first, last = ends
    if first == last:
        last = 1440 if first < 1440 else 0
    text = f"{','.join(sorted(days))} {first // 60:02}:{first % 60:02}-{last // 60:02}:{last % 60:02}"
    moment = datetime.fromtimestamp(at_s, CHINA)
    want = False
    for back in (0, 1):
        midnight = datetime.combine(moment.date() - timedelta(days=back), datetime.min.time(), CHINA)
        if DAYS[midnight.weekday()] in days:
            begin, length = midnight + timedelta(minutes=first), (last - first) % 1440 or 1440
            want |= begin <= moment < begin + timedelta(minutes=length)
    assert holds(windows_of(text), at_s * 1_000_000_000) == want


@pytest.mark.parametrize(
    ("text", "n", "days"),
    [
        ("00:00-06:00", 1, 7),
        ("Mo-Fr 07:00-09:00,17:00-19:00; Sa,Su 22:00-06:00", 3, 5),
        ("Fr-Mo 00:00-24:00", 1, 4),  # across the week's end
    ],
)
def test_windows_are_read(text, n, days):
    windows = windows_of(text)
    assert (len(windows), len(windows[0].days)) == (n, days)


@pytest.mark.parametrize(
    "text", ["", "night", "7:00-9:00", "07:00-07:00", "25:00-26:00", "07:61-08:00", "Xx 07:00-08:00",
             "Mo-We-Fr 07:00-08:00", "07:00-09:00;", "24:00-06:00"],
)  # fmt: skip
def test_what_is_no_window_is_refused_by_its_zone(text):
    with pytest.raises(ValueError, match="is no"):
        windows_of(text)
    if text:
        with pytest.raises(MapError, match=r"zone BAN.*time_window.*is no"):
            road(banned(text))


def banned(window, **properties):
    made = zone("BAN", "parking", 311.0, 340.0, -9.0, -6.0)
    made["properties"] |= {"rules": ["no_entry"], "time_window": window} | properties
    return made


def at_of(stamp_ns):
    """The time of day in China, as in a window, and an hour later."""
    moment = datetime.fromtimestamp(stamp_ns // 10**9, CHINA)
    return f"{moment:%H:%M}-{moment + timedelta(hours=1):%H:%M}", moment


def test_a_zone_is_forbidden_while_its_window_holds_and_at_no_other_time():
    window, moment = at_of(T0_NS)
    world = World(road(banned(window)))
    raised = [v for v in drive(world, 20.0, fast) if v.rule != "overspeed"]
    assert [(v.rule, v.phase, v.zone) for v in raised] == [
        ("time_window", "open", "BAN"), ("time_window", "close", "BAN"),
    ]  # fmt: skip
    assert [faults(v) for v in raised] == [[], []]
    later = f"{moment + timedelta(hours=2):%H:%M}-{moment + timedelta(hours=3):%H:%M}"
    world = World(road(banned(later)))
    assert {v.rule for v in drive(world, 20.0, fast)} <= {"overspeed"}


def test_who_is_inside_when_the_window_begins_is_raised_and_closed_when_it_ends():
    moment = datetime.fromtimestamp(T0_NS // 10**9, CHINA) + timedelta(minutes=1)
    begin_s = 60 - (T0_NS // 10**9) % 60
    world = World(road(banned(f"{moment:%H:%M}-{moment + timedelta(minutes=1):%H:%M}")))
    drive(world, begin_s + 80.0, lambda t: {"east": 325.0, "v_east": 0.0}, hz=0.5)
    raised = world.of("time_window")
    assert [v.phase for v in raised if v.phase != "update"] == ["open", "close"]
    opened_s, closed_s = ((v.stamps.measured_ns - T0_NS) / 1e9 for v in (raised[0], raised[-1]))
    assert begin_s <= opened_s <= begin_s + 3.0
    assert begin_s + 60.0 <= closed_s <= begin_s + 68.0


TODAY = datetime.fromtimestamp(T0_NS // 10**9, CHINA).date()
AGO = TODAY - timedelta(days=6)
FUEL = VehicleConfig(terminal=TRUCK.terminal, hazmat_class="3", un="1203", width_m=2.5, length_m=16.0)


@pytest.mark.parametrize(
    ("exempt", "raised"),
    [
        ({"un": ("1203",)}, False),
        ({"un": ("1202",)}, True),
        ({"hazmat_classes": ("3",), "zones": ("BAN",)}, False),
        ({"hazmat_classes": ("3",), "zones": ("OTHER",)}, True),
        ({"hazmat_classes": ("3.1",)}, True),
        ({"terminals": (TRUCK.terminal,), "last": TODAY.isoformat()}, False),  # its last day
        ({"terminals": (TRUCK.terminal,), "last": (TODAY - timedelta(days=1)).isoformat()}, True),
        ({"terminals": (TRUCK.terminal,), "first": (TODAY + timedelta(days=1)).isoformat()}, True),
    ],
)
def test_an_exemption_leaves_out_whom_it_names(exempt, raised):
    rules = RulesConfig(time_window=TimeWindow.Config(exempt=(Exemption(**exempt),)))
    world = World(road(banned("00:00-24:00")), rules, vehicles=(FUEL,))
    assert ("time_window" in {v.rule for v in drive(world, 20.0, fast)}) == raised


@pytest.mark.parametrize(
    ("dates", "holidays", "times", "raised"),
    [
        ({"valid_from": "2021-11-01"}, (), "00:00-24:00", True),
        ({"valid_to": "2021-11-01"}, (), "00:00-24:00", False),
        ({}, (), "PH 00:00-24:00", False),
        ({}, (Holiday(first=TODAY.isoformat()),), "PH 00:00-24:00", True),
        ({}, (Holiday(first=AGO.isoformat(), last=TODAY.isoformat()),), "PH 00:00-24:00", True),
        ({}, (Holiday(first=TODAY.isoformat()),), "00:00-24:00; PH off", False),
    ],
)  # fmt: skip
def test_a_ban_is_in_force_on_its_dates_and_holidays(dates, holidays, times, raised):
    zone_now = banned(times)
    zone_now["properties"] |= dates
    world = World(road(zone_now), RulesConfig(holidays=holidays))
    assert ("time_window" in {v.rule for v in drive(world, 20.0, fast)}) == raised


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Exemption(zones=("BAN",)), "names"),
        (lambda: Exemption(un=("1203",), first="2026-02-30"), "day"),
        (lambda: Exemption(un=("1203",), first="2026-02-03", last="2026-02-02"), "before"),
        (lambda: Holiday(first="2026-10-01", last="2027-10-07"), "31 days"),
        (lambda: Holiday(first="2026-10-07", last="2026-10-01"), "31 days"),
        (lambda: in_force((), "2026-01-02", "2026-01-01"), "no date from"),
    ],
)
def test_dates_that_make_no_sense_are_refused(make, error):
    with pytest.raises(ValueError, match=error):
        make()


@pytest.mark.parametrize(
    ("times", "expressways", "warned"),
    [
        ("00:00-06:00", ("main",), False),
        ("19:00-06:00", ("main",), True),  # Shandong's of 2016, before order 29
        ("19:00-06:00", (), False),
        ("05:00-06:30", ("main",), True),
    ],
)
def test_a_ban_on_an_expressway_outside_the_night_is_warned_of(times, expressways, warned):
    found = list(bans_by_day(RulesConfig(expressways=expressways), road(banned(times))))
    assert [("BAN" in text, "main" in text) for text in found] == [(True, True)] * warned
