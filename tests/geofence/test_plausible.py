"""What a violation can't be: one row for each kind of nonsense, and what must stay legal."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import ConfigError
from edge.config import parse_site
from edge.site_map import road_of
from geofence.plausible import BEHIND_NS, DAY_NS, Bounds, bounds_of, fault_of, is_plain, plain
from geofence.violation import Stamps, ViolationVehicle
from tests.support.centre_road import MAP, SITE
from tests.support.centre_samples import MS, T0_NS, violation

NOW_NS = T0_NS + 1_000 * MS
BOUNDS = bounds_of((122.0, 41.0), (0.0, 9_000.0))
NAN, INF = math.nan, math.inf


def _stamps(**changed: int) -> Stamps:
    return Stamps(**({"measured_ns": T0_NS, "arrived_ns": T0_NS} | changed))


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("p_violation", {"p_violation": NAN}),
        ("p_violation", {"p_violation": 1.01}),
        ("p_violation", {"p_violation": -0.01}),
        ("identity_p", {"identity_p": INF}),
        ("sigma_d_m", {"sigma_d_m": -0.1}),
        ("d_m", {"d_m": 1e308}),
        ("s_m", {"s_m": -30_000.0}),  # 30 km before the site begins
        ("s_m", {"s_m": 40_000.0}),
        ("lon_deg", {"lon_deg": 0.0, "lat_deg": 0.0}),  # a receiver without a fix
        ("lat_deg", {"lat_deg": 91.0}),
        ("lat_deg", {"lat_deg": NAN}),
        ("speed_mps", {"speed_mps": -1.0}),
        ("speed_mps", {"speed_mps": 20_000.0}),
        ("limit_mps", {"limit_mps": INF}),
        ("version", {"version": 2**62}),  # would be the newest for ever
        ("hop", {"hop": 2**62}),
        ("start_ns", {"start_ns": 1}),
        ("start_ns", {"start_ns": NOW_NS + DAY_NS + 1}),
        ("start_ns", {"start_ns": NOW_NS - BEHIND_NS - 1}),
        ("end_ns", {"end_ns": T0_NS - 1}),  # before the start
        ("confirmed_ns", {"confirmed_ns": T0_NS - 1}),
        ("stamps.measured_ns", {"stamps": _stamps(measured_ns=1)}),
        ("stamps.arrived_ns", {"stamps": _stamps(arrived_ns=2**63 - 1)}),
        ("vehicle.plate", {"vehicle": ViolationVehicle(plate="辽L\u202e1000A")}),  # reads from right to left
        ("vehicle.carrier", {"vehicle": ViolationVehicle(carrier="a\x1b[31mb")}),
        ("vehicle.terminal", {"vehicle": ViolationVehicle(terminal="139\u200b")}),  # zero width
        ("lane", {"lane": "x" * 201}),
        ("reason", {"reason": "two\nlines"}),
        ("evidence.d_m", {"evidence": {"stamp_ns": [T0_NS], "d_m": [NAN]}}),
        ("evidence.d_m", {"evidence": {"stamp_ns": [T0_NS], "d_m": [[1.0]]}}),
        ("evidence.stamp_ns", {"evidence": {"stamp_ns": ["x"], "d_m": [1.0]}}),
        ("evidence.excess_m", {"evidence": {"excess_m": [1e300]}}),
        ("evidence", {"evidence": {"stamp_ns": [T0_NS], "d_m": [1.0, 2.0]}}),  # not of equal length
        ("evidence", {"evidence": {"new": [INF]}}),
        ("evidence", {"evidence": {"new": [[[1.0]]]}}),
        ("evidence", {"evidence": {"\u202e": [1.0]}}),
    ],
)
def test_what_can_t_be_true_is_named(field: str, changed: dict[str, Any]) -> None:
    fault = fault_of(violation(**changed), BOUNDS, NOW_NS)
    assert fault is not None
    assert fault.field == field
    assert str(fault).isprintable()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"start_ns": T0_NS - 40 * DAY_NS},  # an outage of weeks
        {"start_ns": NOW_NS + 8 * 3_600_000 * MS, "confirmed_ns": None},  # a clock in another time zone
        {"vehicle": ViolationVehicle(plate="辽L·A0001", carrier="盘锦　危化运输 (é, ü) 👍")},  # wide space
        {"vehicle": None, "identity_p": None, "s_m": None, "d_m": None, "sigma_d_m": None},
        {"s_m": -300.0},  # a station before the first kilometre post
        {"evidence": {"stamp_ns": [T0_NS, T0_NS], "d_m": [None, 1.0], "newer": ["a", [1, 2]], "few": [1]}},
        {"version": 100_000},  # a truck that stood for days
    ],
)
def test_what_can_be_true_is_let_through(changed: dict[str, Any]) -> None:
    assert fault_of(violation(**changed), BOUNDS, NOW_NS) is None


def test_stations_of_another_map_are_not_held_against_the_centre_s_own() -> None:
    """An RSU may have a newer and longer map, or one whose kilometre posts begin elsewhere."""
    bounds = bounds_of((122.0, 41.0), (0.0, 9_000.0), "7")
    newer = {"map_version": "8", "s_m": 1_200_000.0, "evidence": {"s_m": [1_200_000.0, -30_000.0]}}
    assert fault_of(violation(**newer), bounds, NOW_NS) is None
    assert fault_of(violation(**newer | {"map_version": "7"}), bounds, NOW_NS) is not None
    for s_m in (NAN, INF, 1e8):
        fault = fault_of(violation(**newer | {"s_m": s_m}), bounds, NOW_NS)
        assert fault is not None
        assert fault.field == "s_m"


@pytest.mark.parametrize("origin", [(179.9, 65.0), (-179.95, -10.0), (0.0, 89.9), (15.0, -78.0), (2.0, 0.0)])
def test_a_site_anywhere_on_earth_takes_positions_around_its_origin(origin: tuple[float, float]) -> None:
    bounds = bounds_of(origin, (-5_000.0, 40_000.0))
    for off_deg in (-0.3, 0.0, 0.3):
        lon_deg = (origin[0] + off_deg + 180.0) % 360.0 - 180.0  # across the date line
        found = violation(lon_deg=lon_deg, lat_deg=min(90.0, origin[1] + off_deg), s_m=-5_000.0)
        assert fault_of(found, bounds, NOW_NS) is None


def test_a_clock_that_was_never_set_says_nothing_of_stamps() -> None:
    assert fault_of(violation(), BOUNDS, 5) is None


def test_without_a_road_only_the_earth_bounds_a_station() -> None:
    assert bounds_of((122.0, 41.0), ()).s_m == Bounds().s_m


@given(st.text(st.characters(), max_size=300))
def test_what_is_shown_is_plain_and_plain_text_stays_as_it_is(text: str) -> None:
    assert is_plain(plain(text))
    assert plain(text) == text or not is_plain(text)


@pytest.mark.parametrize(
    ("map_text", "site_text", "says"),
    [
        (MAP.replace('"south"', '"so\u200buth"'), SITE, r"lane 'so.u200buth'"),
        (MAP.replace("7-synthetic", "7\u202e"), SITE, "version"),
        (MAP, SITE + '\n[rules]\nversion = "1\u202e"\n', "rules.version"),
    ],
)
def test_a_name_that_no_violation_may_bear_is_refused_before_it_could_withhold_them(
    map_text: str, site_text: str, says: str
) -> None:
    site = parse_site(site_text, map_text, None, "site.toml", {})
    with pytest.raises(ConfigError, match=says):
        road_of(site)
