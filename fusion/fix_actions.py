"""What a message of fixes asks of Python: new terminals, clocks in doubt, identities that change, counts."""

import math
from collections.abc import Sequence

from core.arrays import I64, Bools
from fusion import layout as at
from fusion.clocks import add_count
from fusion.config import FusionConfig
from fusion.doubt_table import DoubtTable
from fusion.fix_message import DOUBTFUL, N_OUTCOME, N_STAMP, N_WHO, USABLE, Message
from fusion.fix_step import DECIDED, Memory, Wanted
from fusion.gnss_update import CLOCK, FUSED, FUTURE, LATE, UNUSABLE
from fusion.identity_binding import bind, forget_pairs, release
from fusion.identity_decision import BINDS, PRESUMES
from fusion.observations import GnssFixes
from fusion.timekeeping import Timekeeping
from fusion.track_store import TerminalTable, TrackStore

REASONS = (
    "gnss.fused", "gnss.duplicate", "gnss.future", "gnss.late", "gnss.unusable", "gnss.outlier",
    "tracks.full", "gnss.clock",
)  # fmt: skip


def wanted_of(config: FusionConfig) -> Wanted:
    """Return what a step needs of the configuration."""
    drop_odds = math.exp(-math.log(config.identity_accept_p / (1.0 - config.identity_accept_p)))
    return Wanted(
        config.gnss_sigma_m, config.gnss_tau_s, config.gnss_stamp_sigma_s, config.radar_timeout_s * 1e9,
        config.identity_accept_p, drop_odds,
    )  # fmt: skip


def rows_of(
    now_ns: int, names: Sequence[str], terminals: TerminalTable, times: Timekeeping, doubts: DoubtTable,
    counts: dict[str, int],
) -> list[int]:  # fmt: skip
    """Return the rows of terminals, -1 where there is no room; clocks and doubts get room for them."""
    row = terminals.row
    who = [w if (w := row.get(name)) is not None else terminals.row_of(name) for name in names]
    if -1 in who:
        add_count(counts, "terminals.full", who.count(-1))
    terminals.note(who, now_ns)
    n = len(terminals.about)
    if n != times.terminals.n:
        times.terminals.grow(terminals.about)
    if n > len(doubts.rows.ints):
        doubts.reserve(n)
    return who


def look_at_clocks(
    terminals: TerminalTable, times: Timekeeping, now_ns: int, seen: GnssFixes, message: Message,
    counts: dict[str, int],
) -> None:  # fmt: skip
    """Correct the stamps of a message's fixes where that is sure, and note which are doubtful."""
    numbers, flags = message.numbers, message.flags
    numbers[N_STAMP], flags[DOUBTFUL] = times.fixes(
        now_ns, terminals.about, numbers[N_WHO], seen, flags[USABLE], message.M[:, at.Z_SIGMA], counts
    )


def shift_clocks(
    terminals: TerminalTable, times: Timekeeping, doubts: DoubtTable, message: Message,
    counts: dict[str, int],
) -> None:  # fmt: skip
    """Correct the clocks that radar showed to be wrong from now on."""
    for w, offset_s in doubts.pop_clocks(message.numbers[N_WHO]):
        times.terminals.shift(w, offset_s)
        forget_pairs(terminals, w)
        add_count(counts, "clock.terminal.shown")


def count_refused(message: Message, counts: dict[str, int]) -> tuple[tuple[int, int], ...]:
    """Count the fixes that were not fused by reason; return those that came too late to be fused.

    Returns their places and corrected stamps.
    """
    flags = message.flags
    _count_refused(message.numbers[N_OUTCOME], flags[DOUBTFUL] & flags[USABLE], counts)
    return _late_of(message)


def _late_of(message: Message) -> tuple[tuple[int, int], ...]:
    """Return the usable fixes of sound clocks that came too late: their places, and corrected stamps."""
    flags, numbers = message.flags, message.numbers
    is_late = (numbers[N_OUTCOME] == LATE) & flags[USABLE] & ~flags[DOUBTFUL] & (message.who >= 0)
    places = is_late.nonzero()[0]
    return tuple(zip(places.tolist(), numbers[N_STAMP, places].tolist(), strict=True))


def _count_refused(outcome: I64, doubtful: Bools, counts: dict[str, int]) -> None:
    """Count the fixes (n,) that were not fused by reason; a wrong clock is the reason of a doubtful stamp."""
    found = [
        CLOCK if is_doubtful and reason in (LATE, FUTURE, UNUSABLE) else reason
        for reason, is_doubtful in zip(outcome.tolist(), doubtful.tolist(), strict=True)
    ]
    for reason in sorted(set(found)):
        if reason != FUSED:
            add_count(counts, REASONS[reason], found.count(reason))


def act_on(
    store: TrackStore, terminals: TerminalTable, found: Memory, w: int, now_ns: int, counts: dict[str, int]
) -> tuple[int, int, int]:
    """Bind terminal w or release it, as was decided, or follow how it is shown now.

    Returns what was decided, and ids (gone, survivor); nothing is gone if they are equal or one is 0.
    """
    what, k, has_radar = found.report[DECIDED].tolist()
    if what == PRESUMES:
        gone, survivor = found.ids.tolist()
        return PRESUMES, gone, survivor
    if what == BINDS:
        # p counts the present track as a rival, which the new one beats by the odds of a binding
        add_count(counts, "identity.bound")
        p = float(found.joint.p[k])
        return BINDS, *bind(store, terminals, w, k, p, now_ns, apart=bool(has_radar))
    release(store, terminals, int(terminals.rows.ints[w, at.ROW]))
    forget_pairs(terminals, w)
    add_count(counts, "identity.rejected")
    return what, 0, 0
