"""Radars of the foreign generator that send objects: near the truth, honest as Kalman filters are."""

from dataclasses import replace

import numpy as np

from tests.support.foreign.motion import motion_of
from tests.support.foreign.object_radars import COASTS_S, HITS, ObjectRadar
from tests.support.foreign.road import Road
from tests.support.foreign.scenario import scenario_named


def test_objects_lie_at_their_vehicles_and_ghosts_are_rare():
    road = Road(scenario_named("objects", lambda plan: replace(plan, duration_s=12.0)))
    motion, pole = motion_of(road, 3), road.poles[0]
    sent = [one for one in ObjectRadar(motion, pole, 3).scans() if one.stamp_s > 2.0]
    off, fast, false, total = [], 0.0, 0, 0
    c, s = np.cos(pole.boresight_rad), np.sin(pole.boresight_rad)
    for one in sent:
        of = np.flatnonzero(one.row >= 0)
        moment = motion.at(one.row[of], one.stamp_s)
        east = pole.east_m + c * one.x_m[of] - s * one.y_m[of]
        north = pole.north_m + s * one.x_m[of] + c * one.y_m[of]
        off += np.hypot(east - moment.east_m, north - moment.north_m).tolist()
        fast = max(fast, float(np.hypot(one.vx_mps, one.vy_mps).max(initial=0.0)))
        false, total = false + int((one.row < 0).sum()), total + len(one.row)
    assert np.percentile(off, 50) < 0.3
    assert np.percentile(off, 99) < 4.0  # those it coasts for a while among them
    assert fast < 60.0
    assert 0 <= false < 0.1 * total
    assert total > 100


def test_an_object_begins_after_some_detections_and_ends_after_a_while_without():
    road = Road(scenario_named("objects", lambda plan: replace(plan, duration_s=12.0)))
    motion, pole = motion_of(road, 4), road.poles[1]
    period_s = 1.0 / road.scenario.radar.rate_hz
    first: dict[int, float] = {}
    for one in ObjectRadar(motion, pole, 4).scans():
        assert len(one.id) == len(one.row)
        assert np.all(one.id >= 0)
        for row in one.row[one.row >= 0].tolist():
            first.setdefault(row, one.stamp_s)
    assert min(first.values()) >= (HITS - 1) * period_s
    until = motion.until_s[list(first)]
    ended = [row for row, end_s in zip(first, until.tolist(), strict=True) if end_s < 11.0 - COASTS_S]
    last = {row: one.stamp_s for one in ObjectRadar(motion, pole, 4).scans() for row in one.row.tolist()}
    assert all(last[row] <= motion.until_s[row] + COASTS_S + period_s for row in ended)
