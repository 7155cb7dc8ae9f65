"""Out-of-sequence measurements: each track has a ring of its last measurements and the state after each.

A late measurement is fused where it belongs, and the newer ones again after it. Entry 0 of a ring is its
base: an older measurement can't be fused. The associations of newer measurements are not decided again.
"""

from core.arrays import F1, F2, F3
from core.kernel import kernel
from core.prefetch import LINE, fetch
from fusion import layout as at
from fusion.layout import Rings, Settings, States, Tracks
from fusion.measurement import apply, fuse_polar
from fusion.models import copy, initial, predict, predict_to
from fusion.track_store import take_row


@kernel(inline=True)
def pack(states: States, i: int, packed: F3, bound: F3, j: int, k: int) -> None:
    """Write row i of `states`, its live dimensions, as packed state k of ring j; P column by column.

    packed, bound : of the rings
    """
    X, P = states.X, states.P
    for a in range(at.N_X):
        packed[j, k, a] = X[i, a]
    n = at.N_X
    for b in range(at.N_RADAR):
        for a in range(b + 1):
            packed[j, k, n] = P[i, a, b]
            n += 1
    if X[i, at.BOUND] != 0.0:
        n = 0
        for b in range(at.N_RADAR, at.N_DIM):
            for a in range(b + 1):
                bound[j, k, n] = P[i, a, b]
                n += 1


@kernel
def unpack(states: States, i: int, packed: F3, bound: F3, j: int, k: int) -> None:
    """Write the packed state k of ring j to row i of `states`, its live dimensions."""
    X, P = states.X, states.P
    for a in range(at.N_X):
        X[i, a] = packed[j, k, a]
    n = at.N_X
    for b in range(at.N_RADAR):
        for a in range(b + 1):
            P[i, a, b] = packed[j, k, n]
            P[i, b, a] = packed[j, k, n]
            n += 1
    if X[i, at.BOUND] != 0.0:
        n = 0
        for b in range(at.N_RADAR, at.N_DIM):
            for a in range(b + 1):
                P[i, a, b] = bound[j, k, n]
                P[i, b, a] = bound[j, k, n]
                n += 1


@kernel(inner=True)
def _slot(head: int, k: int, size: int) -> int:
    """Return the slot of entry k of a ring, 0 <= k < size; a modulo would cost as much as an update."""
    place = head + k
    return place - size if place >= size else place


@kernel(inner=True)
def _write(rings: Rings, i: int, slot: int, stamp_ns: int, M: F2, m: int) -> None:
    """Write the measurement of row m of M to a slot of ring i."""
    rings.stamps[i, slot] = stamp_ns
    for a in range(at.N_MEAS):
        rings.meas[i, slot, a] = M[m, a]


@kernel
def restart(tracks: Tracks, rings: Rings, i: int, stamp_ns: int, M: F2, m: int) -> None:
    """Make the present state of row i the base of its ring; row m of M is its measurement."""
    ints = tracks.ints
    ints[i, at.RING_HEAD], ints[i, at.RING_LEN], ints[i, at.STAMP] = 0, 1, stamp_ns
    _write(rings, i, 0, stamp_ns, M, m)
    pack(tracks.states, i, rings.packed, rings.bound, i, 0)


@kernel
def begin(tracks: Tracks, rings: Rings, i: int, stamp_ns: int, M: F2, m: int, settings: Settings) -> None:
    """Set the state of row i from row m of M alone, and let its ring begin there."""
    initial(tracks.states, i, M, m, settings)
    tracks.floats[i, at.EXTENT_PRIOR] = M[m, at.Z_EXTENT]
    tracks.floats[i, at.EXTENT_PRIOR_VAR] = M[m, at.Z_EXTENT_SIGMA] ** 2
    restart(tracks, rings, i, stamp_ns, M, m)


@kernel
def start(
    tracks: Tracks, rings: Rings, stamp_ns: int, arrived_ns: int, M: F2, m: int, settings: Settings
) -> int:
    """Start a track from row m of M; return its row, -1 if there is no free one."""
    i = take_row(tracks, stamp_ns, arrived_ns)
    if i >= 0:
        begin(tracks, rings, i, stamp_ns, M, m, settings)
    return i


@kernel
def newest_before(tracks: Tracks, rings: Rings, i: int, t_ns: int) -> int:
    """Return the logical index of the newest entry of ring i with stamp <= t_ns, -1 if none."""
    ints, stamps = tracks.ints, rings.stamps
    size = stamps.shape[1]
    k = int(ints[i, at.RING_LEN]) - 1
    while k >= 0 and stamps[i, _slot(ints[i, at.RING_HEAD], k, size)] > t_ns:
        k -= 1
    return k


@kernel
def past_state(tracks: Tracks, rings: Rings, i: int, t_ns: int, out: States, j: int, tuning: F1) -> bool:
    """Write the state of track i at t_ns to row j of `out`, from its ring; False if that begins later."""
    k = newest_before(tracks, rings, i, t_ns)
    if k < 0:
        return False
    slot = _slot(tracks.ints[i, at.RING_HEAD], k, rings.stamps.shape[1])
    unpack(out, j, rings.packed, rings.bound, i, slot)
    predict(out, j, (t_ns - rings.stamps[i, slot]) * 1e-9, tuning)
    return True


@kernel(inline=True)
def state_at(tracks: Tracks, rings: Rings, i: int, t_ns: int, out: States, j: int, tuning: F1) -> bool:
    """Write the state of track i at t_ns, past or future, to row j of `out`; False if it is too old."""
    stamp_ns = tracks.ints[i, at.STAMP]
    if t_ns < stamp_ns:
        return past_state(tracks, rings, i, t_ns, out, j, tuning)
    predict_to(tracks.states, i, out, j, (t_ns - stamp_ns) * 1e-9, tuning)
    return True


@kernel(inner=True)
def fetch_next(tracks: Tracks, rings: Rings, i: int) -> None:
    """Prefetch the memory that `append` will write for track i."""
    ints, size = tracks.ints, rings.stamps.shape[1]
    slot = _slot(ints[i, at.RING_HEAD], min(ints[i, at.RING_LEN], size - 1), size)
    if ints[i, at.RING_LEN] == size:
        slot = ints[i, at.RING_HEAD]  # the oldest entry is overwritten
    fetch(rings.stamps, (i, slot))
    for a in range(0, at.N_MEAS, LINE):
        fetch(rings.meas, (i, slot, a))
    for a in range(0, at.N_PACKED_RADAR, LINE):
        fetch(rings.packed, (i, slot, a))


@kernel(inline=True)
def append(
    tracks: Tracks, rings: Rings, i: int, stamp_ns: int, M: F2, m: int, predicted: States, j: int,
    settings: Settings, work: F1,
) -> None:  # fmt: skip
    """Fuse row m of M, the newest of track i, whose prediction to stamp_ns is row j of `predicted`.

    The result is that of `fuse` to the bit, without a second prediction.
    """
    ints, states, size = tracks.ints, tracks.states, rings.stamps.shape[1]
    if ints[i, at.RING_LEN] == size:
        ints[i, at.RING_HEAD] = _slot(ints[i, at.RING_HEAD], 1, size)
    else:
        ints[i, at.RING_LEN] += 1
    slot = _slot(ints[i, at.RING_HEAD], ints[i, at.RING_LEN] - 1, size)
    _write(rings, i, slot, stamp_ns, M, m)
    if M[m, at.WHAT] == at.POLAR and predicted.X[j, at.BOUND] == 0.0:
        fuse_polar(predicted, j, states, i, M, m, settings)
    else:
        copy(predicted, j, states, i)
        apply(states, i, M, m, settings, work)
    pack(states, i, rings.packed, rings.bound, i, slot)
    ints[i, at.STAMP] = stamp_ns


@kernel
def _fuse_again(tracks: Tracks, rings: Rings, i: int, k: int, settings: Settings, work: F1) -> int:
    """Fuse the entries from k >= 1 on into row i, which is the state after entry k - 1.

    Returns what `apply` returned for entry k.
    """
    ints, states, stamps = tracks.ints, tracks.states, rings.stamps
    size, head, n = stamps.shape[1], ints[i, at.RING_HEAD], ints[i, at.RING_LEN]
    outcome = 0
    before_ns = stamps[i, _slot(head, k - 1, size)]
    for j in range(k, n):
        slot = _slot(head, j, size)
        predict(states, i, (stamps[i, slot] - before_ns) * 1e-9, settings.tuning)
        before_ns = stamps[i, slot]
        refused = apply(states, i, rings.meas[i], slot, settings, work)
        if j == k:
            outcome = refused
        pack(states, i, rings.packed, rings.bound, i, slot)
    ints[i, at.STAMP] = before_ns
    return outcome


@kernel
def fuse(
    tracks: Tracks, rings: Rings, i: int, stamp_ns: int, M: F2, m: int, settings: Settings, work: F1
) -> int:
    """Fuse row m of M, measured at stamp_ns, into track i; rewind the track if it is out of sequence.

    Returns 0 fused, 1 refused as impossible (a fix outside the gate), 2 older than the ring.
    """
    ints, stamps, meas = tracks.ints, rings.stamps, rings.meas
    size = stamps.shape[1]
    k = newest_before(tracks, rings, i, stamp_ns) + 1
    if k == 0:
        return 2
    if ints[i, at.RING_LEN] == size:  # the oldest entry is dropped; the next becomes the base
        if k == 1:
            return 2
        ints[i, at.RING_HEAD] = _slot(ints[i, at.RING_HEAD], 1, size)
        ints[i, at.RING_LEN] -= 1
        k -= 1
    head, n = ints[i, at.RING_HEAD], ints[i, at.RING_LEN]
    for j in range(n, k, -1):
        to, of = _slot(head, j, size), _slot(head, j - 1, size)
        stamps[i, to] = stamps[i, of]
        for a in range(at.N_MEAS):
            meas[i, to, a] = meas[i, of, a]
    ints[i, at.RING_LEN] = n + 1
    _write(rings, i, _slot(head, k, size), stamp_ns, M, m)
    if k < n:
        unpack(tracks.states, i, rings.packed, rings.bound, i, _slot(head, k - 1, size))
    return _fuse_again(tracks, rings, i, k, settings, work)


@kernel
def rebuild(tracks: Tracks, rings: Rings, i: int, settings: Settings, work: F1) -> None:
    """Compute the states of ring i from its measurements and its first state; row i becomes its newest."""
    unpack(tracks.states, i, rings.packed, rings.bound, i, int(tracks.ints[i, at.RING_HEAD]))
    _fuse_again(tracks, rings, i, 1, settings, work)
