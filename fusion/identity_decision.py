"""What the joint probabilities of a terminal mean: bind, presume, let go, or leave as it is; compiled."""

from core.kernel import kernel
from fusion import doubt_table as col
from fusion import layout as at
from fusion.doubt_table import Doubts
from fusion.identity_joint import Joint, marginals
from fusion.layout import Terminals, Tracks
from fusion.visibility import is_followed

STAYS, BINDS, PRESUMES, LETS_GO = 0, 1, 2, 3
PAIRED_MIN = 2  # fixes that a pair was weighed by, before it is bound


@kernel(inner=True)
def _keeps_name(doubts: Doubts, w: int, t_ns: int) -> bool:
    """Whether errors of terminal w are no evidence against its vehicle: it is jammed, or may be."""
    own, noise = doubts.ints[w], doubts.floats[w, col.NOISE]
    fails_ns = own[col.FAILS_NS] if own[col.FAILS_NS] != 0 else t_ns
    is_new = noise > col.NOISY_CHI2 and t_ns - fails_ns <= col.JAM_SHOWS_NS
    return bool(is_new or own[col.KINDS] & col.JAMMED)


@kernel(inner=True)
def _best_and_own(terminals: Terminals, w: int, joint: Joint) -> tuple[int, int]:
    """Return the likeliest pair of terminal w with another track than its own, and that with its own or -1.

    Where no other is likely at all, the first is the first pair, which may be its own.
    """
    best, mine, most = 0, -1, 0.0
    for k in range(joint.p.shape[0]):
        if terminals.pair_ints[w, k, at.P_SLOT] == terminals.ints[w, at.ROW] and joint.column[0, k] >= 0:
            mine = k if mine < 0 else mine
        elif joint.p[k] > most:
            best, most = k, joint.p[k]
    return best, mine


@kernel(inner=True)
def decide(
    tracks: Tracks, terminals: Terminals, doubts: Doubts, n_terminals: int, w: int, t_ns: int, now_ns: int,
    timeout_ns: float, accept_p: float, drop_odds: float, joint: Joint,
) -> tuple[int, int, bool]:  # fmt: skip
    """Weigh terminal w, which has a track, with all others; keep its probability where nothing changes.

    Returns what is to be done, its likeliest pair with another track, and whether radar follows its own.
    accept_p : to be bound.  drop_odds : below them a bound track is not its vehicle.  joint : gets the odds
    """
    own = terminals.ints[w, at.ROW]
    marginals(tracks, terminals, n_terminals, w, t_ns, timeout_ns, joint)
    has_radar = is_followed(tracks.ints, own, t_ns, timeout_ns)
    k, mine = _best_and_own(terminals, w, joint)
    if has_radar and _keeps_name(doubts, w, now_ns):
        return STAYS, k, has_radar
    is_own = terminals.pair_ints[w, k, at.P_SLOT] == own and joint.column[0, k] >= 0
    if not is_own and joint.p[k] >= accept_p and terminals.pair_ints[w, k, at.P_N] >= PAIRED_MIN:
        return BINDS, k, has_radar
    if not has_radar:
        return PRESUMES, k, has_radar
    if mine >= 0 and joint.odds[0, mine] < drop_odds:
        return LETS_GO, k, has_radar
    if mine >= 0:
        tracks.floats[own, at.IDENTITY_P] = joint.p[mine]
    return STAYS, k, has_radar
