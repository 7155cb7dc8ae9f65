"""Gates as lines that vehicles cross: GEOS is the oracle; the exit ahead."""

import numpy as np
import shapely

from geofence.journeys.gates import Gates
from geofence.map.reading import Gate
from tests.support.geofence_world import road


def gate(name, role, points):
    return Gate(gate=name, role=role, road="main", level=0, points=np.asarray(points, dtype=float))


def test_crossings_are_those_of_geos():
    rng = np.random.default_rng(5)
    gates = [gate(f"g{k}", "entry", rng.uniform(-30.0, 30.0, (3, 2))) for k in range(6)]
    before, now = rng.uniform(-40.0, 40.0, (400, 2)), rng.uniform(-40.0, 40.0, (400, 2))
    found = Gates(gates, None).crossed(before, now)
    lines = [shapely.LineString(one.points) for one in gates]
    n_crossed = 0
    for i in range(len(before)):
        way = shapely.LineString([before[i], now[i]])
        wanted = [
            (shapely.line_locate_point(way, point, normalized=True), f"g{k}")
            for k, line in enumerate(lines)
            for point in shapely.get_parts(shapely.intersection(way, line))
            if not shapely.is_empty(point)
        ]
        got = [(crossing.share, crossing.line.gate) for crossing in found if crossing.i == i]
        assert [name for _, name in got] == [name for _, name in sorted(wanted)]
        np.testing.assert_allclose(
            [share for share, _ in got], [share for share, _ in sorted(wanted)], atol=1e-9
        )
        n_crossed += len(got)
    assert n_crossed > 100


def test_a_vehicle_that_stands_crosses_nothing():
    gates = Gates([gate("in", "entry", [(0.0, -5.0), (0.0, 5.0)])], None)
    assert gates.crossed(np.zeros((1, 2)), np.zeros((1, 2))) == []
    assert gates.crossed(np.zeros((0, 2)), np.zeros((0, 2))) == []


def test_the_last_exit_ahead_is_expected():
    exits = [
        gate(name, "exit", [(s, -10.0), (s, 10.0)]) for name, s in (("a", 200.0), ("b", 700.0), ("c", 900.0))
    ]
    gates = Gates(exits, road().axis)
    assert gates.exit_ahead(300.0, 1.0, "main").gate == "c"
    assert gates.exit_ahead(300.0, -1.0, "main").gate == "a"
    assert gates.exit_ahead(950.0, 1.0, "main") is None
    assert gates.exit_ahead(300.0, 1.0, "another road") is None
    assert gates.is_between(500.0)
    assert not gates.is_between(100.0)
