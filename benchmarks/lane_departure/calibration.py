"""What `p_violation` says against the truth, on recordings of the foreign generator through the pipelines.

Each judged sample of a named truck in the dedicated lane has a probability of being outside. Where nearly
all say 0 or 1, an error of calibration says little: it is taken where 0.02 < p < 0.98, and for each class of
sigma.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from benchmarks.lane_departure.lines import show
from core.arrays import F64
from fusion.tracks import TrackBatch
from geofence.evidence import Evidence
from geofence.located import Located
from geofence.observing import Found
from geofence.rules import MEASURED
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


class Judgements(NamedTuple):
    """What one observation's judging gave its owned tracks."""

    tracks: TrackBatch
    located: Located
    mine: list[int]  # places of the judged tracks
    sigma: F64  # (n,) of the departure
    p_out: F64  # (n,) probability of being outside, NaN: not judged


@contextmanager
def heard(take: Callable[[Judgements], None]) -> Iterator[None]:
    """Hand over what all monitors judge within the block, on both ways in which they do."""
    observe, at_once = Evidence.observe, Evidence.locate_and_observe

    def give(evidence: Evidence, tracks: TrackBatch, located: Located, found: Found) -> None:
        values, column = evidence.values, MEASURED.index("lane_departure")
        mine = values.found.mine[: found.mine].tolist()
        p_out = values.found.columns[:, R_P_OUT]
        take(Judgements(tracks, located, mine, values.sigma[:, column], p_out))

    def observed(self: Evidence, tracks: Any, located: Any, owned: Any, around: Any) -> Found:
        found = observe(self, tracks, located, owned, around)
        give(self, tracks, located, found)
        return found

    def observed_at_once(self: Evidence, tracks: Any, to_locate: Any, owned: Any, around: Any) -> Found:
        found = at_once(self, tracks, to_locate, owned, around)
        give(self, tracks, to_locate.located, found)
        return found

    with patch.multiple(Evidence, observe=observed, locate_and_observe=observed_at_once):
        yield


def taker(run: Run, rows: list[tuple[float, float, float]]) -> Callable[[Judgements], None]:
    """Return what adds a sample to rows for each judgement of a named truck of the run."""
    motion = run.motion
    row_of = {motion.fleet.terminal(i): i for i in range(len(motion.fleet))}

    def take(judged: Judgements) -> None:
        tracks, located = judged.tracks, judged.located
        for i in judged.mine:
            w, t_s = int(tracks.terminal[i]), (int(tracks.stamp_ns[i]) - T0_NS) * 1e-9
            true_row = row_of.get(located.terminal_ids[w]) if w >= 0 else None
            if true_row is None or np.isnan(judged.p_out[i]) or located.undecidable[i] or t_s < SETTLED_S:
                continue
            moment = motion.at([true_row], t_s)
            if on_road(motion, moment)[0]:
                is_out = float(over_line_m(motion, moment)[0] > 0.0)
                rows.append((float(judged.p_out[i]), float(judged.sigma[i]), is_out))

    return take


def samples_of(scene: str, seconds: float | None) -> F64:
    """Return the samples (n, 3) of one recording; seconds : of traffic, None: all."""
    plan = SCENARIOS[scene]
    run = generate(plan if seconds is None else replace(plan, duration_s=seconds), SEED)
    rows: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory(prefix="petroroad-calibration-") as folder, heard(taker(run, rows)):
        path = Path(folder) / "inputs.mcap"
        record(run, path)
        replay_file(path, None, pace_of("max"), None)
    if not rows:
        raise RuntimeError(f"{scene}: nothing that was judged is counted")
    return np.array(rows)


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
