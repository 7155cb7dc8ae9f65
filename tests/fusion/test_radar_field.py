"""What radars learn of their fields: false detections and misses by cell, against known rates."""

import math

import msgspec
import numpy as np
import pytest

from fusion import layout as at
from fusion.config import FusionConfig
from fusion.radar_field import (
    BORN_BINS,
    CELLS,
    COUNT_COLUMNS,
    FALSE_BINS,
    RATE_SPAN_MPS,
    SUM,
    areas_of,
    birth_density,
    cell_at,
    confirm_at,
    density,
    learnt_cells,
    p_seen,
    rate_density,
    restore_cells,
)
from fusion.track_store import settings_of
from fusion.tracker import Tracker
from fusion.tracker_state import TrackerState
from tests.support.fusion_world import T0_NS, pose, scan

RADAR = pose("R", 10.0, -20.0, 0.4)
AREA_M2 = 0.5 * RADAR.fov_rad * RADAR.range_m_max**2


def places(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return range and azimuth of n places, even over the field."""
    return RADAR.range_m_max * np.sqrt(rng.random(n)), RADAR.fov_rad * (rng.random(n) - 0.5)


def test_cells_have_the_areas_that_even_places_fill():
    settings = settings_of(FusionConfig(), [RADAR])
    flat, azimuth = places(np.random.default_rng(1), 100_000)
    east = RADAR.east_m + flat * np.cos(RADAR.boresight_rad + azimuth)
    north = RADAR.north_m + flat * np.sin(RADAR.boresight_rad + azimuth)
    cells = [cell_at(settings, 0, float(e), float(n)) for e, n in zip(east, north, strict=True)]
    share = np.bincount(cells, minlength=CELLS) / len(cells)
    area = settings.field[0, :CELLS, at.C_AREA]
    assert settings.field[0, SUM, at.C_AREA] == pytest.approx(AREA_M2)
    np.testing.assert_allclose(share, area / AREA_M2, atol=0.003)
    assert 0 <= cell_at(settings, 0, RADAR.east_m, RADAR.north_m) < CELLS
    assert 0 <= cell_at(settings, 0, RADAR.east_m - 5_000.0, RADAR.north_m) < CELLS


def test_nothing_learnt_is_the_configuration():
    config = FusionConfig(clutter_per_m2=3e-5, detection_probability=0.8)
    settings = settings_of(config, [RADAR])
    assert density(settings, 0, 5) == pytest.approx(3e-5)
    assert p_seen(settings, 0, 5) == pytest.approx(0.8)
    starts = 3e-5 * AREA_M2 * 72_000
    assert confirm_at(settings, 0) == pytest.approx(math.log(starts / config.false_tracks_per_hour))


def drive(n_scans: int, per_m2: float, p_detect: float, seed: int = 2, first: int = 0) -> Tracker:
    """Show clutter, and from scan `first` on four vehicles that stand apart, each detected with p_detect."""
    rng, tracker = np.random.default_rng(seed), Tracker(FusionConfig(), [RADAR], [], id_base=0)
    vehicles = np.array([[60.0 + 30.0 * k, 10.0 + 12.0 * k, 0.0, 0.0] for k in range(4)])
    for k in range(n_scans):
        t_ns = T0_NS + k * 50_000_000
        flat, azimuth = places(rng, rng.poisson(per_m2 * AREA_M2))
        clutter = np.stack([flat, azimuth, rng.uniform(-40.0, 40.0, len(flat))], axis=1)
        seen = vehicles[rng.random(4) < p_detect] if k >= first + 40 else vehicles[: 4 * (k >= first)]
        noise = rng.normal(size=(len(seen), 3))
        tracker.step(t_ns, scan(RADAR, t_ns, seen, noise, clutter))
        tracker.tick(t_ns)
    return tracker


def test_clutter_and_misses_are_learnt():
    settings = drive(1_200, 1e-4, 0.75).store.settings
    totals = settings.field[0, SUM]
    assert totals[at.C_FALSE] / (totals[at.C_SCANS] * AREA_M2) == pytest.approx(1e-4, rel=0.15)
    assert totals[at.C_LOOKED] > 100.0
    assert totals[at.C_SEEN] / totals[at.C_LOOKED] == pytest.approx(0.75, abs=0.12)
    by_cell = [density(settings, 0, cell) for cell in range(CELLS)]
    assert np.average(by_cell, weights=settings.field[0, :CELLS, at.C_AREA]) == pytest.approx(1e-4, rel=0.2)


def test_vehicles_are_no_clutter():
    assert density(drive(400, 0.0, 1.0).store.settings, 0, 9) < 1e-5


def test_rates_stay_within_their_bounds():
    settings = settings_of(FusionConfig(), [RADAR])
    settings.field[0, :, at.C_SCANS], settings.field[0, :, at.C_FALSE] = 100.0, 1e9
    settings.field[0, :, at.C_LOOKED] = 1e6
    assert density(settings, 0, 0) == 1e-2
    assert p_seen(settings, 0, 0) == 0.3
    settings.field[0, :, at.C_FALSE], settings.field[0, :, at.C_SEEN] = 0.0, 1e6
    settings.field[0, :, at.C_SCANS] = 1e12
    assert density(settings, 0, 0) == 1e-7
    assert p_seen(settings, 0, 0) == 0.99


def test_what_was_learnt_is_restored_and_places_of_another_layout_are_left_out():
    learnt = drive(100, 1e-4, 0.9)
    packed = msgspec.msgpack.encode(learnt.state())
    fresh = Tracker(FusionConfig(), [RADAR], [], id_base=0)
    fresh.restore(msgspec.msgpack.decode(packed, type=TrackerState))
    np.testing.assert_array_equal(fresh.store.settings.field, learnt.store.settings.field)
    field = areas_of(fresh.store.settings.radars)
    restore_cells(field, np.array([[7, 0], [0, CELLS + 9]]), np.ones((2, len(COUNT_COLUMNS))))
    np.testing.assert_array_equal(field, areas_of(fresh.store.settings.radars))
    assert learnt_cells(field)[0].shape == (0, 2)


def note(settings, column: int, bins: int, rates: np.ndarray) -> None:
    """Count range rates as the kernels do, with NumPy's own histogram."""
    counts, _ = np.histogram(rates, bins=bins, range=(-RATE_SPAN_MPS / 2.0, RATE_SPAN_MPS / 2.0))
    settings.field[0, :bins, column] += counts
    settings.field[0, SUM, column] += counts.sum()


@pytest.mark.parametrize(("column", "bins"), [(at.C_FALSE_RATE, FALSE_BINS), (at.C_BORN_RATE, BORN_BINS)])
def test_the_density_of_range_rates_is_that_of_a_histogram_with_jeffreys_prior(column, bins):
    settings, rng = settings_of(FusionConfig(), [RADAR]), np.random.default_rng(4)
    centres = (np.arange(bins) + 0.5) * RATE_SPAN_MPS / bins - RATE_SPAN_MPS / 2.0
    assert [rate_density(settings, 0, column, bins, v) for v in centres] == pytest.approx([1.0] * bins)
    rates = np.concatenate([rng.normal(0.0, 0.3, 500), rng.uniform(-40.0, 40.0, 500)])
    note(settings, column, bins, rates)
    counts, _ = np.histogram(rates, bins=bins, range=(-40.0, 40.0))
    want = (counts + 0.5) / (1_000 + 0.5 * bins) * bins
    got = [rate_density(settings, 0, column, bins, v) for v in centres]
    assert got == pytest.approx(want.tolist())
    assert np.mean(got) == pytest.approx(1.0), "it is relative to an even spread"
    assert rate_density(settings, 0, column, bins, math.nan) == 1.0
    assert rate_density(settings, 0, column, bins, 99.0) == got[-1]


def test_where_vehicles_appear_is_a_gamma_posterior_of_cell_and_radar():
    settings = settings_of(FusionConfig(), [RADAR])
    assert birth_density(settings, 0, 5) == pytest.approx(1e-6)
    area, scans = settings.field[0, 52, at.C_AREA], 1_800.0
    settings.field[0, SUM, at.C_SCANS] = scans
    settings.field[0, [52, SUM], at.C_BORN] = 61.0, 89.0
    whole = (2.0 + 89.0) / (2.0 / 1e-6 + scans * AREA_M2)
    assert birth_density(settings, 0, 52) == pytest.approx((2.0 + 61.0) / (2.0 / whole + scans * area))
    assert birth_density(settings, 0, 5) < whole < birth_density(settings, 0, 52)


def test_births_and_the_range_rates_of_clutter_are_learnt():
    """Clutter of `drive` is even in its range rates, its four vehicles stand; all four are born once."""
    settings = drive(700, 1e-4, 1.0, first=100).store.settings
    assert settings.field[0, SUM, at.C_BORN] == 4.0
    assert settings.field[0, SUM, at.C_BORN_RATE] == 4.0
    assert settings.field[0, :BORN_BINS, at.C_BORN_RATE].sum() == 4.0
    n_false = settings.field[0, SUM, at.C_FALSE]
    assert settings.field[0, :FALSE_BINS, at.C_FALSE_RATE].sum() == n_false > 100.0
    by_bin = [rate_density(settings, 0, at.C_FALSE_RATE, FALSE_BINS, v) for v in np.arange(-39.0, 40.0, 2.0)]
    assert np.std(by_bin) < 0.35


def test_what_a_new_radar_finds_did_not_appear():
    assert drive(200, 1e-4, 1.0).store.settings.field[0, SUM, at.C_BORN] == 0.0
