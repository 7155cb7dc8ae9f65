"""How much a vehicle manoeuvres: against brute force, and that no manoeuvre loses or misleads a track."""

import math

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.models.manoeuvre import (
    FADE_S,
    LASTS_S,
    ONSET_S,
    SUM_MAX,
    age,
    calm_after,
    evidence_of,
    spread_of,
    surprise_of,
)
from fusion.tracker import Tracker
from tests.support.fusion_world import NAN, T0_NS, fix, pose, scan

DT_S = 0.05
CONFIG = FusionConfig()
FIXED = FusionConfig(  # one noise for all
    accel_calm_along_mps2=CONFIG.accel_along_mps2, accel_calm_cross_mps2=CONFIG.accel_cross_mps2
)
RADARS = [
    pose("R", -150.0, -12.0, 0.0, range_m_max=2_000.0),
    pose("S", 340.0, 12.0, math.pi, range_m_max=2_000.0),
]


# ---- the evidence


@pytest.mark.parametrize("ratio", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("fade_s", [FADE_S, FADE_S / 8.0])
def test_the_spread_of_the_corrections_is_that_of_a_simulated_filter(ratio, fade_s):
    """A filter of density q follows a velocity of density ratio q that is measured at 20 Hz; 400 vehicles."""
    rng, n, q, r = np.random.Generator(np.random.Philox(3)), 400, 0.2, 0.1
    v, x, p, total, kept = np.zeros(n), np.zeros(n), 1.0, np.zeros(n), math.exp(-DT_S / fade_s)
    sums, singles = [], []
    for step in range(800):
        v += math.sqrt(ratio * q * DT_S) * rng.normal(size=n)
        before = p + q * DT_S
        gain = before / (before + r)
        p = (1.0 - gain) * before
        correction = gain * (v + math.sqrt(r) * rng.normal(size=n) - x)
        x += correction
        single = correction / math.sqrt(before - p)
        total = kept * total + math.sqrt(1.0 - kept**2) * single
        if step > 200:
            sums.append(np.mean(total**2))
            singles.append(np.mean(single**2))
    assert np.mean(sums) == pytest.approx(spread_of.py_func(q, ratio * q, p, fade_s), rel=0.25)
    assert np.mean(singles) == pytest.approx(surprise_of.py_func(q, ratio * q, gain), rel=0.25)


def test_the_probability_of_calm_is_bayes():
    calm, spread, z = 0.9, (0.5, 4.0), 2.5
    evidence = evidence_of.py_func(z, *spread)
    density = [math.exp(-0.5 * z * z / s) / math.sqrt(s) for s in spread]
    exact = calm * density[0] / (calm * density[0] + (1.0 - calm) * density[1])
    assert calm_after.py_func(calm, evidence) == pytest.approx(exact, rel=1e-12)


def test_extreme_sums_leave_a_probability():
    for total in (0.0, SUM_MAX):
        for calm in (0.0, 1e-300, 1.0):
            evidence = evidence_of.py_func(total, 0.01, 100.0)
            assert 0.0 <= calm_after.py_func(calm, evidence) <= 1.0
            assert 0.0 <= calm_after.py_func(calm, -evidence) <= 1.0


def test_modes_change_at_their_rates():
    X = np.zeros((1, at.N_X))
    for _ in range(4_000):
        age.py_func(X, 0, DT_S)
    share = ONSET_S / (ONSET_S + LASTS_S)
    np.testing.assert_allclose(X[0, at.CALM_ALONG : at.CALM_CROSS + 1], share, rtol=1e-9)


# ---- manoeuvres


def eased(t: np.ndarray) -> np.ndarray:
    """Return a step from 0 to 1 over the unit interval whose acceleration is a whole sine."""
    u = np.clip(t, 0.0, 1.0)
    return u - np.sin(2.0 * np.pi * u) / (2.0 * np.pi)


def drive(kind: str) -> np.ndarray:
    """Return the states (n, 4) of one vehicle, each DT_S; what it does begins after 6 s."""
    t = np.arange(0.0, 18.0, DT_S)
    along, left, v0 = np.zeros(len(t)), np.zeros(len(t)), 22.0
    if kind == "brake":
        along[(t >= 6.0) & (t < 9.0)] = -5.0
    if kind == "stop and go":
        v0 = 7.5
        along[(t >= 6.0) & (t < 9.0)] = -2.5
        along[(t >= 11.0) & (t < 17.0)] = 1.2
    if kind == "lane":
        left = 3.5 * eased((t - 6.0) / 3.0)
    v = v0 + np.concatenate([[0.0], np.cumsum(along)[:-1]]) * DT_S
    s = np.concatenate([[0.0], np.cumsum(v[:-1] * DT_S + 0.5 * along[:-1] * DT_S**2)])
    return np.stack([s - 60.0, left, v, np.gradient(left, DT_S)], axis=1)


def follow(
    config: FusionConfig, kind: str, sensor: str, seed: int
) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Return errors (n, 4) of the one track from 3 s on, its sigmas (n, 4), and all ids."""
    rng, truth = np.random.Generator(np.random.Philox(seed)), drive(kind)
    tracker = Tracker(config, RADARS if sensor != "gnss" else [], [Terminal(terminal="A")], id_base=0)
    errors, sigmas, ids = [], [], set()
    for k, x in enumerate(truth):
        now = T0_NS + k * 50_000_000
        if sensor == "gnss":
            if k % 20 == 0:
                place = x[:2] + 0.1 * rng.normal(size=2)
                speed = math.hypot(x[2], x[3]) + 0.15 * rng.normal()
                course = math.atan2(x[3], x[2])
                tracker.step(now, fix("A", now, *place, speed_mps=speed, heading_rad=course, sigma_m=0.5))
        else:
            seen = scan(RADARS[k % 2], now, x[None], rng.normal(size=(1, 3)))
            if sensor == "no rate":
                seen.range_rate_mps[:] = NAN
            tracker.step(now, seen)
        tracks = tracker.at(now)
        if k >= 60:
            assert len(tracks) == 1
            ids.add(int(tracks.track[0]))
            errors.append(tracks.x[0] - x)
            sigmas.append(
                np.sqrt(np.diag(tracks.P[0]) + np.array([1.0, 1.0, 0.0, 0.0]) * tracks.bias_m[0] ** 2)
            )
    return np.array(errors), np.array(sigmas), ids


@pytest.mark.parametrize("sensor", ["radar", "no rate", "gnss"])
@pytest.mark.parametrize("kind", ["brake", "lane", "stop and go"])
def test_no_manoeuvre_loses_the_track_or_makes_it_lag(kind, sensor):
    lag = []
    for config in (CONFIG, FIXED):
        runs = [follow(config, kind, sensor, seed) for seed in range(4)]
        assert all(len(ids) == 1 for *_, ids in runs)
        mean = np.mean([errors for errors, *_ in runs], axis=0)
        lag.append(np.abs(mean[60:150, :2]).max(axis=0))
    assert (lag[0] < lag[1] + 0.4).all(), lag  # m; at 5 m/s^2 the place alone shows it after 0.4 s


def test_calm_driving_is_known_better_and_its_velocity_honestly():
    errors, sigmas = (
        np.concatenate(a)
        for a in list(zip(*(follow(CONFIG, "", "radar", k) for k in range(6)), strict=True))[:2]
    )
    fixed = np.concatenate([follow(FIXED, "", "radar", k)[0] for k in range(6)])
    rmse, rmse_fixed = np.sqrt(np.mean(errors**2, axis=0)), np.sqrt(np.mean(fixed**2, axis=0))
    assert (rmse[2:] < 0.92 * rmse_fixed[2:]).all()
    nees = np.mean((errors / sigmas) ** 2, axis=0)
    assert ((nees[:2] > 0.5) & (nees[:2] < 1.4)).all(), nees
    assert ((nees[2:] > 0.3) & (nees[2:] < 1.5)).all(), nees


# ---- against multiple models


class TwoModels:
    """Filters of both densities side by side, mixed as a GPB1 (Bar-Shalom 2001, 11.6.4); one axis."""

    def __init__(self, densities: tuple[float, float], r: float) -> None:
        self.filters = []
        for q in densities:
            one = KalmanFilter(dim_x=2, dim_z=1)
            one.F = np.array([[1.0, DT_S], [0.0, 1.0]])
            one.Q = q * np.array([[DT_S**3 / 3, DT_S**2 / 2], [DT_S**2 / 2, DT_S]])
            one.H, one.R, one.P = np.array([[0.0, 1.0]]), np.array([[r]]), np.diag([1.0, 1.0])
            self.filters.append(one)
        self.p = np.array([0.95, 0.05])
        self.change = np.array(
            [[1.0 - DT_S / ONSET_S, DT_S / ONSET_S], [DT_S / LASTS_S, 1.0 - DT_S / LASTS_S]]
        )

    def step(self, z: float) -> None:
        self.p = self.p @ self.change
        for one in self.filters:
            one.predict()
            one.update(z)
        self.p *= [one.likelihood for one in self.filters]
        self.p /= self.p.sum()
        x = sum(p * one.x for p, one in zip(self.p, self.filters, strict=True))
        P = sum(
            p * (one.P + np.outer(one.x - x, one.x - x)) for p, one in zip(self.p, self.filters, strict=True)
        )
        for one in self.filters:
            one.x, one.P = x.copy(), P.copy()


def test_a_brake_is_noticed_as_soon_as_by_two_filters_side_by_side():
    """One radar along the road: the range rate is the velocity along. FilterPy runs both models."""
    radar = pose("R", -150.0, 0.0, 0.0, range_m_max=2_000.0, height_m=1.0)
    truth = drive("brake")
    q = 2.0 * CONFIG.accel_tau_s * np.array([CONFIG.accel_calm_along_mps2, CONFIG.accel_along_mps2]) ** 2
    delays = []
    for seed in range(6):
        rng = np.random.Generator(np.random.Philox(seed))
        tracker, models = Tracker(CONFIG, [radar], [], id_base=0), TwoModels((q[0], q[1]), 0.1**2)
        models.filters[0].x = models.filters[1].x = np.array([[0.0], [22.0]])
        noticed = [NAN, NAN]
        for k, x in enumerate(truth[:180]):
            noise = rng.normal(size=(1, 3))
            now = T0_NS + k * 50_000_000
            tracker.step(now, scan(radar, now, x[None], noise))
            models.step(x[2] + 0.1 * noise[0, 2])
            calm = tracker.store.X[0, at.CALM_ALONG], models.p[0]
            for i in range(2):
                if k < 120 and k > 60:
                    assert calm[i] > 0.5, "nothing happens yet"
                if k >= 120 and math.isnan(noticed[i]) and calm[i] < 0.5:
                    noticed[i] = (k - 120) * DT_S
        delays.append(noticed)
    ours, theirs = np.mean(delays, axis=0)
    assert ours < theirs + 0.1, (ours, theirs)
