"""Tracks against the truth: GOSPA with its split, identities, errors. Pure: frames in, figures out.

GOSPA after Rahmathullah et al. (2017), c = 5 m, p = 2, alpha = 2: per frame
sqrt(sum of squared distances of the matched + c^2 / 2 for each missed truth and each false track).
A truth that no sensor covers costs nothing when it is missed, nor does a track in the first second after its
vehicle ended; both are counted beside. docs/scoring.md defines every figure.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.arrays import F64, I64, Bools
from core.times import TICK_NS
from petroroad.scoring.bindings import Bindings
from petroroad.scoring.causes import FALSE_CAUSES, FREE, MISSED_CAUSES, Causes
from petroroad.scoring.consistency import Consistency
from petroroad.scoring.continuity import Continuity
from petroroad.scoring.frames import CUTOFF_M, SECOND_NS, TracksNow, TruthNow, matches_of
from petroroad.scoring.matching import match


@dataclass(slots=True)
class TrackScore:
    """Adds up frame by frame."""

    frames: int = 0
    causes: Causes = field(default_factory=Causes)
    bindings: Bindings = field(default_factory=Bindings)
    consistency: Consistency = field(default_factory=Consistency)
    continuity: Continuity = field(default_factory=Continuity)
    counts: Counter[str] = field(default_factory=Counter)
    gospa_m: list[float] = field(default_factory=list)
    squared_m2: float = 0.0  # of all matched distances
    lateral_m: list[float] = field(default_factory=list)
    nees: list[float] = field(default_factory=list)
    speed_mps: list[float] = field(default_factory=list)
    vehicle_s: float = 0.0  # time of vehicles under cover
    _stamp_ns: int = 0
    _last: dict[int, int] = field(default_factory=dict)  # by the truth's id: its last track
    # frames of (truth, track) within the cut-off
    _overlap: Counter[tuple[int, int]] = field(default_factory=Counter)
    _track_ids: dict[int, None] = field(default_factory=dict)

    def add(self, truth: TruthNow, tracks: TracksNow) -> None:
        """Score one instant."""
        de = tracks.east_m[None, :] - truth.east_m[:, None]
        dn = tracks.north_m[None, :] - truth.north_m[:, None]
        squared = de**2 + dn**2
        pairs = np.stack(np.nonzero(squared < CUTOFF_M**2)).astype(np.int64)
        costs = squared[pairs[0], pairs[1]]
        track_of = match(len(truth.id), len(tracks.id), pairs, costs, CUTOFF_M**2)
        hit = np.flatnonzero(track_of >= 0)
        at = track_of[hit]
        matches = matches_of(truth, track_of, de, dn)
        charged = self.causes.add(truth, tracks, matches)
        n_missed, n_false = int((truth.covered & (track_of < 0)).sum()), int(charged.sum())
        located_m2 = float(squared[hit, at].sum())
        self.frames += 1
        self.squared_m2 += located_m2
        self.gospa_m.append(math.sqrt(located_m2 + CUTOFF_M**2 / 2.0 * (n_missed + n_false)))
        self.counts["matched"] += len(hit)
        self.counts["missed"] += n_missed
        self.counts["false"] += n_false
        self.counts["missed_outside_cover"] += int((~truth.covered & (track_of < 0)).sum())
        self._time(truth.stamp_ns, int((truth.covered | (track_of >= 0)).sum()))
        self._errors(truth, tracks, hit, at, de[hit, at], dn[hit, at])
        self._names(truth, tracks, track_of, charged)
        self._identities(truth, tracks, hit, at, pairs)
        self.continuity.add(truth, tracks, pairs, costs)
        self.bindings.add(truth, tracks, matches)
        self.consistency.add(truth, tracks, hit, at)

    def _time(self, stamp_ns: int, n_vehicles: int) -> None:
        """Add the vehicles' time since the last frame: a tick for the first one, a second at most."""
        dt_ns = min(stamp_ns - self._stamp_ns, SECOND_NS) if self._stamp_ns else TICK_NS
        self._stamp_ns = stamp_ns
        self.vehicle_s += n_vehicles * dt_ns / 1e9

    def _errors(self, truth: TruthNow, tracks: TracksNow, hit: I64, at: I64, de: F64, dn: F64) -> None:
        heading = truth.heading_rad[hit]
        lateral = -de * np.sin(heading) + dn * np.cos(heading)  # left of the true course
        sigma = tracks.sigma_m[at]
        self.lateral_m += lateral.tolist()
        self.nees += ((lateral / np.where(sigma > 0.0, sigma, np.nan)) ** 2)[sigma > 0.0].tolist()
        self.speed_mps += (tracks.speed_mps[at] - truth.speed_mps[hit]).tolist()

    def _names(self, truth: TruthNow, tracks: TracksNow, track_of: I64, charged: Bools) -> None:
        """Count lanes and names: a false track's name is wrong, a missed vehicle is not named."""
        counts = self.counts
        terminals = tracks.terminal
        counts["named"] += sum(terminals[j] is not None for j in np.flatnonzero(charged).tolist())
        for i, (j, covered) in enumerate(zip(track_of.tolist(), truth.covered.tolist(), strict=True)):
            counts["nameable"] += truth.terminal[i] is not None and (j >= 0 or covered)
            if j < 0:
                continue
            if truth.lane[i] is not None:
                counts["lane"] += 1
                counts["lane_right"] += tracks.lane[j] == truth.lane[i]
            counts["named"] += terminals[j] is not None
            counts["named_right"] += terminals[j] is not None and terminals[j] == truth.terminal[i]

    def _identities(self, truth: TruthNow, tracks: TracksNow, hit: I64, at: I64, pairs: I64) -> None:
        true_ids, track_ids = truth.id.tolist(), tracks.id.tolist()
        self._track_ids.update(dict.fromkeys(track_ids))
        for i, j in pairs.T.tolist():
            self._overlap[true_ids[i], track_ids[j]] += 1
        for i, j in zip(hit.tolist(), at.tolist(), strict=True):
            before = self._last.get(true_ids[i])
            self.counts["id_switches"] += before is not None and before != track_ids[j]
            self._last[true_ids[i]] = track_ids[j]

    def idf1(self) -> float | None:
        """Return IDF1: the best one-to-one naming of whole truths by whole tracks (Ristani et al. 2016)."""
        n_truths = self.counts["matched"] + self.counts["missed"]
        n_tracks = self.counts["matched"] + self.counts["false"]
        if not n_truths + n_tracks:
            return None
        truths = {key: i for i, key in enumerate(dict.fromkeys(truth for truth, _ in self._overlap))}
        tracks = {key: j for j, key in enumerate(dict.fromkeys(track for _, track in self._overlap))}
        pairs = np.array([[truths[a], tracks[b]] for a, b in self._overlap], dtype=np.int64).reshape(-1, 2).T
        gain = np.array(list(self._overlap.values()), dtype=np.float64)
        chosen = match(len(truths), len(tracks), pairs, -gain, 0.0)
        together = float(gain[chosen[pairs[0]] == pairs[1]].sum())
        return 2.0 * together / (n_truths + n_tracks)

    def _per_hour(self, switches: int) -> float | None:
        return _rounded(3_600.0 * switches / self.vehicle_s) if self.vehicle_s else None

    def figures(self) -> dict[str, Any]:
        """Return every figure; None where there was nothing to measure."""
        n, counts = max(self.frames, 1), self.counts
        split = {
            "localisation": self.squared_m2 / n,
            "missed": CUTOFF_M**2 / 2.0 * counts["missed"] / n,
            "false": CUTOFF_M**2 / 2.0 * counts["false"] / n,
        }
        return {
            "frames": self.frames,
            "gospa_m": _mean(self.gospa_m),
            "gospa_m_p50": _quantile(self.gospa_m, 0.5),
            "gospa_rms_m": _rounded(math.sqrt(sum(split.values()))),
            **{f"gospa_rms_{name}_m": _rounded(math.sqrt(part)) for name, part in split.items()},
            "truths_per_frame": _rounded((counts["matched"] + counts["missed"]) / n),
            "missed_per_frame": _rounded(counts["missed"] / n),
            **{f"missed_{name}_per_frame": _rounded(self.causes.missed[name] / n) for name in MISSED_CAUSES},
            "missed_outside_cover_per_frame": _rounded(counts["missed_outside_cover"] / n),
            "false_per_frame": _rounded(counts["false"] / n),
            **{f"false_{name}_per_frame": _rounded(self.causes.false[name] / n) for name in FALSE_CAUSES},
            "left_truth_per_frame": _rounded(self.causes.false[FREE] / n),
            "owned_twice": self.causes.owned_twice,
            "track_ids": len(self._track_ids),
            "vehicle_hours": _rounded(self.vehicle_s / 3600.0),
            "id_switches": counts["id_switches"],
            "id_switches_per_vehicle_hour": self._per_hour(counts["id_switches"]),
            "id_switches_mot": self.continuity.switches,
            "id_switches_mot_per_vehicle_hour": self._per_hour(self.continuity.switches),
            "idf1": _rounded(self.idf1()),
            "identity_precision": _share(counts["named_right"], counts["named"]),
            "identity_recall": _share(counts["named_right"], counts["nameable"]),
            **self.bindings.figures(),
            "position_rmse_m": _root(self.squared_m2, counts["matched"]),
            "lateral_rmse_m": _root(float(np.square(self.lateral_m).sum()), len(self.lateral_m)),
            "lateral_m_p95": _quantile(np.abs(self.lateral_m).tolist(), 0.95),
            "lateral_bias_m": _mean(self.lateral_m),
            "anees_lateral": _mean(self.nees),  # 1 where sigma equals the error
            "speed_rmse_mps": _root(float(np.square(self.speed_mps).sum()), len(self.speed_mps)),
            "lane_accuracy": _share(counts["lane_right"], counts["lane"]),
            "nees": self.consistency.figures(),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(float(np.mean(values))) if values else None


def _quantile(values: Sequence[float], share: float) -> float | None:
    return _rounded(float(np.quantile(values, share))) if values else None


def _root(squared: float, n: int) -> float | None:
    return _rounded(math.sqrt(squared / n)) if n else None


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None
