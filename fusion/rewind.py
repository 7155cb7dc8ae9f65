"""The ring of each track: its measurements and the state after each, so that a late one is rewound exactly.

Entry 0 of a ring is its base: nothing before it can be fused any more. Other tracks' associations stand.
"""

from core.arrays import F1, F2, F3, I2
from core.kernel import kernel
from core.prefetch import LINE, fetch
from fusion.filter import bend_keep, copy, predict, predict_to
from fusion.fuse_radar import fuse_polar
from fusion.layout import BIAS_SIGMA, N_DIM, N_MEAS, N_RADAR, N_X, POLAR, RING_HEAD, RING_LEN, STAMP, WHAT
from fusion.measure import apply

N_LIVE = N_X + N_RADAR * (N_RADAR + 1) // 2  # of a packed state without a terminal


@kernel(inner=True)
def _pack(X: F2, P: F3, i: int, states: F3, j: int, k: int) -> None:
    """Write row i of (X, P), as far as it is live, as packed state k of ring j; P column by column."""
    for a in range(N_X):
        states[j, k, a] = X[i, a]
    n = N_X
    for b in range(N_RADAR):
        for a in range(b + 1):
            states[j, k, n] = P[i, a, b]
            n += 1
    if X[i, BIAS_SIGMA] > 0.0:
        for b in range(N_RADAR, N_DIM):
            for a in range(b + 1):
                states[j, k, n] = P[i, a, b]
                n += 1


@kernel
def unpack(X: F2, P: F3, i: int, states: F3, j: int, k: int) -> None:
    """Write the packed state k of ring j to row i of (X, P), as far as it is live."""
    for a in range(N_X):
        X[i, a] = states[j, k, a]
    n = N_X
    for b in range(N_DIM if X[i, BIAS_SIGMA] > 0.0 else N_RADAR):
        for a in range(b + 1):
            P[i, a, b] = states[j, k, n]
            P[i, b, a] = states[j, k, n]
            n += 1


@kernel(inner=True)
def _slot(head: int, k: int, size: int) -> int:
    """Return where entry k of a ring lies, 0 <= k < size; a division would cost as much as an update."""
    at = head + k
    return at - size if at >= size else at


@kernel
def restart(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, meas: F3, states: F3, stamp_ns: int, M: F2, m: int
) -> None:
    """Make row i as it stands the base of its ring; row m of M is what it came from."""
    ints[i, RING_HEAD], ints[i, RING_LEN], ints[i, STAMP] = 0, 1, stamp_ns
    stamps[i, 0] = stamp_ns
    for a in range(N_MEAS):
        meas[i, 0, a] = M[m, a]
    _pack(X, P, i, states, i, 0)


@kernel
def newest_before(ints: I2, stamps: I2, i: int, t_ns: int) -> int:
    """Return the logical index of the newest entry of ring i with stamp <= t_ns, -1 if none."""
    size = stamps.shape[1]
    k = int(ints[i, RING_LEN]) - 1
    while k >= 0 and stamps[i, _slot(ints[i, RING_HEAD], k, size)] > t_ns:
        k -= 1
    return k


@kernel
def past_state(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, states: F3, t_ns: int,
    XO: F2, PO: F3, j: int, tuning: F1,
) -> bool:  # fmt: skip
    """Write track i as its ring knew it at t_ns to row j of (XO, PO); False if it does not reach back."""
    k = newest_before(ints, stamps, i, t_ns)
    if k < 0:
        return False
    slot = _slot(ints[i, RING_HEAD], k, stamps.shape[1])
    unpack(XO, PO, j, states, i, slot)
    predict(XO, PO, j, (t_ns - stamps[i, slot]) * 1e-9, tuning)
    return True


@kernel(inline=True)
def state_at(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, states: F3, t_ns: int,
    XO: F2, PO: F3, j: int, tuning: F1,
) -> bool:  # fmt: skip
    """Write track i as it was known at t_ns to row j of (XO, PO); False if its ring does not reach back."""
    if t_ns < ints[i, STAMP]:
        return past_state(X, P, i, ints, stamps, states, t_ns, XO, PO, j, tuning)
    ahead_s = (t_ns - ints[i, STAMP]) * 1e-9
    predict_to(X, P, i, XO, PO, j, ahead_s, bend_keep(ahead_s, tuning), tuning)
    return True


@kernel(inner=True)
def fetch_next(i: int, ints: I2, stamps: I2, meas: F3, states: F3) -> None:
    """Fetch what `append` will write to for track i: done some tracks ahead, it waits for nothing."""
    size = stamps.shape[1]
    slot = _slot(ints[i, RING_HEAD], min(ints[i, RING_LEN], size - 1), size)
    if ints[i, RING_LEN] == size:
        slot = ints[i, RING_HEAD]  # the oldest gives way
    fetch(stamps, (i, slot))
    for a in range(0, N_MEAS, LINE):
        fetch(meas, (i, slot, a))
    for a in range(0, N_LIVE, LINE):
        fetch(states, (i, slot, a))


@kernel(inline=True)
def append(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, meas: F3, states: F3,
    stamp_ns: int, M: F2, m: int, WX: F2, WP: F3, j: int, radars: F2, tuning: F1, work: F1,
) -> None:  # fmt: skip
    """Fuse row m of M, the newest of track i, whose prediction to stamp_ns is row j of (WX, WP).

    The same bytes as `fuse`, for less: nothing is predicted twice.
    """
    size = stamps.shape[1]
    if ints[i, RING_LEN] == size:
        ints[i, RING_HEAD] = _slot(ints[i, RING_HEAD], 1, size)
    else:
        ints[i, RING_LEN] += 1
    slot = _slot(ints[i, RING_HEAD], ints[i, RING_LEN] - 1, size)
    stamps[i, slot] = stamp_ns
    for a in range(N_MEAS):
        meas[i, slot, a] = M[m, a]
    if M[m, WHAT] == POLAR and WX[j, BIAS_SIGMA] == 0.0:
        fuse_polar(WX, WP, j, X, P, i, M, m, radars)
    else:
        copy(WX, WP, j, X, P, i)
        apply(X, P, i, M, m, radars, tuning, work)
    _pack(X, P, i, states, i, slot)
    ints[i, STAMP] = stamp_ns


@kernel
def _fuse_again(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, meas: F3, states: F3, k: int,
    radars: F2, tuning: F1, work: F1,
) -> int:  # fmt: skip
    """Fuse the entries from k >= 1 on into row i, which stands as after the one before; return how k went."""
    size, head, n = stamps.shape[1], ints[i, RING_HEAD], ints[i, RING_LEN]
    outcome = 0
    before_ns = stamps[i, _slot(head, k - 1, size)]
    for j in range(k, n):
        slot = _slot(head, j, size)
        predict(X, P, i, (stamps[i, slot] - before_ns) * 1e-9, tuning)
        before_ns = stamps[i, slot]
        odd = apply(X, P, i, meas[i], slot, radars, tuning, work)
        if j == k:
            outcome = odd
        _pack(X, P, i, states, i, slot)
    ints[i, STAMP] = before_ns
    return outcome


@kernel
def fuse(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, meas: F3, states: F3,
    stamp_ns: int, M: F2, m: int, radars: F2, tuning: F1, work: F1,
) -> int:  # fmt: skip
    """Fuse row m of M, measured at stamp_ns, into track i; if not the newest, rewound and replayed.

    Returns 0 fused, 1 refused as impossible (a fix outside the gate), 2 older than the ring.
    """
    size = stamps.shape[1]
    k = newest_before(ints, stamps, i, stamp_ns) + 1
    if k == 0:
        return 2
    if ints[i, RING_LEN] == size:  # the oldest measurement goes; the state after it becomes the base
        if k == 1:
            return 2
        ints[i, RING_HEAD] = _slot(ints[i, RING_HEAD], 1, size)
        ints[i, RING_LEN] -= 1
        k -= 1
    head, n = ints[i, RING_HEAD], ints[i, RING_LEN]
    for j in range(n, k, -1):
        to, at = _slot(head, j, size), _slot(head, j - 1, size)
        stamps[i, to] = stamps[i, at]
        for a in range(N_MEAS):
            meas[i, to, a] = meas[i, at, a]
    ints[i, RING_LEN] = n + 1
    slot = _slot(head, k, size)
    stamps[i, slot] = stamp_ns
    for a in range(N_MEAS):
        meas[i, slot, a] = M[m, a]
    if k < n:
        unpack(X, P, i, states, i, _slot(head, k - 1, size))
    return _fuse_again(X, P, i, ints, stamps, meas, states, k, radars, tuning, work)


@kernel
def rebuild(
    X: F2, P: F3, i: int, ints: I2, stamps: I2, meas: F3, states: F3,
    radars: F2, tuning: F1, work: F1,
) -> None:  # fmt: skip
    """Fill in the states of ring i from its measurements and its first state; row i becomes its newest."""
    unpack(X, P, i, states, i, int(ints[i, RING_HEAD]))
    _fuse_again(X, P, i, ints, stamps, meas, states, 1, radars, tuning, work)
