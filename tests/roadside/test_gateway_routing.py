"""Which RSUs hear a fix; two RSUs on a straight road, and the example site's real axis."""

import math

import numpy as np
import pytest
from msgspec import structs

from edge.wire import GnssFix
from geofence.map.frames import SiteFrame
from roadside.gateway.routing import CORRIDOR_M, FEED_MARGIN_M, TERMINALS_MAX, Router, Stretch

FRAME = SiteFrame(122.0, 41.0)
STRETCHES = (Stretch("A", 0.0, 1_000.0, 500.0, 20.0), Stretch("B", 1_000.0, 2_000.0, 1_500.0, 20.0))
GATES = ((0.0, 0.0), (2_000.0, 0.0))


class EastwardAxis:
    """y = 0 from x = -500 to 2 500: the station is x; beyond the ends the end, and the distance from it."""

    def station_of(self, east, north):
        station = np.clip(east, -500.0, 2_500.0)
        away = np.hypot(east - station, north)
        return station, np.where(east == station, north, away)


class ExactAxis:
    """The n-th place that is asked for lies at the n-th station, to the bit, then all are beside the road."""

    def __init__(self, stations):
        self._left = [np.array(stations)]

    def station_of(self, east, north):
        if len(east) == len(GATES):
            return EastwardAxis().station_of(east, north)
        return (self._left.pop(), np.zeros(len(east))) if self._left else (east, np.full(len(east), 400.0))


AXIS = EastwardAxis()


def router(gates=GATES, axis=AXIS):
    return Router(FRAME, axis, STRETCHES, gates)


def fix(east: float, north: float = 0.0, *, terminal: str = "T", quality: str = "single") -> GnssFix:
    lon, lat = FRAME.lonlat_from_site(np.array([east]), np.array([north]))
    return GnssFix(
        terminal=terminal, stamp_ns=10**18, lon_deg=float(lon[0]), lat_deg=float(lat[0]), quality=quality
    )


@pytest.mark.parametrize(
    ("east", "north", "hears"),
    [
        (500.0, 0.0, ("A",)),
        (1_500.0, 0.0, ("B",)),
        (1_000.0, 0.0, ("A", "B")),
        (1_000.0 - FEED_MARGIN_M + 1.0, 0.0, ("A", "B")),  # just inside the overlap
        (1_000.0 - FEED_MARGIN_M - 1.0, 0.0, ("A",)),  # just before it
        (1_000.0 + FEED_MARGIN_M + 1.0, 0.0, ("B",)),
        (-FEED_MARGIN_M + 1.0, 0.0, ("A",)),  # the margin holds at the site's end too
        (500.0, CORRIDOR_M - 1.0, ("A",)),
        # off the road, never on it: the nearest gate's
        (500.0, CORRIDOR_M + 1.0, ("A",)),
        (-FEED_MARGIN_M - 100.0, 0.0, ("A",)),  # on the axis, but where no RSU answers
        (1_100.0, 5_000.0, ("B",)),
        (90_000.0, 0.0, ("B",)),
    ],
)
def test_route_by_place(east, north, hears):
    assert router().route([fix(east, north)]) == [hears]
    place = np.array([east]), np.array([north])
    assert router().route_placed(["T"], np.array([True]), *place) == [hears]
    assert router().route_placed(["T"], np.array([False]), *place) == [()], "its place is not known"


@pytest.mark.parametrize("margin_m", [0.0, FEED_MARGIN_M])
def test_on_a_long_road_each_station_is_received_by_all_whose_stretch_holds_it(margin_m):
    # gaps, overlaps, one within another and one longer than any cell; not in the order of the road
    spans = [(400.0, 900.0), (-500.0, 450.0), (880.0, 2_100.0), (1_000.0, 1_001.0), (2_250.0, 2_400.0)]
    stretches = [Stretch(f"R{i}", *span, 0.0, 0.0) for i, span in enumerate(spans)]
    edges = {edge + sign * margin_m for span in spans for edge in span for sign in (-1, 1)}
    places = [e + away for e in sorted(edges) for away in (-1e-6, 0.0, 1e-6) if -500.0 <= e + away <= 2_500.0]
    way = Router(FRAME, ExactAxis(places), stretches, GATES)
    received = way.route([fix(i, terminal=f"T{i}") for i in range(len(places))])
    assert received == [
        tuple(s.esn for s in stretches if s.holds(place, FEED_MARGIN_M)) or received[i]  # else its gate's
        for i, place in enumerate(places)
    ]
    beside = way.route([fix(0.0, 400.0, terminal=f"T{i}") for i in range(len(places))])
    for place, on, off in zip(places, received, beside, strict=True):  # the last one that was nearest
        if any(s.holds(place, FEED_MARGIN_M) for s in stretches):
            assert off == (min(stretches, key=lambda s: s.beside_m(place)).esn,), (place, on)


def test_off_the_road_goes_where_the_terminal_was_last_on_it():
    way = router()
    assert way.route([fix(900.0), fix(1_500.0, 400.0)]) == [
        ("A", "B"),
        ("A",),
    ]  # 900 is A's, 1 500 nearer to B
    assert way.route([fix(1_050.0), fix(500.0, 400.0)]) == [("A", "B"), ("B",)]
    assert way.route([fix(500.0, 400.0, terminal="another")]) == [("A",)]  # nothing is known of this one


def test_receiver_without_a_fix_has_no_place():
    way = router()
    assert way.route([fix(500.0, quality="none")]) == [()]
    assert way.route([fix(1_500.0), fix(500.0, quality="none")]) == [("B",), ("B",)]


def test_place_beyond_the_site_frame_is_nobodys():
    far = GnssFix(terminal="T", stamp_ns=10**18, lon_deg=0.0, lat_deg=0.0, quality="single")
    assert router().route([far]) == [()]


@pytest.mark.parametrize(("gates", "axis"), [((), AXIS), (GATES, None)], ids=["no gates", "no axis"])
def test_without_gates_or_axis_the_nearest_pole_receives(gates, axis):
    assert router(gates, axis).route([fix(1_600.0, 400.0), fix(100.0, 400.0)]) == [("B",), ("A",)]


def test_forgets_the_longest_silent_terminal():
    way, place = router(), fix(1_500.0)
    way.route([structs.replace(place, terminal=f"T{i}") for i in range(TERMINALS_MAX + 1)])
    assert way.route([fix(100.0, 400.0, terminal="T0")]) == [("A",)]  # forgotten: the nearest gate's
    assert way.route([fix(100.0, 400.0, terminal="T1")]) == [("B",)]


def test_nothing_to_route():
    assert router().route([]) == []


def test_stretch_never_holds_a_station_that_is_none():
    assert not STRETCHES[0].holds(math.nan, FEED_MARGIN_M)
