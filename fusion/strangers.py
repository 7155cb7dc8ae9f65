"""Frees the rows of terminals that the registry lacks, once they are silent. Pure.

Anyone may connect such a terminal, under any number of names. A site without a registry has no strangers.
"""

from core.times import NS
from fusion import layout as at
from fusion.doubt_table import J_BEARER, DoubtTable
from fusion.timekeeping import Timekeeping
from fusion.track_store import TerminalTable

SILENT_NS = 600 * NS  # longer than any memory of a terminal's fixes in a track
LOOK_NS = 10 * NS  # how often they are looked at, on the grid of ticks


def free_silent(
    t_ns: int, terminals: TerminalTable, times: Timekeeping, doubts: DoubtTable
) -> list[tuple[int, str]]:
    """Free the rows of strangers without a track that reported nothing for SILENT_NS; return both."""
    if t_ns % LOOK_NS or len(terminals.ids) == terminals.n_registered or not terminals.n_registered:
        return []
    first, ints = terminals.n_registered, terminals.rows.ints
    bearers = doubts.rows.jam_ints[:, J_BEARER] - 1
    freed = [
        (w, terminals.ids[w])
        for w in range(first, len(terminals.ids))
        if terminals.ids[w]
        and t_ns - terminals.seen_ns[w] > SILENT_NS
        and ints[w, at.ROW] < 0
        and not ints[w, at.OTHER_ROW]
        and w not in bearers
    ]
    clocks = times.terminals
    for w, _ in freed:
        terminals.free(w)
        for column in (
            doubts.rows.ints, doubts.rows.floats, clocks.clocks.ints, clocks.more, clocks.place,
            clocks.declared_ns, clocks.shown_ns, clocks.known_ns,
        ):  # fmt: skip
            if w < len(column):
                column[w] = 0
    return freed
