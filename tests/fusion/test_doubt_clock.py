"""Wrong clocks of 0.3 to 2.5 s, shown by the radar's track of the vehicle: found and corrected, no others."""

import numpy as np
import pytest

from fusion.config import FusionConfig, Terminal
from fusion.doubt_table import GHOST
from fusion.observations import GnssFixes
from fusion.tracker import Tracker
from tests.support.fusion_world import PERIOD_S, T0_NS, pose, scan

SPEED_MPS, GAP_M = 15.0, 60.0  # from truck to truck of a row: nearer ones hide the place that is reported
WAY_S = 0.05


def message(terminal, stamp_ns, arrived_ns, east_m, north_m, speed_mps, rng):
    one = np.array([1.0])
    return GnssFixes(
        terminal=(terminal,), stamp_ns=np.array([stamp_ns]), arrived_ns=np.array([arrived_ns]),
        source_seq=np.array([-1]), east_m=one * (east_m + 0.4 * rng.normal()),
        north_m=one * (north_m + 0.4 * rng.normal()), speed_mps=one * speed_mps, heading_rad=one * 0.0,
        sigma_m=one * 0.7, tau_s=one * 25.0, usable=one == 1.0,
    )  # fmt: skip


def drive(
    offsets_s, *, seconds=34.0, seed=1, way_s=lambda rng: WAY_S, speed=lambda t_s: SPEED_MPS, length_m=8.0,
    lost=lambda t_s: False,
):  # fmt: skip
    """Drive a row of trucks past radars, the first ahead; None: it is silent; lost: radar misses the last.

    Return the tracker and when (s) radar first showed a clock to be off, by terminal.
    """
    places = [(name, 250.0 * k) for k, name in enumerate("RSUVW")]
    ways = [(f"{name}{way}", east_m, way * np.pi) for name, east_m in places for way in (0, 1)]
    radars = [pose(name, east_m, -10.0, boresight) for name, east_m, boresight in ways]
    names = [f"T{k}" for k in range(len(offsets_s))]
    tracker = Tracker(
        FusionConfig(),
        radars,
        [Terminal(terminal=name, length_m=length_m) for name in names],
        id_base=7 << 32,
    )
    rng, mail, found, ghosts = np.random.Generator(np.random.Philox(seed)), [], {}, set()
    ahead = 250.0 - GAP_M * np.arange(len(offsets_s))
    bias = 0.5 * rng.normal(size=(len(offsets_s), 2))
    way_m = 0.0
    for k in range(1, round(seconds / PERIOD_S)):
        t_s = k * PERIOD_S
        now_ns = T0_NS + round(t_s * 1e9)
        way_m += speed(t_s) * PERIOD_S
        at = np.stack([ahead + way_m, 0.0 * ahead, speed(t_s) + 0.0 * ahead, 0.0 * ahead], axis=1)
        for radar in radars:
            off = (at[:, 0] - radar.east_m) * np.cos(radar.boresight_rad)
            is_lost = lost(t_s) & (np.arange(len(at)) == len(at) - 1)
            seen = at[(off > 10.0) & (off < 280.0) & ~is_lost]
            if len(seen):
                tracker.step(now_ns, scan(radar, now_ns, seen, rng.normal(size=(len(seen), 3))))
        for w, offset_s in enumerate(offsets_s):
            if offset_s is not None and (k + 3 * w) % 20 == 0:
                arrived_ns = now_ns + round(way_s(rng) * 1e9)
                east, north = at[w, :2] + bias[w]
                fix = message(
                    names[w], now_ns + round(offset_s * 1e9), arrived_ns, east, north, speed(t_s), rng
                )
                mail.append((arrived_ns, fix))
        for arrived_ns, fix in sorted((m for m in mail if m[0] <= now_ns), key=lambda m: m[0]):
            tracker.step(arrived_ns, fix)
        mail = [m for m in mail if m[0] > now_ns]
        if k % 2 == 0:
            tracker.tick(now_ns)
            for name, fault in tracker.clock_report(now_ns).terminals.items():
                if fault.corrected:
                    found.setdefault(name, (t_s, fault.offset_s))
            ghosts |= {w for w in range(len(names)) if tracker.doubts.rows.ints[w, 0] & GHOST}
    return tracker, found, ghosts


def named(tracker):
    batch = tracker.at(T0_NS + 33_900_000_000)
    rows = batch.terminal[(batch.terminal >= 0) & (batch.radar_ns > T0_NS + 33_000_000_000)]
    return sorted(tracker.terminal_ids[w] for w in rows)


@pytest.mark.parametrize("offset_s", [0.7, 0.9, -0.6, -0.9, -1.6, -2.2])
def test_a_clock_that_is_off_is_found_corrected_and_its_truck_named(offset_s):
    tracker, found, ghosts = drive([None, offset_s])  # one ahead proves that radar sees what drives there
    when_s, shown_s = found["T1"]
    assert when_s < 26.0
    assert shown_s == pytest.approx(offset_s, abs=0.15)
    assert named(tracker) == ["T1"]
    assert not ghosts, "a wrong clock is no ghost"


@pytest.mark.parametrize("offset_s", [0.55, -0.55])
def test_the_clock_of_a_long_truck_needs_no_larger_error(offset_s):
    """Its track knows where its ends are: half its length, 8.5 m here, was taken for unknown."""
    _, found, _ = drive([None, offset_s], length_m=17.0)
    assert found["T1"][1] == pytest.approx(offset_s, abs=0.15)


@pytest.mark.parametrize("offset_s", [0.8, -1.6])
def test_looks_of_one_truck_add_up_though_radar_loses_it(offset_s):
    """Each new track began anew: no stretch of six seconds in sight was long enough."""
    _, found, _ = drive([None, offset_s], lost=lambda t_s: t_s % 9.0 > 6.0)
    assert found["T1"][1] == pytest.approx(offset_s, abs=0.15)


@pytest.mark.parametrize("offset_s", [0.8, -0.8, -1.6])
def test_in_a_row_of_trucks_it_is_that_terminals_clock_and_truck(offset_s):
    tracker, found, ghosts = drive([0.0, offset_s, 0.0, None])
    assert list(found) == ["T1"]
    assert found["T1"][1] == pytest.approx(offset_s, abs=0.15)
    assert named(tracker) == ["T0", "T1", "T2"]
    assert not ghosts


def uneven(t_s):
    return SPEED_MPS + 3.0 * np.sin(0.4 * t_s)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "world",
    [
        {"offsets_s": [0.0]},
        {"offsets_s": [0.0, None, 0.0, None]},  # beside silent ones
        {"offsets_s": [0.0, None, 0.0], "speed": uneven},
        {"offsets_s": [0.0, None, 0.0], "way_s": lambda rng: rng.uniform(0.0, 3.0)},  # slow transport
        {"offsets_s": [0.0, None], "way_s": lambda rng: 1.5},  # always late alike
    ],
)
def test_sound_clocks_are_not_called_wrong(world, seed):
    _, found, _ = drive(**world, seed=seed)
    assert found == {}


def test_a_clock_that_is_put_right_is_right_again():
    tracker, found, _ = drive([0.8])
    assert found
    tracker.times.terminals.shift(0, -0.75)
    assert tracker.times.terminals.shown_ns[0] == 0
    assert tracker.times.terminals.known_ns[0] == 0


def test_what_is_known_of_a_clock_survives_a_restart():
    tracker, found, _ = drive([0.8])
    assert found
    again = Tracker(FusionConfig(), tracker._radars, [Terminal(terminal="T0", length_m=8.0)], id_base=7 << 32)
    again.restore(tracker.state())
    assert again.times.terminals.known_ns[0] == tracker.times.terminals.known_ns[0] != 0
    assert again.clock_report(T0_NS + 34_000_000_000) == tracker.clock_report(T0_NS + 34_000_000_000)
