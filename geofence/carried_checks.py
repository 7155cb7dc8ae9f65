"""Checks of judgements and episodes from a neighbour or a restart: can they be true? Pure.

Damaged evidence accuses an innocent driver or blocks the judging; a damaged episode would be published.
"""

import numpy as np

from core.arrays import I64
from fusion.handover_doubt import PLACE_M_MAX
from fusion.observations import SPEED_MPS_MAX
from geofence.carry import CarriedHistory, CarriedJudgement, history_rows
from geofence.episodes import OpenEpisode
from geofence.map.frames import SiteFrame
from geofence.plausible import SITE_REACH_M, Bounds
from geofence.rules import BY_NAME, MEASURED, OWN_STAMPS
from geofence.state import R_EAST, R_NORTH, R_SPEED, RING_LENGTH, SHARED_STAMPS
from geofence.violation import ViolationVehicle

AGE_NS_MAX = 86_400_000_000_000  # a judgement carries no stamp older than a day
EPISODE_AGE_NS_MAX = 366 * AGE_NS_MAX
AHEAD_NS_MAX = 60_000_000_000  # a neighbour's clock may be so far ahead; a later stamp would stop the judging
WINDOW_MAX = 86_400.0  # seconds held; a CUSUM ends far below, at twice its level
CARRIED_VERSION_MAX = 10_000_000  # one each 5 s for a year
CARRIED_HOP_MAX = 100_000  # RSUs of a road, many times over
EPISODE_MPS_MAX, MEASURE_MAX = 1_000.0, 1e9
TEXT_MAX = 256
# As of a violation (geofence.plausible), which its next version is: beyond, it would be withheld
_RANGES = {
    "p_violation": (0.0, 1.0),
    "identity_p": (0.0, 1.0),
    "speed_mps": (0.0, SPEED_MPS_MAX),
    "limit_mps": (0.0, SPEED_MPS_MAX),
    "s_m": Bounds().s_m,
    "road_s_m": Bounds().s_m,
    "d_m": (-SITE_REACH_M, SITE_REACH_M),
    "sigma_d_m": (0.0, SITE_REACH_M),
}


def believed(judgement: CarriedJudgement, now_ns: int) -> tuple[CarriedJudgement, bool]:
    """Return the judgement and True, or, if it can't be true, a fresh one with its episodes and False."""
    try:
        _check_evidence(judgement, now_ns)
        _check_history(judgement.history, now_ns)
    except (ValueError, OverflowError):  # also the shapes of another version
        return CarriedJudgement(track=judgement.track, episodes=judgement.episodes), False
    return judgement, True


def _check_evidence(judgement: CarriedJudgement, now_ns: int) -> None:
    known = {*SHARED_STAMPS, *OWN_STAMPS}
    stamps = [stamp_ns for name, stamp_ns in judgement.stamps_ns.items() if name in known]
    for evidence in judgement.rules.values():
        seconds = np.array(
            (*evidence.cusum, *evidence.held_s, evidence.clear_s, evidence.kept_s), dtype=np.float64
        )
        if not ((seconds >= 0.0) & (seconds <= WINDOW_MAX)).all():
            raise ValueError("no observation can make this evidence")
        if not abs(evidence.last_value) <= MEASURE_MAX:
            raise ValueError("a measure that no vehicle has")
        stamps += [*evidence.cusum_since_ns, evidence.last_over_ns, evidence.judged_ns]
    lasting = np.array(stamps, dtype=np.int64)
    _check_stamps(lasting[lasting != 0], now_ns)


def _check_history(history: CarriedHistory, now_ns: int) -> None:
    rows = history_rows(history, MEASURED)
    if len(rows) > RING_LENGTH:
        raise ValueError("the history is too long")
    _check_stamps(np.array(history.stamp_ns, dtype=np.int64), now_ns)
    must = rows[:, [R_EAST, R_NORTH, R_SPEED]]
    if not (np.abs(must) <= [PLACE_M_MAX, PLACE_M_MAX, EPISODE_MPS_MAX]).all():  # NaN fails as well
        raise ValueError("a place or a speed that no vehicle has")
    if (np.abs(rows) > MEASURE_MAX).any():  # NaN: not known
        raise ValueError("a measure that no vehicle has")


def _check_stamps(stamps: I64, now_ns: int) -> None:
    if ((stamps < now_ns - AGE_NS_MAX) | (stamps > now_ns + AHEAD_NS_MAX)).any():
        raise ValueError("a stamp far from now")


def is_sound(episode: OpenEpisode, frame: SiteFrame) -> bool:
    """Return whether an open episode can be continued here: our rule book has its rule, its place is near."""
    names = (episode.id, episode.lane, episode.zone, episode.scope, episode.limit_of)
    texts = (*names, *_texts_of(episode.vehicle))
    return (
        episode.rule_name in BY_NAME
        and (episode.scope != "") == (BY_NAME[episode.rule_name].scope != "track")
        and 1 <= episode.version <= CARRIED_VERSION_MAX
        and episode.hop <= CARRIED_HOP_MAX
        and bool(frame.within(episode.lon_deg, episode.lat_deg))
        and all(_is_in(getattr(episode, name), *bounds) for name, bounds in _RANGES.items())
        and all(text is None or (len(text) <= TEXT_MAX and text.isprintable()) for text in texts)
    )


def _is_in(value: float | None, low: float, high: float) -> bool:
    return value is None or low <= value <= high


def is_of_now(episode: OpenEpisode, now_ns: int) -> bool:
    """Return whether the episode's stamps can be true at `now_ns`.

    A restart does not ask: the clock of a machine without a battery starts years behind its last episodes.
    """
    stamps = (episode.start_ns, episode.seen_ns, episode.version_ns, episode.confirmed_ns or 0)
    oldest_ns = min(episode.start_ns, episode.seen_ns)
    return max(stamps) <= now_ns + AHEAD_NS_MAX and oldest_ns >= now_ns - EPISODE_AGE_NS_MAX


def _texts_of(vehicle: ViolationVehicle | None) -> tuple[str | None, ...]:
    if vehicle is None:
        return ()
    return (vehicle.plate, vehicle.terminal, vehicle.hazmat_class, vehicle.un, vehicle.carrier)
