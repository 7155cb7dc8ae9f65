"""Radars that track by themselves and send objects: smoothed, coasting, late, at times false."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.support.foreign.fleet import I64
from tests.support.foreign.geometry import F64
from tests.support.foreign.motion import Motion
from tests.support.foreign.radars import CLUTTER_MPS_MAX, Radar, Scan
from tests.support.foreign.road import Pole
from tests.support.foreign.scenario import RadarPlan

JERKY = 1.0  # PSD of the acceleration that its filter allows [m^2/s^3]
BIRTH_MPS = 10.0  # 1 sigma of each velocity that it has not measured yet
NEAREST_M = 10.0  # what is nearer lies below its beam: the slant range says nothing of the place
HITS = 3  # detections before an object is sent
COASTS_S = 0.6  # without a detection
N_IDS = 256  # ids are used again
GHOSTS_PER_S = 0.05  # false objects that begin, per radar
GHOST_LIVES_S = (0.3, 1.2)
SIZE_SHARE = (0.55, 0.95)  # of the length that the radar makes out, by vehicle
SIZE_STEP_M = 0.2
NEVER = -np.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Objects:
    """One message of a radar's own tracks, columns (k,): x along its boresight, y left; ground speed."""

    sensor: str
    number: int
    stamp_s: float
    arrival_s: float
    id: I64
    x_m: F64
    y_m: F64
    vx_mps: F64
    vy_mps: F64
    length_m: F64
    width_m: F64
    row: I64  # who it was, -1: nobody (not recorded)


class ObjectRadar:
    """A radar with a tracker of its own behind the same antenna; it knows which detection is whose."""

    def __init__(self, motion: Motion, pole: Pole, seed: int) -> None:
        self._radar, self._fleet, self._pole = Radar(motion, pole, seed), motion.fleet, pole
        self._plan: RadarPlan = motion.road.scenario.radar
        self._rng = self._radar.rng
        n = len(motion.fleet)
        self._state, self._cov = np.zeros((n, 4)), np.zeros((n, 4, 4))  # x, y, vx, vy: a Kalman filter
        self._hits, self._id = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        self._seen_s, self._of_s = np.full(n, NEVER), np.full(n, NEVER)
        self._share = self._rng.uniform(*SIZE_SHARE, n)
        self._next_id = 0
        self._ghosts: list[tuple[float, int, F64]] = []  # until when, its id, its state

    def scans(self) -> Iterator[Objects]:
        last_s = 0.0
        for scan in self._radar.scans():
            self._predict(scan.stamp_s)
            self._correct(scan)
            self._haunt(scan.stamp_s, scan.stamp_s - last_s)
            last_s = scan.stamp_s
            yield self._objects(scan)

    def _predict(self, t_s: float) -> None:
        """Move all to t_s; end those that were missed for too long."""
        self._hits[(self._hits > 0) & (t_s - self._seen_s > COASTS_S)] = 0
        live = np.flatnonzero(self._hits > 0)
        dt = t_s - self._of_s[live]
        move = np.tile(np.eye(4), (len(live), 1, 1))
        move[:, 0, 2] = move[:, 1, 3] = dt
        noise = np.zeros_like(move)
        for a in (0, 1):
            noise[:, a, a], noise[:, a + 2, a + 2] = JERKY * dt**3 / 3.0, JERKY * dt
            noise[:, a, a + 2] = noise[:, a + 2, a] = JERKY * dt**2 / 2.0
        self._state[live] = np.einsum("kij,kj->ki", move, self._state[live])
        self._cov[live] = move @ self._cov[live] @ move.transpose(0, 2, 1) + noise
        self._of_s[live] = t_s

    def _correct(self, scan: Scan) -> None:
        flat = np.sqrt(np.maximum(scan.range_m**2 - self._drop_m**2, 0.0))
        k = np.flatnonzero((scan.row >= 0) & (flat > NEAREST_M))
        rows, flat = scan.row[k], flat[k]
        cos, sin = np.cos(scan.azimuth_rad[k]), np.sin(scan.azimuth_rad[k])
        rate = scan.range_rate_mps[k] * scan.range_m[k] / flat
        measured = np.stack([flat * cos, flat * sin, rate], axis=1)
        new = np.flatnonzero(self._hits[rows] == 0)
        first = rows[new]
        self._state[first] = 0.0
        self._state[first, :2] = measured[new, :2]
        self._cov[first] = np.diag([1e2, 1e2, BIRTH_MPS**2, BIRTH_MPS**2])
        self._id[first] = [self._new_id() for _ in first]
        model = np.zeros((len(k), 3, 4))
        model[:, 0, 0] = model[:, 1, 1] = 1.0
        model[:, 2, 2], model[:, 2, 3] = cos, sin
        along = self._plan.sigma_range_m**2
        across = (flat * np.radians(self._plan.sigma_azimuth_deg)) ** 2
        noise = np.zeros((len(k), 3, 3))
        noise[:, 0, 0], noise[:, 1, 1] = cos**2 * along + sin**2 * across, sin**2 * along + cos**2 * across
        noise[:, 0, 1] = noise[:, 1, 0] = cos * sin * (along - across)
        noise[:, 2, 2] = self._plan.sigma_rate_mps**2
        cov = self._cov[rows]
        crossed = cov @ model.transpose(0, 2, 1)
        gain = crossed @ np.linalg.inv(model @ crossed + noise)
        off = measured - np.einsum("kij,kj->ki", model, self._state[rows])
        self._state[rows] += np.einsum("kij,kj->ki", gain, off)
        left = np.eye(4) - gain @ model  # Joseph's form: it stays a covariance
        self._cov[rows] = left @ cov @ left.transpose(0, 2, 1) + gain @ noise @ gain.transpose(0, 2, 1)
        self._hits[rows] += 1
        self._seen_s[rows] = self._of_s[rows] = scan.stamp_s

    @property
    def _drop_m(self) -> float:
        return self._plan.height_m - 1.0

    def _haunt(self, t_s: float, dt_s: float) -> None:
        """Move the false objects; begin and end some."""
        self._ghosts = [
            (until, key, _moved(state, dt_s)) for until, key, state in self._ghosts if until > t_s
        ]
        if self._rng.random() < GHOSTS_PER_S * dt_s:
            azimuth = self._rng.uniform(-0.5, 0.5) * np.radians(self._plan.fov_deg)
            flat = self._plan.range_m * np.sqrt(self._rng.random())
            v = self._rng.uniform(-CLUTTER_MPS_MAX, CLUTTER_MPS_MAX)
            along = np.array([np.cos(azimuth), np.sin(azimuth)])
            until_s = t_s + self._rng.uniform(*GHOST_LIVES_S)
            self._ghosts.append((until_s, self._new_id(), np.concatenate([flat * along, v * along])))

    def _new_id(self) -> int:
        """Return the next id that none of its present objects has."""
        used = {*self._id[self._hits > 0].tolist(), *(key for _, key, _ in self._ghosts)}
        key = next(key for k in range(N_IDS) if (key := (self._next_id + k) % N_IDS) not in used)
        self._next_id = key + 1
        return key

    def _objects(self, scan: Scan) -> Objects:
        rows = np.flatnonzero(self._hits >= HITS)
        n = len(self._ghosts)
        state = np.concatenate([self._state[rows], np.array([one[2] for one in self._ghosts]).reshape(n, 4)])
        length = np.round(self._share[rows] * self._fleet.length_m[rows] / SIZE_STEP_M) * SIZE_STEP_M
        width = np.round(self._fleet.width_m[rows] / SIZE_STEP_M) * SIZE_STEP_M
        small = np.full(n, 1.0)
        order = self._rng.permutation(len(state))
        ids = np.concatenate([self._id[rows], np.array([one[1] for one in self._ghosts], dtype=np.int64)])
        return Objects(
            sensor=scan.sensor, number=scan.number, stamp_s=scan.stamp_s, arrival_s=scan.arrival_s,
            id=ids[order], x_m=state[order, 0], y_m=state[order, 1], vx_mps=state[order, 2],
            vy_mps=state[order, 3], length_m=np.concatenate([length, small])[order],
            width_m=np.concatenate([width, small])[order],
            row=np.concatenate([rows, np.full(n, -1)])[order],
        )  # fmt: skip


def _moved(state: F64, dt_s: float) -> F64:
    return np.concatenate([state[:2] + dt_s * state[2:], state[2:]])
