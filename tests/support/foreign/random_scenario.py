"""Scenarios that nobody chose: road, traffic, receivers, radars and bodies are drawn from a seed.

`random_liars` adds who lies or is silent: ghosts, dragged, frozen, replayed and overconfident terminals,
wrong clocks, jams; and vehicles that vanish, stretches that no radar sees, radars that send their own tracks.

Their ranges are what a site may have, not what suits the product: receivers whose errors are white or last a
minute, and of which they state the half; stop and go; radars of 10 to 20 Hz whose poses are off; bodies that
reflect at their ends or anywhere. Each draw is of all at once, so that most scenarios are mean in some way.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.support.foreign.chance import random_of
from tests.support.foreign.jams import Jam
from tests.support.foreign.scenario import BodyPlan, GnssPlan, RadarPlan, RoadPlan, Scenario, TrafficPlan

DURATION_S = 75.0


def _pick(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))


def random_scenario(seed: int) -> Scenario:
    """Return the scenario of a seed, named `random`; its traffic is drawn by the same seed elsewhere."""
    rng = random_of(seed, "scenario")
    return Scenario(
        name="random",
        duration_s=DURATION_S,
        road=_road(rng),
        traffic=_traffic(rng),
        gnss=_receivers(rng),
        radar=_radars(rng),
        bodies=_bodies(rng),
    )


def random_liars(seed: int) -> Scenario:
    """Return the scenario of a seed with sources that err or lie, named `liars`."""
    plan, rng = random_scenario(seed), random_of(seed, "liars")
    kinds = ("drag", "slow", "frozen", "overconfident", "clock", "replay")
    from_m, from_s = _between(rng, 150.0, 600.0), _between(rng, 15.0, 45.0)
    jam = Jam(
        from_m=from_m, to_m=from_m + _between(rng, 200.0, 500.0), from_s=from_s,
        until_s=from_s + _between(rng, 10.0, 20.0), kind=_pick(rng, "lost", "noise"),
    )  # fmt: skip
    traffic = replace(
        plan.traffic,
        silent_share=_pick(rng, 0.0, 0.0, 0.08, 0.15),
        n_ghosts=_pick(rng, 0, 0, 2, 4),
        ghosts_behind_m=_pick(rng, None, None, 16.0, 25.0),
        dragged_share=_pick(rng, 0.0, 0.0, 0.1),
        drag_mps=_between(rng, 0.2, 0.6),
        vanish_share=_pick(rng, 0.0, 0.0, 0.1),
        n_halts=_pick(rng, 0, 0, 2, 3),
        exits_share=_pick(rng, 0.0, 0.2, 0.4),
    )
    return replace(
        plan,
        name="liars",
        duration_s=90.0,
        traffic=traffic,
        road=replace(plan.road, blind_m=_pick(rng, None, None, (500.0, 800.0))),
        gnss=replace(plan.gnss, holds_share=_pick(rng, 0.0, 0.5), offset_sigma_m=_pick(rng, 0.03, 0.1)),
        radar=replace(plan.radar, sends_objects=rng.random() < 0.2),
        faults=tuple((kind, int(rng.integers(1, 4))) for kind in kinds if rng.random() < 0.35),
        jams=(jam,) if rng.random() < 0.3 else (),
    )


def _road(rng: np.random.Generator) -> RoadPlan:
    return RoadPlan(
        length_m=_between(rng, 1000.0, 2000.0),
        bend_radius_m=_pick(rng, 220.0, 420.0, 700.0, 1500.0),
        n_rsus=_pick(rng, 1, 1, 2, 3),
        borders_between_poles=True,
        ramp=rng.random() < 0.6,
        overpass=rng.random() < 0.5,
    )


def _traffic(rng: np.random.Generator) -> TrafficPlan:
    is_dense = rng.random() < 0.4
    return TrafficPlan(
        truck_gap_m=_between(rng, 8.0, 20.0) if is_dense else _between(rng, 30.0, 70.0),
        other_gap_m=_between(rng, 14.0, 30.0) if is_dense else _between(rng, 35.0, 80.0),
        truck_mps=_between(rng, 11.0, 22.0),
        other_mps=_between(rng, 13.0, 28.0),
        wave_mps=_pick(rng, 0.0, 0.0, 2.5, 4.0),
        n_departures=_pick(rng, 6, 10, 14),
        departure_left_share=_pick(rng, 0.0, 0.3, 0.5),
        silent_share=_pick(rng, 0.0, 0.0, 0.1),
        reporting_others_share=_pick(rng, 0.0, 0.15, 0.4),
        n_halts=_pick(rng, 0, 0, 2),
    )


def _receivers(rng: np.random.Generator) -> GnssPlan:
    return GnssPlan(
        sigma_m=_between(rng, 0.2, 1.6),
        told_share=_pick(rng, 1.0, 1.0, 0.7, 0.5),
        constant_share=_between(rng, 0.0, 0.5),
        white_share=_between(rng, 0.05, 0.4),
        tau_s=_pick(rng, 4.0, 10.0, 25.0, 60.0),
        rate_hz=_pick(rng, (1.0, 1.0), (1.0, 5.0), (5.0, 10.0), (2.0, 2.0)),
        outlier_p=_pick(rng, 0.001, 0.003, 0.01),
        speed_sigma_mps=_between(rng, 0.05, 0.3),
        late_share=_pick(rng, 0.01, 0.05, 0.15),
        late_s=_pick(rng, (0.3, 1.0), (0.5, 3.0)),
    )


def _radars(rng: np.random.Generator) -> RadarPlan:
    return RadarPlan(
        pole_m=_between(rng, 250.0, 480.0),
        range_m=_between(rng, 180.0, 300.0),
        fov_deg=_between(rng, 90.0, 125.0),
        height_m=_between(rng, 4.5, 9.0),
        rate_hz=_pick(rng, 10.0, 13.0, 20.0),
        sigma_range_m=_between(rng, 0.12, 0.4),
        sigma_azimuth_deg=_between(rng, 0.1, 0.35),
        sigma_rate_mps=_between(rng, 0.05, 0.2),
        wander_share=_pick(rng, 0.02, 0.05, 0.15),
        wander_tau_s=_between(rng, 0.5, 3.0),
        detection_p=_between(rng, 0.8, 0.98),
        hidden_p=_between(rng, 0.05, 0.4),
        clutter_per_m2=10.0 ** _between(rng, -5.5, -3.7),
        pose_sigma_m=_pick(rng, 0.0, 0.05, 0.1, 0.2),
        pose_sigma_deg=_pick(rng, 0.0, 0.03, 0.08, 0.15),
    )


def _bodies(rng: np.random.Generator) -> BodyPlan | None:
    if rng.random() < 0.25:
        return None
    return BodyPlan(
        skew_share=_between(rng, 0.03, 0.12),
        width_share=_pick(rng, 0.03, 0.06, 0.1, 0.15, 0.2),
        tau_s=_pick(rng, 0.05, 0.1, 0.3, 0.8),
        glints=rng.random() < 0.25,
    )
