"""Self-calibration: the errors of the radars' poses, learnt from traffic, and moved to slowly where asked.

Pure: time comes from ticks, equal inputs give equal bytes. `fusion.registration_filter` does the arithmetic.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from core.arrays import F64, I64
from core.kernel import checked_once
from fusion import layout as at
from fusion.columns import Columns, columns_of, read_floats, read_ints
from fusion.config import RadarPose, SelfCalibration
from fusion.observations import ObjectScan, RadarScan
from fusion.registration_filter import (
    N_COMMON,
    N_FILTER,
    N_PASSAGE,
    N_TALLY,
    P_TERMINAL,
    PASSAGES,
    V_MISFIT,
    V_PAIRS,
    V_TRUCKS,
    Evidence,
    Passages,
    conclude,
    gather,
    sample_fixes,
    sample_pairs,
)
from fusion.registration_sight import N_ERRORS, RANGE, ROTATION, TIME, Radars, Work
from fusion.rewind import rebuild
from fusion.survey_quality import LOG_PRIOR, SCALES, weigh_scales, without_others
from fusion.track_store import TrackStore, poses_of

EVERY_NS = 1_000_000_000
NAMES = ("east_m", "north_m", "rotation_rad", "time_s", "range_m")  # in the order of the errors
# What a survey can be wrong by at most and is not a mistake of its own; beyond, nothing is put right
BOUND: F64 = np.array([2.0, 2.0, math.radians(2.0), 0.2, 2.0])
# Sigmas of a survey at the scale 1 of fusion.survey_quality, unless the site states them. The boresight is
# aimed at a surveyed reflector, some 150 m down the road. Its place has the same error as the radar's, 0.5 m,
# so that their direction has sqrt(2) 0.5 m / 150 m
PRIOR: F64 = np.array([0.5, 0.5, math.sqrt(2.0) * 0.5 / 150.0, 0.05, 0.5])
SIGMA_MIN = 1e-6  # of what the site states as exact
FORGET_S = 3_600.0  # older evidence counts less: a mast that was hit is noticed within the hour
# Satellites' errors that all receivers of a place share do not average out over trucks (single frequency,
# after broadcast corrections, over minutes: 0.1 m and more)
COMMON_M = 0.1
TRUCKS_MIN = 10  # before anything is alarmed
# Quantile of a chi-square at 1e-4, as a normal deviate: one false correction in ten thousand estimates
SIGNIFICANT_Z = 3.72
STEP: F64 = np.array([0.05, 0.05, math.radians(0.05), 0.005, 0.05])  # a second: below a track's own noise
DRIFT_SIGMAS, REFERENCE_S = 5.0, 86_400.0

_sample_fixes_once, _sample_pairs_once = checked_once(sample_fixes), checked_once(sample_pairs)
_conclude_once, _gather_once = checked_once(conclude), checked_once(gather)
_weigh_scales_once, _rebuild_once = checked_once(weigh_scales), checked_once(rebuild)

Five = tuple[float, float, float, float, float]
State = Literal["learning", "fits", "corrected", "wrong", "beyond", "drifting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """One radar's errors: what must be added to the survey (clock and range: what they are off by)."""

    state: State
    estimate: Five  # NAMES
    sigma: Five
    applied: Five
    n_trucks: int
    n_pairs: int
    since_ns: int  # the tick since which it learns, through restarts; 0: it has not begun

    @property
    def is_alarm(self) -> bool:
        """Whether somebody must look at the radar."""
        return self.state in ("beyond", "drifting")  # edge.radar_errors.ALARMED


class RegistrationState(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of the self-calibration; radars by name, so that a site may gain or lose one."""

    sensors: tuple[str, ...]
    vector: Columns | None = None  # errors of all radars, one after another, and the receivers' common one
    information: Columns | None = None  # of these, row by row
    passages: Columns | None = None
    filters: Columns | None = None  # of the passages: mean, then covariance
    radars: Columns | None = None  # applied, reference, tally, whether it is corrected
    since_ns: tuple[
        int, ...
    ] = ()  # the tick since which each learns; 0, or none of an older version: unknown


VALUE = ("value",)
PASSAGE_COLUMNS = ("terminal", "radar", "first_ns", "last_ns", "n", "odd")
FILTER_COLUMNS = (
    *(f"mean_{j}" for j in range(N_FILTER)),
    *(f"cov_{j}_{k}" for j in range(N_FILTER) for k in range(N_FILTER)),
)
RADAR_COLUMNS = (
    *(f"applied_{name}" for name in NAMES), *(f"reference_{name}" for name in NAMES), "trucks", "pairs",
    "misfit", "corrected", "has_reference",
)  # fmt: skip


class Registration:
    """The pose errors of one RSU's radars."""

    def __init__(self, radars: Sequence[RadarPose], mode: SelfCalibration) -> None:
        self.mode = mode
        self.sensors = tuple(radar.sensor for radar in radars)
        m, k = len(radars), len(SCALES)
        n = N_ERRORS * m + N_COMMON
        survey = poses_of(radars)[:m]
        self.radars = Radars(survey=survey, used=survey.copy(), applied=np.zeros((m, N_ERRORS)))
        self.passages = Passages(
            ints=np.full((PASSAGES, N_PASSAGE), -1, dtype=np.int64),
            mean=np.zeros((PASSAGES, N_FILTER)),
            cov=np.zeros((PASSAGES, N_FILTER, N_FILTER)),
        )
        self._survey, self._scaled = _surveys(radars)
        self._means, self._covs = np.zeros((k + 1, n)), np.zeros((k + 1, n, n))
        self._scales: F64 = np.stack([SCALES, LOG_PRIOR, np.zeros(k)])
        self._information, self._vector = np.zeros((n, n)), np.zeros(n)
        self.evidence = Evidence(
            information=np.zeros((n, n)), vector=np.zeros(n), tally=np.zeros((m, N_TALLY)),
            mean=self._means[0], cov=self._covs[0], prior=BOUND.copy(),
        )  # fmt: skip
        self.evidence.tally[:, V_MISFIT] = 1.0
        self._work = Work(
            place=np.zeros((m, 5)), J=np.zeros((2 * m, N_ERRORS)), var=np.zeros((m, 6)),
            beam=np.zeros((m, 2)), row=np.zeros(N_FILTER), own=np.zeros(N_ERRORS),
            small=np.zeros((N_ERRORS, N_ERRORS)),
        )  # fmt: skip
        self._corrected = np.zeros(m, dtype=np.bool_)
        self._reference: F64 = np.full((m, N_ERRORS), np.nan)
        self.since_ns: I64 = np.zeros(m, dtype=np.int64)
        self._estimate()

    # ---- before the tracker

    def corrected(self, q: int, seen: RadarScan | ObjectScan) -> RadarScan | ObjectScan:
        """Return a scan of radar q with the applied errors of clock and range taken out."""
        applied = self.radars.applied
        time_s, range_m = applied.item(q, TIME), applied.item(q, RANGE)
        if time_s == 0.0 and range_m == 0.0:
            return seen
        stamp_ns = seen.stamp_ns - round(time_s * 1e9)
        if isinstance(seen, RadarScan):
            return replace(seen, stamp_ns=stamp_ns, range_m=seen.range_m - range_m)
        return replace(seen, stamp_ns=stamp_ns)  # its own tracks: ranges are not measured one by one

    # ---- each tick

    def tick(self, store: TrackStore, t_ns: int) -> None:
        """Learn from the tracks, once a second; in mode "apply" move the poses a step."""
        if self.mode == "off" or not self.sensors or t_ns % EVERY_NS:
            return
        self.since_ns[self.since_ns == 0] = t_ns
        radars = self.radars._replace(used=store.settings.radars)
        args = (store.tracks, store.rings, radars)
        _sample_fixes_once(*args, self.passages, self.evidence, t_ns, self._work)
        _sample_pairs_once(*args, self.evidence, t_ns, self._work)
        _conclude_once(self.passages, self.evidence, t_ns, math.exp(-1.0 / FORGET_S), self._work)
        self._estimate()
        self._follow_reference()
        self._state_what_is_unknown(store)
        if self.mode == "apply" and self._move():
            self.impose(store)
            for i in np.flatnonzero(store.ints[: store.tally[at.T_HIGH], at.STATUS] != at.FREE).tolist():
                _rebuild_once(store.tracks, store.rings, i, store.settings, store.scratch.vector)

    def _estimate(self) -> None:
        """Estimate the errors from all evidence."""
        _gather_once(self.passages, self.evidence, self._information, self._vector, self._work)
        _weigh_scales_once(
            self._information, self._vector, self._survey, self._scaled, self._scales, self._means, self._covs
        )

    def estimate(self) -> tuple[F64, F64]:
        """Return the errors (m, N_ERRORS) and their covariances."""
        m, e = len(self.sensors), self.evidence
        mean = e.mean[:-N_COMMON].reshape(m, N_ERRORS)
        cov = np.zeros((m, N_ERRORS, N_ERRORS))
        for q in range(m):
            own = slice(N_ERRORS * q, N_ERRORS * (q + 1))
            cov[q] = e.cov[own, own] * max(e.tally[q, V_MISFIT], 1.0)
        return mean, cov

    def _follow_reference(self) -> None:
        """Let the reference, against which a drift shows, follow the estimate over a day."""
        mean, _ = self.estimate()
        ready = self.evidence.tally[:, V_TRUCKS] >= TRUCKS_MIN
        fresh = ready & np.isnan(self._reference[:, 0])
        self._reference[fresh] = mean[fresh]
        self._reference[ready] += (mean[ready] - self._reference[ready]) / REFERENCE_S

    def _move(self) -> bool:
        """Move the applied errors a step towards significant estimates; say whether any moved.

        All radars are moved together: what two of them disagree by is known to centimetres long before it is
        known which of them is wrong. What traffic does not show is nought in the estimate.
        """
        mean, _ = self.estimate()
        n = mean.size
        weight = _wald(mean.reshape(-1), self.evidence.cov[:n, :n])
        if weight > _significant(n):
            self._corrected[:] = True
        elif weight < n:  # below its mean without any error: hysteresis
            self._corrected[:] = False
        target = np.where(self._corrected[:, None], np.clip(mean, -BOUND, BOUND), 0.0)
        applied = self.radars.applied
        away = target - applied
        moves = np.abs(away).max(axis=1, initial=0.0, where=np.abs(away) >= STEP / 2.0) > 0.0
        if not moves.any():
            return False
        applied[moves] += np.clip(away, -STEP, STEP)[moves]
        return True

    def impose(self, store: TrackStore) -> None:
        """Let the tracker use the poses with the applied errors taken out."""
        used, survey, applied = store.settings.radars, self.radars.survey, self.radars.applied
        for column, k in ((at.R_EAST, 0), (at.R_NORTH, 1), (at.R_BORESIGHT, ROTATION)):
            used[: len(survey), column] = survey[:, column] + applied[:, k]
        self._state_what_is_unknown(store)

    def _state_what_is_unknown(self, store: TrackStore) -> None:
        """Let tracks state what remains unknown of the poses; known errors that are not applied as well."""
        mean, cov = self.estimate()
        left = mean - self.radars.applied
        cov += left[:, :, None] * left[:, None, :]
        used = store.settings.radars
        for column, j, k in at.POSE_COVARIANCES:
            used[: len(mean), column] = cov[:, j, k]

    # ---- for the status

    def report(self) -> dict[str, Registered]:
        """Return each radar's errors."""
        mean, cov = self.estimate()
        sigma = np.sqrt(np.einsum("qkk->qk", cov))
        return {
            sensor: Registered(
                state=self._state(q, mean[q], cov[q]),
                estimate=_five(mean[q]),
                sigma=_five(sigma[q]),
                applied=_five(self.radars.applied[q]),
                n_trucks=int(self.evidence.tally[q, V_TRUCKS]),
                n_pairs=int(self.evidence.tally[q, V_PAIRS]),
                since_ns=int(self.since_ns[q]),
            )
            for q, sensor in enumerate(self.sensors)
        }

    def _state(self, q: int, mean: F64, cov: F64) -> State:
        if self.evidence.tally[q, V_TRUCKS] < TRUCKS_MIN:
            return "learning"
        sigma = np.sqrt(np.diag(cov))
        if ((np.abs(mean) > BOUND / 2.0) & (np.abs(mean) > 3.0 * sigma)).any():
            return "beyond"
        if (np.abs(mean - self._reference[q]) > np.maximum(BOUND / 4.0, DRIFT_SIGMAS * sigma)).any():
            return "drifting"
        if self.mode == "apply" and self._corrected[q]:
            return "corrected"
        return "wrong" if _wald(mean, cov) > _significant(N_ERRORS) else "fits"

    # ---- the whole state

    def state(self) -> RegistrationState | None:
        """Return all memory; None where there is none."""
        if self.mode == "off" or not self.sensors:
            return None
        live = np.flatnonzero(self.passages.ints[:, P_TERMINAL] >= 0)
        e, filters = (
            self.evidence,
            (self.passages.mean[live], self.passages.cov[live].reshape(-1, N_FILTER**2)),
        )
        known = ~np.isnan(self._reference[:, :1])
        about = (
            self.radars.applied, np.where(known, self._reference, 0.0), e.tally,
            self._corrected[:, None], known,
        )  # fmt: skip
        return RegistrationState(
            sensors=self.sensors,
            vector=columns_of(VALUE, e.vector.reshape(-1, 1)),
            information=columns_of(VALUE, e.information.reshape(-1, 1)),
            passages=columns_of(("row", *PASSAGE_COLUMNS), np.column_stack([live, self.passages.ints[live]])),
            filters=columns_of(FILTER_COLUMNS, np.column_stack(filters)),
            radars=columns_of(RADAR_COLUMNS, np.column_stack(about).astype(np.float64)),
            since_ns=tuple(self.since_ns.tolist()),
        )

    def restore(self, state: RegistrationState | None) -> None:
        """Continue from a state; one of other radars, or of other errors, starts fresh."""
        if state is None or state.sensors != self.sensors or self.mode == "off":
            return
        e = self.evidence
        vector, information = read_floats(state.vector, VALUE), read_floats(state.information, VALUE)
        if len(vector) != e.vector.size or len(information) != e.information.size:
            return
        e.vector[:], e.information[:] = vector[:, 0], information.reshape(e.information.shape)
        passages = read_ints(state.passages, ("row", *PASSAGE_COLUMNS))
        rows, filters = passages[:, 0], read_floats(state.filters, FILTER_COLUMNS)
        self.passages.ints[rows] = passages[:, 1:]
        self.passages.mean[rows] = filters[:, :N_FILTER]
        self.passages.cov[rows] = filters[:, N_FILTER:].reshape(-1, N_FILTER, N_FILTER)
        self._restore_radars(state, [(q, q) for q in range(len(self.sensors))])
        self._estimate()

    def continue_from(
        self, state: RegistrationState | None, same: Sequence[tuple[int, int]], kept: float
    ) -> None:
        """Continue, after a restart, with what was learnt of radars whose survey is the same.

        same : their rows in the state and here;  kept : how much of the evidence counts still.
        Passages are of tracks, which are gone, and what they showed so far with them.
        """
        if state is None or self.mode == "off":
            return
        n = N_ERRORS * len(state.sensors) + N_COMMON
        vector, information = read_floats(state.vector, VALUE), read_floats(state.information, VALUE)
        if len(vector) != n or len(information) != n * n:
            return
        theirs = _errors_of([q for q, _ in same], len(state.sensors))
        mine = _errors_of([q for _, q in same], len(self.sensors))
        prior = np.append(np.tile(BOUND, len(state.sensors)), np.zeros(N_COMMON))
        left, of_left = without_others(information.reshape(n, n), vector[:, 0], theirs, prior)
        e = self.evidence
        e.information[np.ix_(mine, mine)], e.vector[mine] = kept * left, kept * of_left
        self.passages.ints[:] = -1
        self._restore_radars(state, same)
        self._estimate()

    def _restore_radars(self, state: RegistrationState, same: Sequence[tuple[int, int]]) -> None:
        """Restore what is known of each radar by itself; same : its row in the state, and here."""
        about, at_tally = read_floats(state.radars, RADAR_COLUMNS), 2 * N_ERRORS
        for old, q in same:
            row = about[old]
            self.radars.applied[q] = row[:N_ERRORS] if self.mode == "apply" else 0.0
            self._reference[q] = row[N_ERRORS:at_tally] if row[-1] > 0.0 else np.nan
            self.evidence.tally[q] = row[at_tally : at_tally + N_TALLY]
            self._corrected[q] = row[-2] > 0.0
            self.since_ns[q] = state.since_ns[old] if old < len(state.since_ns) else 0


def _errors_of(radars: Sequence[int], m: int) -> I64:
    """Return the places of some of m radars' errors in the vector of all, and of what receivers share."""
    own = [N_ERRORS * q + k for q in radars for k in range(N_ERRORS)]
    return np.array(own + [N_ERRORS * m + k for k in range(N_COMMON)], dtype=np.int64)


def share_of_bound(one: Registered) -> float:
    """Return the largest of a radar's errors, over what a survey can be wrong by at most."""
    return float(np.max(np.abs(one.estimate) / BOUND))


def _surveys(radars: Sequence[RadarPose]) -> tuple[F64, F64]:
    """Return the errors' sigmas at scale 1 (n,), and where the scale counts (n,): the site states none."""
    sigma, scaled = [np.tile(PRIOR, len(radars))], [np.ones(N_ERRORS * len(radars))]
    for q, radar in enumerate(radars):
        for stated, columns in ((radar.sigma_place_m, (0, 1)), (radar.sigma_boresight_rad, (ROTATION,))):
            for k in columns if stated is not None else ():
                sigma[0][N_ERRORS * q + k], scaled[0][N_ERRORS * q + k] = max(stated or 0.0, SIGMA_MIN), 0.0
    return np.append(sigma[0], [COMMON_M] * N_COMMON), np.append(scaled[0], [0.0] * N_COMMON)


def _five(errors: F64) -> Five:
    east_m, north_m, rotation_rad, time_s, range_m = errors[:N_ERRORS].tolist()
    return east_m, north_m, rotation_rad, time_s, range_m


def _significant(n: int) -> float:
    """Return the quantile of a chi-square of n beyond SIGNIFICANT_Z (Wilson and Hilferty 1931)."""
    spread = 2.0 / (9.0 * n)
    return float(n * (1.0 - spread + SIGNIFICANT_Z * math.sqrt(spread)) ** 3)


def _wald(mean: F64, cov: F64) -> float:
    """Return the chi-square of the errors against none."""
    return float(mean @ np.linalg.solve(cov, mean))
