"""Times of the week, against the calendar of the standard library; and zones that hold at times."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MapError
from geofence.map.windows import DAYS, holds, windows_of
from tests.geofence.test_zones import drive, fast, zone
from tests.support.geofence_world import T0_NS, World, faults, road

CHINA = ZoneInfo("Asia/Shanghai")
MINUTE_NS = 60_000_000_000
moments = st.integers(1_600_000_000, 1_900_000_000)  # Unix seconds


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
