"""Measuring and testing in one step, against both steps by themselves."""

import numpy as np

from geofence.batch import Batch, Site
from geofence.continuity import Sightings
from geofence.detectors import HOLD_STEP_S, N_ACROSS, Departures, Thresholds, Tracks, step, windows_of
from geofence.levels import shipped
from geofence.located import ALONG, FOUND, NO_LANE, UNJUDGED
from geofence.measuring import Measures, measure
from geofence.observing import Found, Seen, findings, observe
from geofence.rules import GRADED, MEASURED, REGISTRY
from geofence.state import (
    BORN,
    CLAIM_TRUST,
    CLAIM_WHOSE,
    LAST,
    LEAVING,
    OWN_WAY,
    R_P_OUT,
    R_VALUE,
    SEEN,
    State,
)
from tests.support.geofence_world import World, batch, feature, lonlat, road

N, T0_NS = 60, 1_790_000_000_000_000_000
SITE = Site(2.5, 2.5, 2.5, 0.8, 4.0)


def all_named():
    """Tracks with names, each seen by radar: evidence alone decides."""
    nothing = np.full(N, np.nan)
    return Sightings(
        terminal=np.zeros(N, dtype=np.int32), presumed=np.zeros(N, dtype=np.bool_),
        radar_ns=np.full(N, T0_NS), off_m=nothing, sigma_m=nothing, lasting_m=nothing,
        axis_rad=nothing, P=np.zeros((N, 4, 4)), bias_m=np.zeros(N), is_fix=np.zeros(N, dtype=np.bool_),
        fix_ns=np.zeros(N, dtype=np.int64), east_m=nothing, north_m=nothing, gnss_bias_m=nothing,
        gnss_tau_s=nothing, speed_mps=nothing, course_rad=nothing,
    )  # fmt: skip


def world(seed):
    """A state with some evidence, the tracks of an observation, and the limits of all rules."""
    rng = np.random.default_rng(seed)
    state = State([rule.name for rule in REGISTRY], MEASURED, GRADED)
    rows = state.rows(np.where(rng.random(N) < 0.9, np.arange(1, N + 1), 0).astype(np.uint64))
    known = rows[rows >= 0]
    state.stamps[known, LAST] = T0_NS - rng.integers(-1, 3, len(known)) * 50_000_000
    batch = Batch(
        x=rng.normal(0.0, 20.0, (N, 4)), P=np.tile(np.eye(4) * 0.04, (N, 1, 1)), bias_m=rng.random(N),
        tau_s=rng.uniform(0.1, 60.0, N), length_m=np.full(N, 12.0), width_m=np.full(N, 2.5),
        coasting=rng.random(N) < 0.1, stamp_ns=np.full(N, T0_NS), found=rng.normal(0.0, 3.0, (N, FOUND)),
        lane=np.where(rng.random(N) < 0.9, 1, NO_LANE).astype(np.int32),
        kind=rng.integers(0, 5, N).astype(np.uint8), vehicle=np.full(N, -1, dtype=np.int32),
        off_road_m=np.full(N, np.nan), limit_mps=np.full(N, 60 / 3.6),
    )  # fmt: skip
    batch.found[:, 4] = rng.uniform(0.05, 0.5, N)  # a sigma is positive
    batch.found[:, UNJUDGED] = rng.random(N) < 0.2
    limits = np.tile([[[0.2, 0.0], [np.nan, np.nan]] * 3], (len(GRADED), 1, 1)).reshape(-1, 6, 2)
    none = np.zeros(len(MEASURED))
    thresholds = Thresholds(limits, none, 3.0, 1e-4, none, Departures(0, 1e-4, shipped()))
    windows = windows_of(state)
    seen = Seen(rng.random(N) < 0.8, rng.random(N) < 0.8, rows, batch, all_named())
    return state, thresholds, windows, seen


def test_one_step_does_what_both_do():
    for seed in range(20):
        state, thresholds, windows, seen = world(seed)
        found = findings(2 * N, len(MEASURED))
        got = Found(*observe(seen, SITE, thresholds, windows, state.flags, found))
        other, _, others, _ = world(seed)
        mine = np.flatnonzero(seen.owned & seen.confirmed & (seen.rows >= 0))
        stale = other.stamps[seen.rows[mine], LAST] >= T0_NS
        n_rules = len(MEASURED)
        out = Measures(
            np.zeros((N, n_rules, 3)), np.zeros((N, R_VALUE + 2 * n_rules)), np.zeros((N, N_ACROSS))
        )
        measure(mine, seen.rows, seen.batch, SITE, other.stamps, other.flags, other.drift, out)
        p_out = found.columns[mine, R_P_OUT].copy()  # geofence.keeping says how probable a departure is
        assert ((p_out >= 0.0) & (p_out <= 1.0) | np.isnan(found.columns[mine, R_VALUE])).all()
        other.drift[:, LEAVING], out.columns[mine, R_P_OUT] = windows.drift[:, LEAVING], p_out
        follows = np.flatnonzero(seen.confirmed & (seen.rows >= 0))
        other.stamps[np.ix_(seen.rows[follows], [BORN, SEEN])] = T0_NS
        # of the first terminal, without a claim, seen by radar
        other.drift[np.ix_(seen.rows[follows], [CLAIM_WHOSE, CLAIM_TRUST])] = 1.0
        named, lived = np.ones(N, dtype=np.bool_), np.zeros(N, dtype=np.bool_)
        along = seen.batch.found[follows, ALONG]
        other.drift[seen.rows[follows], OWN_WAY] = along > 0.0  # NaN: not known, as it was
        tracks = Tracks(mine, seen.rows, seen.batch.stamp_ns, *out, np.full(N, HOLD_STEP_S), named, lived)
        grade, active = np.zeros((len(mine), len(MEASURED)), dtype=np.int64), np.zeros(len(mine), dtype=bool)
        is_active = step(tracks, len(mine), thresholds, others, grade, active)
        assert (got.mine, got.stale, got.is_active) == (len(mine), np.count_nonzero(stale), is_active)
        np.testing.assert_array_equal(found.mine[: got.mine], mine)
        np.testing.assert_array_equal(found.grade[: got.mine], grade)
        np.testing.assert_array_equal(found.active[: got.mine], active)
        np.testing.assert_array_equal(found.columns[mine], out.columns[mine])
        for one, two in zip(windows, others, strict=True):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(state.flags, other.flags)
        assert found.active.any()


def driven(*zones, in_one_step):
    """Trucks drive too fast, over a line, the wrong way, or well; return their versions and judgements.

    zones : of the map.  in_one_step : each observation is located and judged at once
    """
    it, rng = World(road(*zones)), np.random.default_rng(5)
    begun = it.monitor.locate  # what is located in between is not in one step
    asked = []
    it.monitor.locate = lambda *what: asked.append(1) or begun(*what)
    for k in range(150):
        t_s, stamp_ns = k * 0.1, T0_NS + k * 100_000_000
        drivers = [(16.0, -7.6, 16.0), (21.0, -7.6, 21.0), (15.0, -5.7 + 0.02 * k, 15.0), (60.0, 7.6, 16.0)]
        tracks = batch(stamp_ns, *(
            {"east": 50.0 + east * t_s, "north": north + rng.normal(0.0, 0.05), "v_east": speed}
            for east, north, speed in drivers[: 1 + k % 4 + k // 100]
        ))  # fmt: skip
        now_ns, owned = stamp_ns + 6_000_000, np.ones(len(tracks), dtype=np.bool_)
        if in_one_step:
            it._keep(it.monitor.judge(now_ns, tracks, it.terminals, owned))
        else:
            it._keep(it.monitor.observe(now_ns, tracks, begun(tracks, it.terminals), owned))
    return it.out, it.monitor.carry(None), dict(it.monitor.counts), len(asked)


def test_locating_and_judging_in_one_step_is_what_both_are():
    in_one, in_two = driven(in_one_step=True), driven(in_one_step=False)
    assert in_one == in_two
    assert {version.rule for version in in_one[0]} >= {"overspeed", "lane_departure", "wrong_way"}
    assert in_one[-1] == 0, "nothing on this map needs the places in between"


def test_where_a_zone_has_a_limit_the_places_are_known_before_the_tests():
    ring = lonlat([[100.0, -60.0], [400.0, -60.0], [400.0, 60.0], [100.0, 60.0], [100.0, -60.0]])
    zone = feature("zone", "Polygon", [ring], zone="BRIDGE", role="", speed_limit_mps=8.0)
    *in_one, n_asked = driven(zone, in_one_step=True)
    *in_two, _ = driven(zone, in_one_step=False)
    assert in_one == in_two
    assert n_asked == 150
    assert any(version.limit_of == "zone:BRIDGE" for version in in_one[0])
