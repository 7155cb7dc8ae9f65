"""The life of a track: when it is shown, and how long it may go without a measurement of each sensor."""

import math

from core.arrays import B1, F1, I1, I2
from core.kernel import kernel
from fusion import layout as at
from fusion.births import NEAR_M, VEHICLES_PER_M2
from fusion.duplicate_tracks import HELD_NS
from fusion.identity_likelihood import RELATIVE_MPS
from fusion.layout import Rings, Settings, States, Terminals, Tracks
from fusion.models import predict_to
from fusion.radar_field import birth_odds
from fusion.visibility import MISS_FREE_NS, is_followed, is_in_field, is_in_sight

AWAIT_RADAR_NS = 1_000_000_000  # a radar finds a vehicle in its field within so long
AWAIT_JOIN_NS = HELD_NS + 300_000_000  # duplicate tracks are joined so long after the second one's birth
AWAIT_FIX_NS = 1_500_000_000  # most terminals report each second, and half a second is their way
AWAIT_NAME_NS = 2_500_000_000  # identity binds at the third report
MISSED_MIN = math.log(1e-9)  # nine misses in its sight, where radar finds nine of ten: the vehicle is gone
# Log odds of a vehicle from which a tentative track is shown. What is stated is too high: clutter is not even
# within a cell (ten times as dense along guard rails), a track takes the best of several detections, and both
# densities rest on a few counts. Where vehicles enter, two detections have such odds all the same
LIKELY = math.log(1000.0)
# The odds from which a track is shown at its first detection (fusion.births learns them). At even odds a
# false track and a missed vehicle cost the same; but a false one also uses up an id, and may take the place
# of a vehicle beside it for a moment
LIKELY_FIRST = math.log(2.0)
REACHED_MPS = 60.0  # faster than any vehicle on a road
FIX_PERIODS = 3  # two reports in a row may be lost on their way; after the third the vehicle is gone
FIX_SLACK_NS = 1_000_000_000  # and so much later may that third one be
# A measurement that is so much later than due is missing: scans jitter by half a period, a report's way takes
# up to half a second
UNSEEN_SCANS, UNSEEN_SLACK_NS = 1.5, 500_000_000
FIX_PERIOD_NS_USUAL = 1_000_000_000
FIX_PERIOD_NS_MIN = 100_000_000  # no terminal reports faster: shorter gaps are batches


@kernel(inner=True)
def learn_fix_period(ints: I2, i: int, stamp_ns: int) -> None:
    """Learn the period of track i's terminal from a fix that is newer than its last one.

    A mean over about four gaps: one lost report lengthens it by a quarter.
    """
    if ints[i, at.GNSS_NS] == 0 or stamp_ns <= ints[i, at.GNSS_NS]:
        return
    gap_ns = max(stamp_ns - ints[i, at.GNSS_NS], FIX_PERIOD_NS_MIN)
    known_ns = ints[i, at.FIX_PERIOD_NS]
    ints[i, at.FIX_PERIOD_NS] = gap_ns if known_ns == 0 else (3 * known_ns + gap_ns) // 4


@kernel(inner=True)
def _has_no_fix(ints: I2, i: int, t_ns: int, longest_ns: float) -> bool:
    """Return whether the terminal of track i has been silent for too long.

    Counted from the acceptance of its last report: those of a slow way are as old as that when they come, and
    one without a position shows that the vehicle is there, up to longest_ns after the last position.
    """
    if ints[i, at.TERMINAL] < 0:
        return True
    period_ns = ints[i, at.FIX_PERIOD_NS]
    limit_ns = longest_ns
    if period_ns > 0:
        limit_ns = min(longest_ns, float(FIX_PERIODS * period_ns + FIX_SLACK_NS))
    silent_ns = t_ns - max(ints[i, at.GNSS_NS], ints[i, at.FIX_ACCEPTED_NS])
    return bool(silent_ns > limit_ns or t_ns - ints[i, at.GNSS_NS] > longest_ns)


@kernel(inner=True)
def _was_weighed(terminals: Terminals, w: int, i: int, serial: int) -> bool:
    """Return whether terminal w and track i have been weighed as one vehicle."""
    for k in range(terminals.pair_ints.shape[1]):
        pair = terminals.pair_ints[w, k]
        if pair[at.P_N] > 0 and pair[at.P_SLOT] == i and pair[at.P_SERIAL] == serial:
            return True
    return False


@kernel(inner=True)
def _log_pair(states: States, a: int, more: float) -> float:
    """Return the log density of what lies between states 0 and 1 in the pair of dimensions from a on.

    more : variance that another vehicle would add on each axis
    """
    X, P = states.X, states.P
    d, e = X[0, a] - X[1, a], X[0, a + 1] - X[1, a + 1]
    s_dd = P[0, a, a] + P[1, a, a] + more
    s_ee = P[0, a + 1, a + 1] + P[1, a + 1, a + 1] + more
    s_de = P[0, a, a + 1] + P[1, a, a + 1]
    det = s_dd * s_ee - s_de * s_de
    d2 = (s_ee * d * d - 2.0 * s_de * d * e + s_dd * e * e) / det
    return float(-0.5 * (d2 + math.log(det)) - math.log(2.0 * math.pi))


@kernel(inner=True)
def _log_odds_one(states: States) -> float:
    """Return the log odds that states 0 and 1 are one vehicle, against another one that is near by chance."""
    place = _log_pair(states, at.EAST, 0.0) - math.log(VEHICLES_PER_M2)
    return place + _log_pair(states, at.V_EAST, 0.0) - _log_pair(states, at.V_EAST, 2.0 * RELATIVE_MPS**2)


@kernel(inner=True)
def _may_be_shown(
    tracks: Tracks, terminals: Terminals, i: int, t_ns: int, tuning: F1, scratch: States
) -> bool:
    """Return whether radar's new track i may be a vehicle that is shown already, by a track radar misses now.

    Most likely radar finds that vehicle (again), outside of its gate: between the two radars of a pole the
    point that they see changes ends. A track that radar lost within the second is joined with it; else the
    next report of its terminal decides. Until then one object is shown.
    """
    ints, age_ns = tracks.ints, t_ns - tracks.ints[i, at.BORN]
    predict_to(tracks.states, i, scratch, 0, max(t_ns - ints[i, at.STAMP], 0) * 1e-9, tuning)
    for o in range(tracks.tally[at.T_HIGH]):
        w = ints[o, at.TERMINAL]
        if o == i or ints[o, at.STATUS] != at.CONFIRMED or ints[o, at.SHOWN_NS] == 0:
            continue
        if abs(t_ns - ints[o, at.RADAR_NS]) <= MISS_FREE_NS:
            continue
        if is_followed(ints, o, t_ns, tuning[at.RADAR_TIMEOUT_NS]):
            if age_ns > AWAIT_JOIN_NS:
                continue
        elif w < 0 or _was_weighed(terminals, w, i, ints[i, at.SERIAL]):
            continue
        predict_to(tracks.states, o, scratch, 1, max(t_ns - ints[o, at.STAMP], 0) * 1e-9, tuning)
        if _log_odds_one(scratch) > 0.0:
            return True
    return False


@kernel(inner=True)
def _is_likely(tracks: Tracks, rings: Rings, i: int, settings: Settings) -> bool:
    """Return whether tentative track i is likelier a vehicle than clutter.

    Where a missed vehicle costs as much as a false one, that is when it should be shown (GOSPA does so).
    Misses in radar's sight lower its odds; hidden, it stays what it is until its time-out. Of the odds by its
    first detection what later ones add is not counted: that is stated, not learnt.
    """
    floats = tracks.floats
    if floats[i, at.BEGAN_ODDS] + min(floats[i, at.LLR], 0.0) > LIKELY_FIRST:
        return True
    return bool(floats[i, at.LLR] + birth_odds(tracks, rings, i, settings) > LIKELY)


@kernel(inner=True)
def _is_second(tracks: Tracks, rings: Rings, i: int, settings: Settings, scratch: States) -> bool:
    """Return whether new track i, detected once, lies beside an older one that is or will be shown.

    Two radars that begin to scan, or two echoes, show one vehicle twice; a second detection decides. The two
    are compared at one time: between two radars' scans a vehicle moves metres.
    """
    ints, were, X, tuning = tracks.ints, tracks.states.X, scratch.X, settings.tuning
    if ints[i, at.STATUS] != at.TENTATIVE or tracks.floats[i, at.LLR] > 0.0:
        return False
    for o in range(tracks.tally[at.T_HIGH]):
        if o == i or ints[o, at.STATUS] == at.FREE or ints[o, at.SERIAL] > ints[i, at.SERIAL]:
            continue
        # most are far away, and a prediction costs more than a distance
        apart_s = abs(ints[i, at.STAMP] - ints[o, at.STAMP]) * 1e-9
        d_e, d_n = were[o, at.EAST] - were[i, at.EAST], were[o, at.NORTH] - were[i, at.NORTH]
        if d_e * d_e + d_n * d_n > (NEAR_M + REACHED_MPS * apart_s) ** 2:
            continue
        if ints[o, at.STATUS] == at.TENTATIVE and not _is_likely(tracks, rings, o, settings):
            continue
        stamp_ns = max(ints[i, at.STAMP], ints[o, at.STAMP])
        predict_to(tracks.states, i, scratch, 0, (stamp_ns - ints[i, at.STAMP]) * 1e-9, tuning)
        predict_to(tracks.states, o, scratch, 1, (stamp_ns - ints[o, at.STAMP]) * 1e-9, tuning)
        d_e, d_n = X[1, at.EAST] - X[0, at.EAST], X[1, at.NORTH] - X[0, at.NORTH]
        if d_e * d_e + d_n * d_n < NEAR_M * NEAR_M:
            return True
    return False


@kernel(inner=True)
def _may_be_tracked(
    tracks: Tracks, rings: Rings, i: int, t_ns: int, settings: Settings, scratch: States
) -> bool:
    """Return whether a nameless track that is or was shown may be the vehicle of a terminal's new track i."""
    ints, tuning = tracks.ints, settings.tuning
    predict_to(tracks.states, i, scratch, 0, max(t_ns - ints[i, at.STAMP], 0) * 1e-9, tuning)
    for o in range(tracks.tally[at.T_HIGH]):
        if ints[o, at.TERMINAL] >= 0 or ints[o, at.STATUS] == at.FREE or ints[o, at.PRESUMED] > 0:
            continue
        is_shown = ints[o, at.STATUS] == at.CONFIRMED or ints[o, at.SHOWN_NS] > 0
        if not is_shown and not _is_likely(tracks, rings, o, settings):
            continue
        predict_to(tracks.states, o, scratch, 1, max(t_ns - ints[o, at.STAMP], 0) * 1e-9, tuning)
        if _log_odds_one(scratch) > 0.0:
            return True
    return False


@kernel(inner=True)
def _awaits_radar(
    tracks: Tracks, rings: Rings, i: int, t_ns: int, settings: Settings, works: B1, scratch: States
) -> bool:
    """Return whether a terminal's track i, that no radar has seen, waits for the radar in whose field it is.

    For a moment where radar would see it; for the next report where it may be one of radar's nameless tracks.
    works : (n_radars,) radar q scans
    """
    X, radars, since_ns = tracks.states.X, settings.radars, t_ns - tracks.ints[i, at.BORN]
    if tracks.ints[i, at.RADAR_NS] > 0 or since_ns >= AWAIT_NAME_NS:
        return False
    covered = False
    for q in range(works.shape[0]):
        covered |= works[q] and is_in_field(radars, q, X[i, at.EAST], X[i, at.NORTH])
    if not covered:
        return False
    if since_ns < AWAIT_RADAR_NS and is_in_sight(tracks, t_ns, radars, X[i, at.EAST], X[i, at.NORTH]):
        return True
    return bool(_may_be_tracked(tracks, rings, i, t_ns, settings, scratch))


@kernel
def shown(
    tracks: Tracks, rings: Rings, terminals: Terminals, t_ns: int, settings: Settings, works: B1,
    scratch: States, rows: I1,
) -> int:  # fmt: skip
    """Write the rows of the tracks that are shown at t_ns to `rows`, confirmed or likely; return how many.

    A terminal's new track in the field of a working radar waits: most likely it is the vehicle that this
    radar tracks already, and identity joins the two within the moment. One that others hide from the radar,
    and that is none of the radar's tracks, has nothing to wait for.  works : (n_radars,) radar q scans
    """
    ints, n = tracks.ints, 0
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] == at.TENTATIVE:
            if not _is_likely(tracks, rings, i, settings):
                continue
        elif ints[i, at.STATUS] != at.CONFIRMED:
            continue
        waits = False
        if ints[i, at.SHOWN_NS] > 0:
            pass
        elif ints[i, at.TERMINAL] >= 0:
            waits = _awaits_radar(tracks, rings, i, t_ns, settings, works, scratch)
        elif ints[i, at.PRESUMED] == 0 and t_ns - ints[i, at.BORN] < AWAIT_FIX_NS:
            waits = _is_second(tracks, rings, i, settings, scratch)
            waits |= _may_be_shown(tracks, terminals, i, t_ns, settings.tuning, scratch)
        if not waits:
            rows[n] = i
            n += 1
    return n


@kernel
def overdue(
    tracks: Tracks, t_ns: int, radar_timeout_ns: float, gnss_timeout_ns: float, drop_below: float, rows: I1
) -> int:
    """Write the rows of the tracks that end at t_ns to `rows`; return how many.

    gnss_timeout_ns : the longest silence of a terminal, and that of one whose period is not known yet
    drop_below : log likelihood ratio of a tentative track that is clutter after all
    """
    ints, n = tracks.ints, 0
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] == at.FREE:
            continue
        if ints[i, at.STATUS] == at.TENTATIVE and tracks.floats[i, at.LLR] < drop_below:
            rows[n] = i
            n += 1
            continue
        # an odd clock may put a stamp ahead of t_ns: such a track is followed as well
        last_ns = max(ints[i, at.RADAR_NS], ints[i, at.HIDDEN_NS])
        if t_ns - last_ns <= radar_timeout_ns and tracks.floats[i, at.MISSED] > MISSED_MIN:
            continue
        if _has_no_fix(ints, i, t_ns, gnss_timeout_ns):
            rows[n] = i
            n += 1
    return n


@kernel
def unseen(tracks: Tracks, t_ns: int, rows: I1) -> int:
    """Write the rows of the confirmed tracks that every sensor misses at t_ns to `rows`; return how many.

    A measurement is missing UNSEEN_SLACK_NS after it is due. That of a terminal which reported
    once is not known: most report each second, and one that reports seldom shows itself by its next report.
    """
    ints, n = tracks.ints, 0
    for i in range(tracks.tally[at.T_HIGH]):
        if ints[i, at.STATUS] != at.CONFIRMED:
            continue
        if t_ns - ints[i, at.RADAR_NS] <= UNSEEN_SLACK_NS + UNSEEN_SCANS * ints[i, at.PERIOD_NS]:
            continue
        # what radar misses in its sight is gone, whenever the next report is due
        if ints[i, at.TERMINAL] >= 0 and tracks.floats[i, at.MISSED] > MISSED_MIN:
            period_ns = ints[i, at.FIX_PERIOD_NS] if ints[i, at.FIX_PERIOD_NS] > 0 else FIX_PERIOD_NS_USUAL
            last_ns = max(ints[i, at.GNSS_NS], ints[i, at.FIX_ACCEPTED_NS])
            if t_ns - last_ns <= UNSEEN_SLACK_NS + period_ns:
                continue
        rows[n] = i
        n += 1
    return n
