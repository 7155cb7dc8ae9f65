"""Which tracks a message's fixes touched, and what it measured across their courses."""

import math

import numpy as np

from fusion import layout as at
from fusion.config import FusionConfig, Terminal
from fusion.fix_message import N_TOUCHED, USED, MessageMemory, note_shown
from fusion.lateral import fill_of_fixes, lateral_memory
from fusion.observations import N_FIX, GnssFixes
from fusion.track_store import TerminalTable, TrackStore

N_TERMINALS, N_TRACKS = 6, 9


def scene(rng):
    """Return random tracks, their terminals, and a message of fixes, some of which updated a track."""
    store = TrackStore(FusionConfig(tracks_max=N_TRACKS), [], None)
    terminals = TerminalTable([Terminal(terminal=f"T{k}", kind=0) for k in range(N_TERMINALS)])
    store.ints[:, at.STATUS] = rng.choice([at.CONFIRMED, at.DUE, at.STANDBY], N_TRACKS)
    terminals.rows.ints[:N_TERMINALS, at.ROW] = rng.permutation(N_TRACKS)[:N_TERMINALS]
    terminals.rows.ints[rng.integers(N_TERMINALS), at.ROW] = -1
    for w, i in enumerate(terminals.rows.ints[:N_TERMINALS, at.ROW].tolist()):
        if i >= 0:
            store.ints[i, at.TERMINAL] = w if rng.random() < 0.8 else -1
    n = int(rng.integers(1, 13))
    who = rng.integers(-1, N_TERMINALS, n)
    seen = GnssFixes.of(tuple(f"T{w}" for w in who), np.zeros((3, n), dtype=np.int64), np.zeros((N_FIX, n)))
    message = MessageMemory().message_of(seen, who.tolist())
    message.flags[USED] = (rng.random(n) < 0.8) & (who >= 0)
    table = message.laterals
    table.numbers[:] = rng.normal(size=table.numbers.shape)
    table.stamp_ns[:] = rng.integers(1, 1_000, n)
    table.row[:] = [int(terminals.rows.ints[w, at.ROW]) if rng.random() < 0.8 else -1 for w in who]
    return store, terminals, message


def test_each_shown_track_comes_once_with_its_last_measurement():
    rng, n_told = np.random.default_rng(3), 0
    for _ in range(300):
        store, terminals, message = scene(rng)
        who, own, table = message.who.tolist(), terminals.rows.ints, message.laterals
        used = dict.fromkeys(w for w, is_used in zip(who, message.flags[USED], strict=True) if is_used)
        rows = [int(own[w, at.ROW]) for w in used]
        shown = [i for i in rows if i >= 0 and store.ints[i, at.STATUS] != at.STANDBY]
        n = note_shown(message, terminals.rows, store.tracks)
        assert message.numbers[N_TOUCHED, :n].tolist() == shown
        memory = lateral_memory(n)
        fill_of_fixes(table, message.who, message.numbers[N_TOUCHED], n, store.ints, *memory[:3])
        for k, i in enumerate(shown):
            mine = [j for j, w in enumerate(who) if table.row[j] == i and w == store.ints[i, at.TERMINAL]]
            assert memory.is_fix[k] == bool(mine)
            assert memory.stamp_ns[k] == (table.stamp_ns[mine[-1]] if mine else 0)
            expected = table.numbers[:, mine[-1]] if mine else np.full(at.N_LATERAL, math.nan)
            np.testing.assert_array_equal(memory.numbers[:, k], expected)
            n_told += bool(mine)
    assert n_told > 200
