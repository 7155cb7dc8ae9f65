"""Nameless vehicles that cross a stretch without radar: who gets the id of before, and who does not."""

from dataclasses import dataclass

import numpy as np
import pytest

from fusion.tracks import TrackBatch
from roadside.found_again import KEPT_NS, MOST, FoundAgain
from tests.support.geofence_world import batch

T0_NS, TICK_NS = 1_000_000_000_000, 100_000_000


@dataclass
class Places:
    """What the table reads of the places on the map."""

    s_m: np.ndarray
    lane: np.ndarray


def seen(*vehicles: dict[str, float]) -> tuple[TrackBatch, Places]:
    """Return tracks along the axis; v : of the station, negative for oncoming traffic."""
    rows = [
        {
            "track": car["track"],
            "east": car["s"],
            "v_east": car["v"],
            "terminal": car.get("terminal", -1),
            "radar_age_s": car.get("unseen", 0.0),
            "north": car.get("north", 0.0),
            "sigma": 1.0 if "unseen" in car else 0.3,
        }
        for car in vehicles
    ]
    places = Places(
        np.array([car["s"] for car in vehicles]),
        np.array([car.get("lane", 1) for car in vehicles], dtype=np.int32),
    )
    return batch(T0_NS, *rows), places


def step(table: FoundAgain, t_ns: int, new: bool, *vehicles: dict[str, float]) -> list[tuple[int, int]]:
    tracks, places = seen(*vehicles)
    shifted = tracks.radar_ns + (t_ns - T0_NS)
    object.__setattr__(tracks, "radar_ns", shifted)
    return [tuple(one) for one in table.step(t_ns, tracks, places, np.full(len(tracks), new))]


def after_a_gap(
    gap_s: float, *after: dict[str, float], before: list[dict[str, float]]
) -> list[tuple[int, int]]:
    """Follow cars until T0 and again gap_s later; return what was found again."""
    table = FoundAgain()
    for k in range(-3, 1):
        cars = [car | {"s": car["s"] + car["v"] * k * 0.1} for car in before]
        assert step(table, T0_NS + k * TICK_NS, k == -3, *cars) == []
    again = FoundAgain()
    again.restore(table.state())
    found = step(table, T0_NS + round(gap_s * 1e9), True, *after)
    assert step(again, T0_NS + round(gap_s * 1e9), True, *after) == found, "a restored table continues"
    return found


CAR = {"track": 1, "s": 500.0, "v": 20.0}


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ([CAR], {"s": 740.0, "v": 19.0}, [(9, 1)]),  # 12 s at 20 m/s
        ([CAR], {"s": 765.0, "v": 22.0}, [(9, 1)]),  # it has driven a little faster
        ([CAR], {"s": 800.0, "v": 25.0}, []),  # but not so much
        ([CAR], {"s": 740.0, "v": -19.0}, []),  # the other way
        ([CAR], {"s": 740.0, "v": 19.0, "terminal": 3}, []),  # a terminal names it
        ([CAR | {"v": -20.0}], {"s": 260.0, "v": -20.0}, [(9, 1)]),  # oncoming traffic
        ([CAR | {"v": 0.5}], {"s": 506.0, "v": 5.0}, []),  # it stood: nobody knows when it leaves
        ([CAR], {"s": 740.0, "v": 19.0, "lane": 2}, [(9, 1)]),  # it has changed the lane
        ([CAR, CAR | {"track": 2, "s": 440.0}], {"s": 738.0, "v": 19.0}, [(9, 1)]),  # the one that is due
        ([CAR, CAR | {"track": 2, "s": 440.0}], {"s": 682.0, "v": 19.0}, [(9, 2)]),  # and the next one
        (
            [CAR, CAR | {"track": 2, "s": 490.0}],
            {"s": 735.0, "v": 19.0},
            [(9, 1)],
        ),  # the one ahead comes first
        ([CAR, CAR | {"track": 2, "s": 480.0}], {"s": 720.0, "v": 19.0}, []),  # either of two: is one gone?
        ([CAR, CAR | {"track": 2, "s": 490.0, "lane": 2}], {"s": 735.0, "v": 19.0, "lane": 3}, []),
        (
            [CAR, CAR | {"track": 2, "s": 490.0, "lane": 2}],
            {"s": 741.0, "v": 19.0},
            [(9, 1)],
        ),  # its lane tells
    ],
)
def test_who_appears_where_one_is_due_is_that_vehicle(before, after, found):
    assert after_a_gap(12.0, {"track": 9} | after, before=before) == found


def test_a_vehicle_is_found_once():
    two = [{"track": 8, "s": 741.0, "v": 20.0}, {"track": 9, "s": 738.0, "v": 20.0}]
    assert after_a_gap(12.0, *two, before=[CAR]) == [(8, 1)]


def test_who_may_be_a_terminals_vehicle_waits_for_its_name():
    truck = {"track": 7, "s": 735.0, "v": 20.0, "terminal": 3, "unseen": 5.0}
    assert after_a_gap(12.0, truck, {"track": 9, "s": 740.0, "v": 20.0}, before=[CAR]) == []
    beside = truck | {"north": 7.5}  # two lanes away, and its place is known to 1 m
    assert after_a_gap(12.0, beside, {"track": 9, "s": 740.0, "v": 20.0}, before=[CAR]) == [(9, 1)]
    stands = truck | {"north": 7.5, "v": 0.5}
    assert after_a_gap(12.0, stands, {"track": 9, "s": 740.0, "v": 20.0}, before=[CAR]) == []
    far = truck | {"s": 700.0}
    assert after_a_gap(12.0, far, {"track": 9, "s": 740.0, "v": 20.0}, before=[CAR]) == [(9, 1)]


def test_who_is_still_shown_is_nobody_else():
    assert after_a_gap(0.1, CAR | {"s": 502.0}, {"track": 9, "s": 503.0, "v": 20.0}, before=[CAR]) == []


def test_the_table_is_bounded_and_forgets():
    table = FoundAgain()
    for k in range(MOST + 20):
        step(table, T0_NS + k * TICK_NS, True, {"track": k + 1, "s": 10.0 * k, "v": 20.0})
    assert len(table.state()) <= MOST + 1
    step(table, T0_NS + KEPT_NS + MOST * TICK_NS * 2, True, {"track": 9_999, "s": 0.0, "v": 20.0})
    assert [row.track for row in table.state()] == [9_999]


def test_vehicles_of_a_lane_that_vary_their_speed_are_mostly_told_apart():
    """An oracle of its own: speeds as Ornstein-Uhlenbeck processes, order kept by a least distance."""
    rng, right, wrong = np.random.default_rng(4), 0, 0
    for _ in range(30):
        cars = [{"track": k + 1, "s": 900.0 - 65.0 * k, "v": float(rng.normal(19.0, 1.0))} for k in range(6)]
        s, v = np.array([car["s"] for car in cars]), np.array([car["v"] for car in cars])
        kept = v.copy()
        for _ in range(120):
            kept += (v - kept) * 0.1 / 8.0 + 0.6 * np.sqrt(2.0 * 0.1 / 8.0) * rng.normal(size=6)
            s += 0.1 * kept
            s[1:] = np.minimum(s[1:], s[:-1] - 10.0)
        after = [{"track": 90 + k, "s": float(s[k]), "v": float(kept[k])} for k in range(6)]
        found = after_a_gap(12.0, *after, before=cars)
        right += sum(new - 89 == old for new, old in found)
        wrong += sum(new - 89 != old for new, old in found)
    assert right > 0.9 * 180
    assert wrong <= 0.02 * 180


def test_a_track_that_is_not_shown_for_a_moment_keeps_its_id_alone():
    """Two vehicles had one id: one was not shown at the tick at which the other one came."""
    for held, found in (([1, 9], []), ([9], [(9, 1)])):
        table = FoundAgain()
        for k in range(-3, 1):
            assert step(table, T0_NS + k * TICK_NS, k == -3, CAR | {"s": 500.0 + 2.0 * k}) == []
        tracks, places = seen(CAR | {"track": 9, "s": 502.0})
        object.__setattr__(tracks, "radar_ns", tracks.radar_ns + TICK_NS)
        assert table.step(T0_NS + TICK_NS, tracks, places, np.ones(1, dtype=bool), held) == found
