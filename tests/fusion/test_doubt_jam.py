"""Jamming: terminals of one place that fail together are one cause; what fails alone or in turn is none."""

import numpy as np
import pytest
from scipy.stats import binom

from fusion import doubt_jam
from fusion.config import FusionConfig, Terminal
from fusion.doubt_table import BEARS_JAM, DRAGGED, FROZEN, GHOST, IN_JAM, JAMMED
from fusion.observations import GnssFixes
from fusion.tracker import Tracker
from tests.support.fusion_world import PERIOD_S, T0_NS, pose, scan

SPEED_MPS, GAP_M, N = 15.0, 40.0, 5
START_S, END_S, SECONDS = 12.0, 22.0, 32.0


def drive(spoil, *, n=N, seed=1, seconds=SECONDS):
    """Drive n trucks past radars; spoil(k, t_s, east_m) gives truck k's fix "", "lost", "noise" or "weak".

    Return the tracker and by tick (s) the bits that terminals show, and those of the shown tracks.
    """
    radars = [pose(name, 250.0 * k, -10.0, 0.0) for k, name in enumerate("RSUVW")]
    names = [f"T{k}" for k in range(n)]
    tracker = Tracker(
        FusionConfig(), radars, [Terminal(terminal=t, length_m=8.0) for t in names], id_base=7 << 32
    )
    rng, seen_bits = np.random.Generator(np.random.Philox(seed)), {}
    ahead, bias, last = 200.0 - GAP_M * np.arange(n), 0.5 * rng.normal(size=(n, 2)), {}
    for k in range(1, round(seconds / PERIOD_S)):
        t_s = k * PERIOD_S
        now_ns = T0_NS + round(t_s * 1e9)
        at = np.stack([ahead + SPEED_MPS * t_s, 0 * ahead, SPEED_MPS + 0 * ahead, 0 * ahead], axis=1)
        for radar in radars:
            seen = at[(at[:, 0] - radar.east_m > 10.0) & (at[:, 0] - radar.east_m < 280.0)]
            if len(seen):
                tracker.step(now_ns, scan(radar, now_ns, seen, rng.normal(size=(len(seen), 3))))
        for w in range(n):
            if (k + 4 * w) % 20:
                continue
            fault = spoil(w, t_s, at[w, 0])
            place = at[w, :2] + bias[w] + 0.4 * rng.normal(size=2)
            if fault == "noise":
                place = at[w, :2] + 7.0 * rng.normal(size=2)
            elif fault == "weak":
                place = at[w, :2] + bias[w] + 2.5 * rng.normal(size=2)
            elif fault == "lost":
                place = last[w]
            last[w] = place
            one = np.array([1.0])
            tracker.step(now_ns + 50_000_000, GnssFixes(
                terminal=(names[w],), stamp_ns=np.array([now_ns]), arrived_ns=np.array([now_ns + 50_000_000]),
                source_seq=np.array([-1]), east_m=one * place[0], north_m=one * place[1],
                speed_mps=one * SPEED_MPS, heading_rad=one * 0.0, sigma_m=one * 0.7, tau_s=one * 25.0,
                usable=one * float(fault != "lost"),
            ))  # fmt: skip
        if k % 2 == 0:
            tracker.tick(now_ns)
            kinds = tracker.doubts.kinds(np.arange(n))
            seen_bits[t_s] = (kinds.tolist(), tracker.doubt(tracker.at(now_ns)).tolist())
    return tracker, seen_bits


def all_at_once(kind):
    return lambda w, t_s, east_m: kind if START_S <= t_s < END_S else ""


@pytest.mark.parametrize("kind", ["lost", "noise"])
def test_all_terminals_of_a_place_are_one_jam_and_none_is_at_fault(kind):
    tracker, bits = drive(all_at_once(kind))
    jammed = {t_s: [k for k, b in enumerate(kinds) if b & JAMMED] for t_s, (kinds, _) in bits.items()}
    first = min(t_s for t_s, who in jammed.items() if len(who) >= 3)
    assert START_S < first < START_S + 5.0
    assert sorted({k for who in jammed.values() for k in who}) == list(range(N))
    bearers = [[k for k, b in enumerate(kinds) if b & BEARS_JAM] for kinds, _ in bits.values()]
    assert max(len(who) for who in bearers) == 1, "one cause"
    assert len({tuple(who) for who in bearers if who}) == 1, "under one name"
    assert not any(b & (GHOST | FROZEN | DRAGGED) for kinds, _ in bits.values() for b in kinds)
    over = max(t_s for t_s, who in jammed.items() if who)
    assert END_S < over < END_S + 8.0, "given back when they are sound"
    batch = tracker.at(T0_NS + round((SECONDS - 0.1) * 1e9))
    names = batch.terminal[batch.radar_ns > T0_NS + 31_000_000_000]
    assert (names >= 0).sum() >= N - 1, "names stay; a first wild fix may cost one"


@pytest.mark.parametrize("seed", range(8))
def test_what_a_jam_explains_is_no_drag(seed):
    """Not as it begins, nor of who is at its edge: some places scatter less than others."""

    def spoil(w, t_s, east_m):
        return "" if not START_S <= t_s < END_S else "weak" if w == 4 else "noise"

    _, bits = drive(spoil, seed=seed)
    assert any(b & JAMMED for kinds, _ in bits.values() for b in kinds)
    assert not any(b & DRAGGED for kinds, _ in bits.values() for b in kinds)


def test_the_area_is_marked_for_tracks_without_a_terminal():
    _, bits = drive(lambda w, t_s, east_m: "lost" if w < 4 and START_S <= t_s < END_S else "", n=5)
    during = [marks for t_s, (_, marks) in bits.items() if START_S + 6.0 < t_s < END_S]
    assert all(all(b & IN_JAM for b in marks) for marks in during)


def under_a_bridge(w, t_s, east_m):
    return "lost" if 400.0 < east_m < 440.0 else ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda w, t_s, east_m: "",
        lambda w, t_s, east_m: "lost" if w == 1 and START_S <= t_s < END_S else "",
        lambda w, t_s, east_m: "noise" if w in (1, 3) and START_S <= t_s < END_S else "",
        under_a_bridge,
    ],
    ids=["sound", "one", "two", "bridge"],
)
@pytest.mark.parametrize("seed", range(3))
def test_what_fails_alone_or_at_one_place_in_turn_is_no_jam(spoil, seed):
    _, bits = drive(spoil, seed=seed)
    assert not any(b & (JAMMED | BEARS_JAM) for kinds, _ in bits.values() for b in kinds)


@pytest.mark.parametrize(("n", "k"), [(3, 3), (4, 3), (5, 4), (9, 4), (20, 5), (20, 6), (60, 8)])
def test_the_chance_is_the_binomial_tail(n, k):
    assert doubt_jam.chance(n, k) == pytest.approx(binom.sf(k - 1, n, doubt_jam.ALONE_P), rel=1e-9)


def test_a_tick_before_the_first_fix_has_room_for_all_registered_terminals():
    about = [Terminal(terminal=f"T{k}") for k in range(5_000)]
    tracker = Tracker(FusionConfig(), [pose("R", 0.0, 0.0, 0.0)], about, id_base=7 << 32)
    tracker.tick(T0_NS)
    assert len(tracker.doubts.rows.ints) >= len(about)


def test_a_jam_survives_a_restart():
    tracker, bits = drive(all_at_once("lost"), seconds=18.0)
    assert any(b & JAMMED for b in max(bits.items())[1][0])
    again = Tracker(
        FusionConfig(), tracker._radars, [Terminal(terminal=f"T{k}", length_m=8.0) for k in range(N)],
        id_base=7 << 32,
    )  # fmt: skip
    again.restore(tracker.state())
    for each in (tracker, again):
        each.tick(T0_NS + 18_000_000_000)
    np.testing.assert_array_equal(again.doubts.rows.jam_ints, tracker.doubts.rows.jam_ints)
    np.testing.assert_array_equal(again.doubts.kinds(np.arange(N)), tracker.doubts.kinds(np.arange(N)))
