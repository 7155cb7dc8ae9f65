"""What radars measure: white and wandering errors, misses, shadows, clutter; from centres or from bodies."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tests.support.foreign.chance import random_of
from tests.support.foreign.fleet import I64, Flags
from tests.support.foreign.geometry import F64
from tests.support.foreign.motion import Moment, Motion
from tests.support.foreign.road import Pole
from tests.support.foreign.scenario import RadarPlan
from tests.support.foreign.shadows import TARGET_M, hidden

DELAY_S = (0.02, 0.05)
CORNERS = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) / 2.0  # forward, left
BROADSIDE = 0.3  # cosine of the aspect below which the near end moves to the middle
CLUTTER_MPS_MAX = 25.0
# Scatterers over a face of width w interfere anew once the aspect has turned by wavelength / (2 w), of 77 GHz
GLINT_M = 0.0039 / 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One scan: columns (k,); `row` is who it was, -1 for clutter (not recorded)."""

    sensor: str
    number: int
    stamp_s: float
    arrival_s: float
    range_m: F64
    azimuth_rad: F64
    range_rate_mps: F64
    rcs_dbsm: F64
    row: I64


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What could be seen at one instant, without noise; columns (k,)."""

    row: I64
    range_m: F64
    azimuth_rad: F64
    range_rate_mps: F64
    hidden: Flags


class Radar:
    """One radar's run; its true place differs from the site's by a constant error."""

    def __init__(self, motion: Motion, pole: Pole, seed: int) -> None:
        self._motion, self._pole = motion, pole
        self.rng = random_of(seed, f"radar.{pole.sensor}")
        plan = motion.road.scenario.radar
        off = self.rng.normal(size=3)
        self.east_m = pole.east_m + plan.pose_sigma_m * off[0]
        self.north_m = pole.north_m + plan.pose_sigma_m * off[1]
        self.boresight_rad = pole.boresight_rad + np.radians(plan.pose_sigma_deg) * off[2]
        n = len(motion.fleet)
        self._wander = self.rng.normal(size=(n, 3))  # of range, azimuth, rate; sigma 1
        self._spot = self.rng.normal(size=(n, 2))  # along and across the body; sigma 1
        self._aspect_rad, self._glint = np.full(n, np.nan), random_of(seed, f"glint.{pole.sensor}")

    def scans(self) -> Iterator[Scan]:
        scenario = self._motion.road.scenario
        period = 1.0 / scenario.radar.rate_hz
        phase = self.rng.uniform(0.0, period)
        near, second = np.zeros(0, dtype=np.int64), -1
        for number in range(round(scenario.duration_s / period)):
            t = phase + number * period
            if t >= scenario.duration_s:
                return
            if int(t) != second:
                second = int(t)
                near = self._near(second)
            yield self._scan(number, t, near, period)

    def _near(self, second: int) -> I64:
        """Return the vehicles that may be in the field within this second."""
        motion = self._motion
        rows = np.flatnonzero((motion.from_s < second + 1.0) & (motion.until_s > second))
        moment = motion.at(rows, second + 0.5)
        away = np.hypot(moment.east_m - self.east_m, moment.north_m - self.north_m)
        return np.asarray(rows[away < motion.road.scenario.radar.range_m + 60.0])

    def _scan(self, number: int, t: float, near: I64, period: float) -> Scan:
        plan, rng = self._motion.road.scenario.radar, self.rng
        self._step(period)
        if self._motion.road.scenario.bodies is not None and self._motion.road.scenario.bodies.glints:
            self._turn(t, near)
        seen = self.see(t, near)
        detected = rng.random(len(seen.row)) < plan.detection_p * np.where(seen.hidden, plan.hidden_p, 1.0)
        sigma = np.array([plan.sigma_range_m, np.radians(plan.sigma_azimuth_deg), plan.sigma_rate_mps])
        slow = np.sqrt(plan.wander_share) * self._wander[seen.row]
        noise = (slow + np.sqrt(1.0 - plan.wander_share) * rng.normal(size=(len(seen.row), 3))) * sigma
        clutter = self._clutter(plan)
        is_truck = self._motion.fleet.is_truck[seen.row]
        rcs = np.where(is_truck, 21.0, 10.0) + 2.5 * rng.normal(size=len(seen.row))
        columns = [
            (seen.range_m + noise[:, 0], clutter[0]),
            (seen.azimuth_rad + noise[:, 1], clutter[1]),
            (seen.range_rate_mps + noise[:, 2], clutter[2]),
            (rcs, 3.0 + 4.0 * rng.normal(size=clutter.shape[1])),
            (seen.row, np.full(clutter.shape[1], -1)),
        ]
        made = [np.concatenate([of[detected], false]) for of, false in columns]
        order = rng.permutation(len(made[0]))
        distance, azimuth, rate, rcs, row = (column[order] for column in made)
        return Scan(
            sensor=self._pole.sensor,
            number=number,
            stamp_s=t,
            arrival_s=t + rng.uniform(*DELAY_S),
            range_m=np.maximum(distance, 0.5),
            azimuth_rad=azimuth,
            range_rate_mps=rate,
            rcs_dbsm=rcs,
            row=row,
        )

    def _step(self, period: float) -> None:
        scenario, rng = self._motion.road.scenario, self.rng
        keep = np.exp(-period / scenario.radar.wander_tau_s)
        self._wander = keep * self._wander + np.sqrt(1 - keep**2) * rng.normal(size=self._wander.shape)
        if scenario.bodies is not None:
            keep = np.exp(-period / scenario.bodies.tau_s)
            spot = keep * self._spot + np.sqrt(1 - keep**2) * rng.normal(size=self._spot.shape)
            spot[:, 1] = self._spot[:, 1] if scenario.bodies.glints else spot[:, 1]
            self._spot = spot

    def see(self, t_s: float, rows: I64) -> Seen:
        """Return what of the vehicles `rows` is in the field, exactly."""
        motion = self._motion
        plan, fleet = motion.road.scenario.radar, motion.fleet
        moment = motion.at(rows[(motion.from_s[rows] <= t_s) & (t_s < motion.until_s[rows])], t_s)
        point = self._reflection(moment)
        flat = np.hypot(point[:, 0], point[:, 1])
        drop = plan.height_m - TARGET_M
        slant = np.hypot(flat, drop)
        azimuth = np.arctan2(point[:, 1], point[:, 0]) - self.boresight_rad
        azimuth = np.arctan2(np.sin(azimuth), np.cos(azimuth))
        rate = (point[:, 0] * point[:, 2] + point[:, 1] * point[:, 3]) / slant
        levels = np.array([line.level for line in motion.road.lanes])
        on_ground = levels[moment.lane] == 0  # the deck above hides what is on it
        hides = on_ground & fleet.is_truck[moment.row]
        behind = hidden(point[:, :2], self._corners(moment), hides, plan.height_m)
        inside = np.abs(azimuth) <= np.radians(plan.fov_deg) / 2
        k = np.flatnonzero(inside & (flat <= plan.range_m) & on_ground)
        return Seen(
            row=moment.row[k],
            range_m=slant[k],
            azimuth_rad=azimuth[k],
            range_rate_mps=rate[k],
            hidden=behind[k],
        )

    def _reflection(self, moment: Moment) -> F64:
        """Return place relative to the radar and velocity of the reflecting points, (k, 4)."""
        e, n = moment.east_m - self.east_m, moment.north_m - self.north_m
        bodies = self._motion.road.scenario.bodies
        if bodies is None:
            return np.stack([e, n, moment.v_east_mps, moment.v_north_mps], axis=1)
        fleet, spot = self._motion.fleet, self._spot[moment.row]
        cos, sin = np.cos(moment.heading_rad), np.sin(moment.heading_rad)
        towards = -(e * cos + n * sin) / np.maximum(np.hypot(e, n), 1.0)  # 1: it comes straight at the radar
        end = np.clip(towards / BROADSIDE, -1.0, 1.0)
        inwards = np.minimum(bodies.skew_share * np.abs(spot[:, 0]), 0.5)
        ahead = end * (0.5 - inwards) * fleet.length_m[moment.row]
        left = bodies.width_share * np.clip(spot[:, 1], -2.0, 2.0) * fleet.width_m[moment.row]
        arm_e, arm_n = ahead * cos - left * sin, ahead * sin + left * cos
        v_e, v_n = moment.v_east_mps - moment.yaw_rate * arm_n, moment.v_north_mps + moment.yaw_rate * arm_e
        return np.stack([e + arm_e, n + arm_n, v_e, v_n], axis=1)

    def _turn(self, t_s: float, rows: I64) -> None:
        """Let the points across the bodies wander by as much as their aspect turned since the last scan."""
        motion = self._motion
        moment = motion.at(rows[(motion.from_s[rows] <= t_s) & (t_s < motion.until_s[rows])], t_s)
        row, width_m = moment.row, motion.fleet.width_m[moment.row]
        aspect = np.arctan2(moment.north_m - self.north_m, moment.east_m - self.east_m) - moment.heading_rad
        turned = np.abs(np.angle(np.exp(1j * (aspect - self._aspect_rad[row]))))
        keep = np.where(np.isnan(turned), 0.0, np.exp(-np.nan_to_num(turned) * width_m / GLINT_M))
        fresh = self._glint.normal(size=len(row))
        self._spot[row, 1] = keep * self._spot[row, 1] + np.sqrt(1.0 - keep**2) * fresh
        self._aspect_rad[row] = aspect

    def _corners(self, moment: Moment) -> F64:
        """Return the outlines relative to the radar, (k, 4, 2)."""
        fleet = self._motion.fleet
        cos, sin = np.cos(moment.heading_rad)[:, None], np.sin(moment.heading_rad)[:, None]
        ahead = CORNERS[None, :, 0] * fleet.length_m[moment.row, None]
        left = CORNERS[None, :, 1] * fleet.width_m[moment.row, None]
        east = (moment.east_m - self.east_m)[:, None] + ahead * cos - left * sin
        north = (moment.north_m - self.north_m)[:, None] + ahead * sin + left * cos
        return np.stack([east, north], axis=2)

    def _clutter(self, plan: RadarPlan) -> F64:
        """Return false detections (3, k): range, azimuth, rate; even over the field's area."""
        rng, fov = self.rng, np.radians(plan.fov_deg)
        k = rng.poisson(plan.clutter_per_m2 * fov / 2.0 * plan.range_m**2)
        flat = plan.range_m * np.sqrt(rng.random(k))
        still = rng.random(k) < 0.5
        rate = np.where(still, 0.3 * rng.normal(size=k), rng.uniform(-CLUTTER_MPS_MAX, CLUTTER_MPS_MAX, k))
        slant = np.hypot(flat, plan.height_m - TARGET_M)
        return np.stack([slant, rng.uniform(-fov / 2, fov / 2, k), rate])
