"""Wrong clocks of senders: the ages of their messages distinguish them from slow transport. Pure.

One row per sender. An age is arrival minus stamp: how far the clock is behind, plus the transport time, which
is never negative. docs/fusion.md, "Clocks", gives the reasons for the thresholds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from core.arrays import F64, I64
from core.times import NS

Numbers = TypeVar("Numbers", I64, F64)

EARLY_NS = NS  # a stamp further ahead of the arrival than this can't be true
AGES = 8  # remembered per sender
AGES_MIN, SPAN_NS_MIN = 4, 3 * NS  # the least that proves a fault
APART_NS = NS // 2  # messages closer together count as one: the freshest
SPREAD_SHARE, SPREAD_NS_MIN, SPREAD_NS_MAX = 0.1, NS // 2, 5 * NS // 2  # of ages that are steady
SOUND_NS = 600 * NS  # a clock that was right is trusted for so long,
PATIENCE_NS = 60 * NS  # and only an age that is steady for this long proves it wrong: a backlog's is not
UNSTORED_NS = 86_400 * NS  # no terminal stores reports for longer
RECOVERY = 3  # fresh messages in a row that prove a clock right again
DELAY_NS = 10 * NS  # transport can be this late for long: a smaller age needs more proof
HALF_HOUR_NS, ZONE_NS_MAX = 1_800 * NS, 14 * 3_600 * NS
ON_TIME_NS = (-NS, 10 * NS)  # an age may differ so much from whole half hours, or days
CLOCK_FORGET_NS = 600 * NS  # the status no longer names a sender that was silent for so long

KINDS = ("", "time_zone", "offset", "stopped", "erratic", "registry", "rollover")
NO_FAULT, TIME_ZONE, OFFSET, STOPPED, ERRATIC, REGISTRY, ROLLOVER = range(7)

# Row of `ints` (n, N_CLOCK), int64
KIND, OFFSET_NS, SINCE_NS, TIMES, ACCEPTED_NS, SOUND_AT, FRESH_RUN, ODD_NS, STEADY_NS = range(9)
LAST_STAMP, LAST_KEY, N_AGES = 9, 10, 11
AGE, AT = 12, 12 + AGES  # the remembered ages and their arrivals, the oldest first
N_CLOCK = 12 + 2 * AGES
CLOCK_NAMES = (
    "kind", "offset_ns", "since_ns", "n", "accepted_ns", "sound_at_ns", "fresh_run", "odd_ns", "steady_ns",
    "last_stamp_ns", "last_key", "n_samples", *(f"age_{k}_ns" for k in range(AGES)),
    *(f"arrived_{k}_ns" for k in range(AGES)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFault:
    """The fault of one clock."""

    kind: str  # one of KINDS
    offset_s: float  # how far it is ahead of the arrivals; negative behind
    corrected: bool  # its stamps are corrected and used
    since_ns: int
    n: int  # messages since then


class Clocks:
    """The clocks of n senders."""

    def __init__(self, n: int, late_ns: int, patience_ns: int = PATIENCE_NS) -> None:
        """late_ns : the greatest age that is usual."""
        self.ints: I64 = np.zeros((n, N_CLOCK), dtype=np.int64)
        self._late_ns, self._patience_ns = late_ns, patience_ns

    def note(self, w: int, now_ns: int, stamp_ns: int, key: int) -> int:
        """Judge the freshest stamp of one arrival of sender w; return the kind of a new fault, else NO_FAULT.

        key : distinguishes messages of one stamp; a copy of the last message is no evidence
        """
        row, age_ns = self.ints[w], now_ns - stamp_ns
        row[ACCEPTED_NS] = now_ns
        fresh = -EARLY_NS <= age_ns <= self._late_ns
        if fresh and row[KIND] == NO_FAULT and row[N_AGES] == 0:  # the usual case
            row[SOUND_AT] = now_ns
            return NO_FAULT
        if row[LAST_STAMP] == stamp_ns and row[LAST_KEY] == key:
            return NO_FAULT
        row[LAST_STAMP], row[LAST_KEY] = stamp_ns, key
        behind_ns = -row[OFFSET_NS] if row[KIND] == OFFSET else 0
        if 0 < behind_ns < DELAY_NS and -EARLY_NS <= age_ns < behind_ns - SPREAD_NS_MIN:
            # a clock so far behind can't give such an age: transport is slow, and the clock is right
            self._clear(row)
            row[SOUND_AT], row[N_AGES], row[STEADY_NS] = now_ns, 0, 0
        if fresh:
            self._fresh(row, now_ns)
            return NO_FAULT
        row[FRESH_RUN] = 0
        if row[N_AGES] == 0:
            row[ODD_NS] = now_ns
        self._remember(row, now_ns, age_ns)
        found = self._judge(row, now_ns)
        row[TIMES] += row[KIND] != NO_FAULT
        if found is None:
            return NO_FAULT
        kind, offset_ns = found
        news = kind if kind != row[KIND] else NO_FAULT
        if row[KIND] == NO_FAULT:
            row[SINCE_NS], row[TIMES] = row[AT], row[N_AGES]
        row[KIND], row[OFFSET_NS] = kind, offset_ns
        return news

    def _fresh(self, row: I64, now_ns: int) -> None:
        row[SOUND_AT], row[N_AGES], row[STEADY_NS] = now_ns, 0, 0
        row[FRESH_RUN] = min(row[FRESH_RUN] + 1, RECOVERY)
        if row[FRESH_RUN] >= RECOVERY:
            self._clear(row)

    def _clear(self, row: I64) -> None:
        row[KIND], row[OFFSET_NS], row[SINCE_NS], row[TIMES] = NO_FAULT, 0, 0, 0

    def _remember(self, row: I64, now_ns: int, age_ns: int) -> None:
        n = int(row[N_AGES])
        if n and 0 <= now_ns - row[AT + n - 1] < APART_NS:
            row[AGE + n - 1] = min(row[AGE + n - 1], age_ns)
            return
        if n == AGES:
            for first in (AGE, AT):
                row[first : first + AGES - 1] = row[first + 1 : first + AGES].copy()
            n -= 1
        row[AGE + n], row[AT + n], row[N_AGES] = age_ns, now_ns, n + 1

    def _judge(self, row: I64, now_ns: int) -> tuple[int, int] | None:
        """Return kind and offset [ns] of the fault that the remembered ages prove, None without proof."""
        n = int(row[N_AGES])
        ages, at = row[AGE : AGE + n].tolist(), row[AT : AT + n].tolist()
        least, middle = min(ages), sorted(ages)[n // 2]
        if EARLY_NS < least < DELAY_NS:  # a few of many delays are alike by chance: all must be
            middle = max(ages)
        steady = middle - least <= _spread_ns(least, middle)
        row[STEADY_NS] = (row[STEADY_NS] or at[0]) if steady else 0
        if n < AGES_MIN or at[-1] - at[0] < SPAN_NS_MIN:
            return None
        if len({arrived - age for arrived, age in zip(at, ages, strict=True)}) == 1:
            return STOPPED, -ages[-1]
        ahead = middle < -EARLY_NS  # no transport explains it
        if steady:
            was_sound = row[SOUND_AT] > 0 and now_ns - row[SOUND_AT] <= SOUND_NS
            if ahead or not was_sound or now_ns - row[STEADY_NS] >= self._patience_ns:
                return kind_of(least)
        elif ahead or (least > UNSTORED_NS and now_ns - row[ODD_NS] >= self._patience_ns):
            return ERRATIC, -ages[-1]
        return None

    def doubtful(self, w: int) -> bool:
        """Whether the stamps of sender w must not be used."""
        return bool(self.ints[w, KIND] != NO_FAULT)

    def fault(self, w: int, t_ns: int) -> ClockFault | None:
        """Return the fault of the clock of sender w, if it sent within CLOCK_FORGET_NS."""
        row = self.ints[w]
        if row[KIND] == NO_FAULT or t_ns - row[ACCEPTED_NS] > CLOCK_FORGET_NS:
            return None
        return ClockFault(
            kind=KINDS[row[KIND]],
            offset_s=round(int(row[OFFSET_NS]) / NS, 1),
            corrected=False,
            since_ns=int(row[SINCE_NS]),
            n=int(row[TIMES]),
        )


def _spread_ns(least_ns: int, middle_ns: int) -> float:
    """Return how far the median of steady ages may lie above the least: transport times vary.

    Where the stamps lie ahead, only the clock can be the cause. Small ages must vary little to be steady:
    those of slow transport vary.
    """
    if middle_ns < -EARLY_NS:
        return SPREAD_NS_MAX
    return min(max(SPREAD_SHARE * least_ns, SPREAD_NS_MIN), SPREAD_NS_MAX)


def kind_of(least_ns: int) -> tuple[int, int]:
    """Return kind and offset [ns] of a steady fault from the least age: whole half hours are a time zone."""
    for whole_ns, kind in ((HALF_HOUR_NS, TIME_ZONE), (48 * HALF_HOUR_NS, OFFSET)):
        nearest_ns = round(least_ns / whole_ns) * whole_ns
        if kind == TIME_ZONE and abs(nearest_ns) > ZONE_NS_MAX:
            continue
        if nearest_ns and ON_TIME_NS[0] <= least_ns - nearest_ns <= ON_TIME_NS[1]:
            return kind, -nearest_ns
    return OFFSET, -least_ns


def common_offset_s(offsets_s: Sequence[float]) -> tuple[float, int]:
    """Return the offset that most clocks share, within SPREAD_NS_MAX, and how many do; (0, 0) of none."""
    ordered = np.sort(np.array(offsets_s, dtype=np.float64))
    if len(ordered) == 0:
        return 0.0, 0
    first = np.arange(len(ordered))
    n_alike = np.searchsorted(ordered, ordered + SPREAD_NS_MAX / NS, side="right") - first
    i = int(np.argmax(n_alike))
    return round(float(np.median(ordered[i : i + n_alike[i]])), 1), int(n_alike[i])


def add_count(counts: dict[str, int], reason: str, times: int = 1) -> None:
    """Count a reason so many times; zero leaves no entry."""
    if times:
        counts[reason] = counts.get(reason, 0) + times


def longer(old: Numbers, n: int) -> Numbers:
    """Return an array of n rows that begins with the old one; the others are zero."""
    new = np.zeros((n, *old.shape[1:]), dtype=old.dtype)
    new[: len(old)] = old
    return new
