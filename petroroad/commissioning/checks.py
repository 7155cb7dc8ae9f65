"""What a recording shows of one radar beside its pose: reach, detections, clutter, time; and the verdicts."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.arrays import F64
from fusion.config import RadarPose
from petroroad.commissioning.fit import N
from petroroad.commissioning.pairs import paired, predicted
from petroroad.commissioning.passes import Detections, Passes
from petroroad.commissioning.registration import GATES_M, NAMES, Registration, registered
from petroroad.commissioning.stay import Stay, stay_of

BAND_M = 25.0  # of distance, for the detection probability
BAND_PLACES_MIN = 50  # of vehicles in a band; fewer tell nothing
FOUND_M = 4.0  # a detection so near a vehicle's place is one of it
# Of all places in the field, of which some are hidden or on a bridge; of the farthest band reached
P_DETECT_MIN, P_REACH = 0.3, 0.5
VEHICLES_MIN = 20  # that passed
# The survey is accepted where an error is surely below these, and rejected where surely above. Across the
# beam: what is left of a lane beside a truck (0.6 m). Along it a metre moves nobody into another lane
LIMITS = {"across, near": 0.6, "across, far": 0.6, "along": 1.5, "time": 0.05}
NEAR_M, FAR_SHARE = 30.0, 0.6  # distances of the two; where it reaches less, detections are few
SURE_SIGMAS = 2.0
# 1 sigma of what the model leaves out, beside that of the fit: satellites' errors that all receivers share
# (0.1 m), bends, shadows; along the beam also bodies that reflect unlike the others
MODEL_SIGMA = {"across, near": 0.1, "across, far": 0.1, "along": 0.2, "time": 0.01}
# what other lines of the site file put right; a wrong time is the radar's own
IN_SITE_FILE = ("survey: across, near", "survey: across, far", "survey: along")
ALIKE = 0.7  # correlation of two errors from which on traffic shows little but their sum
ONE_WAY_SHARE = 0.05  # of the detections that are of vehicles which go the other way
LENGTHS_M_MIN = 1.0  # 1 sigma of the vehicles' lengths; the reflecting share is a slope over them
GAP_PERIODS = 1.5
JITTER_SHARE_MAX, LOST_SHARE_MAX, LATENCY_S_MAX = 0.2, 0.02, 0.2
TURNS = ((0.0, False), (math.pi, False), (0.0, True), (math.pi, True))  # of a radar: by; mirrored
TURN_NAMES = ("as surveyed", "turned round", "mirrored", "turned round and mirrored")
BETTER = 1.5  # a turned radar finds so many times the pairs

ACCEPTED, REJECTED, UNDECIDED = "accepted", "rejected", "undecided"


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion: its name, verdict, and the figures in a sentence."""

    name: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A band of distance from the radar: places of vehicles in its field, and those with a detection."""

    from_m: float
    n_places: int
    n_found: int

    @property
    def p_detect(self) -> float | None:
        """Share of the places with a detection; None: too few."""
        return self.n_found / self.n_places if self.n_places >= BAND_PLACES_MIN else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commissioning:
    """All that is known of one radar after its trial."""

    pose: RadarPose
    registration: Registration
    bands: Sequence[Band]
    checks: Sequence[Check]
    stay: Stay | None  # how the reflecting points wander; None: it can't be measured

    @property
    def verdict(self) -> str:
        """Rejected where any check is; accepted where all are."""
        verdicts = [check.verdict for check in self.checks]
        return next((one for one in (REJECTED, UNDECIDED) if one in verdicts), ACCEPTED)


def commissioned(passes: Passes, pose: RadarPose) -> Commissioning:
    """Hold a radar against the vehicles that passed it."""
    found = registered(passes, pose)
    bands = _bands(passes, pose, found.value)
    checks = [
        _traffic(found),
        _mounting(passes, pose),
        _doppler(passes, pose),
        *_survey(found, pose),
        _detections(bands, pose),
        _timing(passes.detections),
    ]
    stay = _stay(passes, pose, found)
    return Commissioning(pose=pose, registration=found, bands=bands, checks=checks, stay=stay)


def _stay(passes: Passes, pose: RadarPose, found: Registration) -> Stay | None:
    """Measure how long reflecting points stay, from all scans: the fit took one in half a second."""
    dets = passes.detections
    pairs = paired(passes, pose, found.value, GATES_M[-1], found.errors)
    if len(dets.stamp_s) < 3 or not len(pairs.scan):
        return None
    slant, azimuth, _ = predicted(pairs, pairs.length_m, pose, found.value)
    turned = dets.azimuth_rad[pairs.detection] - azimuth
    across_m = slant * np.arctan2(np.sin(turned), np.cos(turned))
    period_s = float(np.median(np.diff(dets.stamp_s)))
    return stay_of(pairs.vehicle, dets.stamp_s[pairs.scan] - dets.stamp_s[0], across_m, period_s)


def _traffic(found: Registration) -> Check:
    n = found.n_vehicles
    verdict = ACCEPTED if n >= VEHICLES_MIN else UNDECIDED
    return Check("traffic", verdict, f"{n} reporting vehicles were seen, {VEHICLES_MIN} are needed")


def _mounting(passes: Passes, pose: RadarPose) -> Check:
    """Look whether the vehicles fit a radar better that looks backwards, or is mirrored."""
    counts = []
    for turn, mirrored in TURNS:
        dets = passes.detections
        azimuth = -dets.azimuth_rad if mirrored else dets.azimuth_rad
        turned = replace(passes, detections=dets._replace(azimuth_rad=azimuth))
        value = np.zeros(N)
        value[2] = turn
        counts.append(len(paired(turned, pose, value, FOUND_M).scan))
    best = int(np.argmax(counts))
    text = f"{counts[0]} detections fit as surveyed"
    if best and counts[best] > BETTER * counts[0]:
        return Check("mounting", REJECTED, f"{text}, {counts[best]} if the radar is {TURN_NAMES[best]}")
    return Check("mounting", ACCEPTED if counts[0] else UNDECIDED, text)


def _doppler(passes: Passes, pose: RadarPose) -> Check:
    """Look whether range rates have the right sign: positive when receding."""
    dets = passes.detections
    # as surveyed, and without the gate on rates, which would hide a wrong sign
    blind = replace(passes, detections=dets._replace(rate_mps=np.full(len(dets.rate_mps), math.nan)))
    pairs = paired(blind, pose, np.zeros(N), FOUND_M)
    _, _, rate = predicted(pairs, pairs.length_m, pose, np.zeros(N))
    measured = dets.rate_mps[pairs.detection]
    known = np.isfinite(measured) & (np.abs(rate) > 1.0)
    if not known.any():
        return Check("range rate", ACCEPTED, "the radar gives none")
    same = float(np.mean(np.sign(measured[known]) == np.sign(rate[known])))
    verdict = ACCEPTED if same > 0.8 else REJECTED if same < 0.2 else UNDECIDED
    return Check("range rate", verdict, f"{same:.0%} have the sign of the vehicle's (positive: receding)")


def in_units(value: F64) -> list[float]:
    """Return numbers in the order and the units of NAMES."""
    return [
        math.degrees(x) if name.endswith("_deg") else x for name, x in zip(NAMES, value.tolist(), strict=True)
    ]


def _survey(found: Registration, pose: RadarPose) -> Iterator[Check]:
    """Hold what the errors together displace against the limits: across and along the beam, and in time."""
    far_m = FAR_SHARE * pose.range_m_max
    by = {  # displacement as a sum of the errors in the order of NAMES
        "across, near": (0.0, 1.0, NEAR_M, 0.0, 0.0, 0.0),
        "across, far": (0.0, 1.0, far_m, 0.0, 0.0, 0.0),
        # a radar that stands further ahead measures shorter ranges: with ranges as much too long it is right
        "along": (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "time": (0.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    }
    for name, row in by.items():
        of = np.array(row)
        off, limit = float(of @ found.value), LIMITS[name]
        sigma = math.hypot(math.sqrt(float(of @ found.covariance @ of)), MODEL_SIGMA[name])
        good, bad = abs(off) + SURE_SIGMAS * sigma <= limit, abs(off) - SURE_SIGMAS * sigma > limit
        unit = "s" if name == "time" else "m"
        text = f"off by {off:+.3f} ± {sigma:.3f} {unit}, {limit:g} {unit} at most"
        if SURE_SIGMAS * sigma > limit and not bad:  # no error at all could be accepted
            text += _not_observable(found, of, pose)
        yield Check(f"survey: {name}", ACCEPTED if good else REJECTED if bad else UNDECIDED, text)


def _not_observable(found: Registration, of: F64, pose: RadarPose) -> str:
    """Say what this traffic can't separate the displacement `of` from, and what it lacks for that."""
    sigma = math.sqrt(float(of @ found.covariance @ of))
    alike = np.abs(found.covariance @ of) / (found.sigma * sigma)
    names = [NAMES[k].rsplit("_", 1)[0] for k in np.flatnonzero((alike > ALIKE) & (of == 0.0)).tolist()]
    said = "; not observable" + (f" apart from {' and '.join(names)}" if names else "")
    return said + "".join(f", {what}" for what in _lacking(found, pose))


def _lacking(found: Registration, pose: RadarPose) -> Iterator[str]:
    """Yield what would show time and reflection apart from the place, and is not there."""
    pairs = found.pairs
    if not len(pairs.scan):
        return
    recede = float(np.mean(predicted(pairs, pairs.length_m, pose, found.value)[2] > 0.0))
    if min(recede, 1.0 - recede) < ONE_WAY_SHARE:
        yield f"all vehicles {'recede' if recede > 0.5 else 'approach'}"
    _, first = np.unique(pairs.vehicle, return_index=True)
    if float(np.std(pairs.length_m[first])) < LENGTHS_M_MIN:
        yield "lengths are alike"


def _bands(passes: Passes, pose: RadarPose, value: F64) -> list[Band]:
    """Count per band of distance the places in the field, and those that a detection is near."""
    n_places = np.zeros(math.ceil(pose.range_m_max / BAND_M), dtype=np.int64)
    n_found = np.zeros_like(n_places)
    for terminal, places in passes.places.items():
        one = replace(passes, places={terminal: places})
        slant, azimuth, _ = predicted(places, np.zeros(len(places.scan)), pose, value)
        inside = (slant < pose.range_m_max) & (np.abs(azimuth) < pose.fov_rad / 2.0)
        seen = np.isin(places.scan, paired(one, pose, value, FOUND_M).scan)
        band = np.minimum((slant[inside] / BAND_M).astype(np.int64), len(n_places) - 1)
        np.add.at(n_places, band, 1)
        np.add.at(n_found, band[seen[inside]], 1)
    return [
        Band(from_m=k * BAND_M, n_places=int(a), n_found=int(b))
        for k, (a, b) in enumerate(zip(n_places, n_found, strict=True))
    ]


def _detections(bands: Sequence[Band], pose: RadarPose) -> Check:
    known = [band for band in bands if band.p_detect is not None]
    if not known:
        return Check("detection", UNDECIDED, "too few vehicles in its field")
    p = sum(band.n_found for band in known) / sum(band.n_places for band in known)
    reached = [band.from_m + BAND_M for band in known if (band.p_detect or 0.0) >= P_REACH]
    reach_m = min(max(reached, default=0.0), pose.range_m_max)
    text = (
        f"{p:.0%} of the places in its field have a detection; it reaches {reach_m:.0f} of "
        f"{pose.range_m_max:.0f} m"
    )
    return Check("detection", ACCEPTED if p >= P_DETECT_MIN else REJECTED, text)


def _timing(dets: Detections) -> Check:
    if len(dets.stamp_s) < 3:
        return Check("timing", UNDECIDED, f"{len(dets.stamp_s)} scans")
    steps = np.diff(dets.stamp_s)
    period = float(np.median(steps))
    lost = float(np.mean(steps > GAP_PERIODS * period))
    jitter = float(np.median(np.abs(steps - period)))
    latency = float(np.median(dets.arrived_s - dets.stamp_s))
    faults = [
        name
        for name, bad in (
            ("jitter", jitter > JITTER_SHARE_MAX * period),
            ("gaps", lost > LOST_SHARE_MAX),
            ("latency", not -0.01 <= latency <= LATENCY_S_MAX),
        )
        if bad
    ]
    text = (
        f"every {period * 1e3:.1f} ms, jitter {jitter * 1e3:.1f} ms, {lost:.1%} of the scans after a gap, "
        f"{latency * 1e3:.0f} ms old on arrival"
    )
    return Check("timing", REJECTED if faults else ACCEPTED, text + "".join(f"; bad {one}" for one in faults))
