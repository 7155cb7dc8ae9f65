"""What `p_violation` says against the truth, on recordings of the foreign generator through the pipelines.

Each judged sample of a named truck in the dedicated lane has a probability of being outside. Where nearly
all say 0 or 1, an error of calibration says little: it is taken where 0.02 < p < 0.98, and for each class of
sigma.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.lane_departure.lines import show
from core.arrays import F64
from geofence.evidence import Evidence
from geofence.state import R_P_OUT
from petroroad.replay.run import pace_of, replay_file
from tests.support.foreign.generate import T0_NS, Run, generate
from tests.support.foreign.motion import on_road, over_line_m
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record

SEED, QUICK_S, SETTLED_S = 31, 25.0, 4.0
SCENES = ("departures", "handover", "platoon")
SURE = 0.02
BINS = 10
SIGMA_CLASSES_M = (0.0, 0.1, 0.2, 0.35, np.inf)
# columns of a sample: what is said, its sigma, the truth
SAID, SIGMA, TRUE = range(3)


@contextmanager
def watched(run: Run, rows: list[tuple[float, float, float]]) -> Iterator[None]:
    """Collect the samples of all monitors that judge within the block."""
    whole, motion = Evidence.observe, run.motion
    row_of = {motion.fleet.terminal(i): i for i in range(len(motion.fleet))}

    def observe(self: Evidence, tracks: Any, located: Any, owned: Any, around: Any) -> Any:
        found = whole(self, tracks, located, owned, around)
        column = self._state.measured["lane_departure"]
        for i in self.values.found.mine[: found.mine].tolist():
            sigma, p_out = self.values.sigma[i, column], self.values.found.columns[i, R_P_OUT]
            w, t_s = int(tracks.terminal[i]), (int(tracks.stamp_ns[i]) - T0_NS) * 1e-9
            true_row = row_of.get(located.terminal_ids[w]) if w >= 0 else None
            if true_row is None or np.isnan(p_out) or located.undecidable[i] or t_s < SETTLED_S:
                continue
            moment = motion.at([true_row], t_s)
            if on_road(motion, moment)[0]:
                rows.append((p_out, sigma, float(over_line_m(motion, moment)[0] > 0.0)))
        return found

    with patch.object(Evidence, "observe", observe):
        yield


def samples_of(scene: str, seconds: float | None) -> F64:
    """Return the samples (n, 3) of one recording; seconds : of traffic, None: all."""
    plan = SCENARIOS[scene]
    run = generate(plan if seconds is None else replace(plan, duration_s=seconds), SEED)
    rows: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="petroroad-calibration-") as folder, watched(run, rows):
        path = Path(folder) / "inputs.mcap"
        record(run, path)
        replay_file(path, None, pace_of("max"), None)
    return np.array(rows).reshape(-1, 3)


def calibration_error(samples: F64) -> tuple[float, int]:
    """Return the mean gap between what is said and what is true over bins of equal width, and the count."""
    said = samples[:, SAID]
    unsure = samples[(said > SURE) & (said < 1.0 - SURE)]
    if not len(unsure):
        return np.nan, 0
    at = np.minimum((unsure[:, SAID] * BINS).astype(int), BINS - 1)
    gaps = [
        abs(unsure[at == b, SAID].mean() - unsure[at == b, TRUE].mean()) * (at == b).sum()
        for b in range(BINS)
        if (at == b).any()
    ]
    return float(sum(gaps) / len(unsure)), len(unsure)


def lines(quick: bool) -> None:
    """Print the error over all samples, for each class of sigma, and the Brier score."""
    scenes = SCENES[:1] if quick else SCENES
    samples = np.concatenate([samples_of(scene, QUICK_S if quick else None) for scene in scenes])
    error, count = calibration_error(samples)
    show("ece", error, "", n=float(count))
    for low, high in pairwise(SIGMA_CLASSES_M):
        part = samples[(samples[:, SIGMA] >= low) & (samples[:, SIGMA] < high)]
        error, count = calibration_error(part)
        show(f"ece.sigma_from_{low * 100:02.0f}cm", error, "", n=float(count))
    said, true = samples[:, SAID], samples[:, TRUE]
    unsure = (said > SURE) & (said < 1.0 - SURE)
    show(
        "brier", float(np.mean((said - true) ** 2)), "", n=float(len(samples)),
        unsure=float(np.mean((said - true)[unsure] ** 2)) if unsure.any() else None,
    )  # fmt: skip
