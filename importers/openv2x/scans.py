"""From a pole radar's records to its scans: split scans are joined, true stamps are recovered. Pure.

One kind of radar writes timeStamp = (epoch_s + ms_of_second) * 1000; others write true milliseconds, which
may be whole seconds too. Which it is, the movers decide: their way must be speed x time.

In the former, the field grows with the milliseconds within a second, and falls by 899 s where it is full. The
differences give the true steps back (below a second, without doubt), the absolute time only to within the
second's milliseconds read as seconds.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from importers.motion import DOUBT, MOVER_MPS_MIN, Leg, bearing_rad, misfit, turn_rad, way_m
from importers.openv2x.records import Record, Target

DAY_MS = 86_400_000
PERIOD_MS = 100  # 10 Hz, when the field has no information
TRUE_STEP_S_MAX = 5.0  # between scans, of a field that shows milliseconds
BROKEN_STEP_MIN = 20.0  # milliseconds between scans at least, which the broken field shows as seconds


@dataclass(frozen=True, slots=True)
class LogScan:
    """One scan: its recovered stamp and all its targets."""

    stamp_ms: int
    targets: tuple[Target, ...]


def scans_of(records: Sequence[Record], counts: Counter[str]) -> tuple[list[LogScan], int]:
    """Return the scans in order, stamps strictly growing, and how far [ms] the absolute time may be off."""
    joined = _joined(_of_one_time(records, counts), counts)
    if not joined:
        return [], 0
    timed, stamps_ms, off_ms = _timed(joined, counts)
    scans = [LogScan(stamp, record.targets) for stamp, record in zip(stamps_ms, timed, strict=True)]
    sound = [scan for scan in scans if STAMP_NS_MIN <= scan.stamp_ms * 1_000_000 <= STAMP_NS_MAX]
    counts["stamp_range"] += len(scans) - len(sound)  # seconds, microseconds: no recording may bear them
    return sound, off_ms


def legs_of(scans: Sequence[LogScan]) -> list[Leg]:
    """Return the ways of all movers from scan to scan."""
    stamps_ms = [scan.stamp_ms for scan in scans]
    return [
        Leg((stamps_ms[i + 1] - stamps_ms[i]) / 1e3, *way)
        for i, *way in _ways([scan.targets for scan in scans])
    ]


def _ways(rows: Sequence[Sequence[Target]]) -> list[tuple[int, float, float, float]]:
    """Return (row, way [m], stated speed [m/s], heading off the way [rad]) of each mover from row to row."""
    ways = []
    for i, (row, following) in enumerate(pairwise(rows)):
        before = {target.id: target for target in row}
        for target in following:
            other = before.get(target.id)
            if other is not None and min(abs(other.speed_mps), abs(target.speed_mps)) >= MOVER_MPS_MIN:
                places = (other.lon_deg, other.lat_deg, target.lon_deg, target.lat_deg)
                speed = (abs(other.speed_mps) + abs(target.speed_mps)) / 2.0
                turn = turn_rad(bearing_rad(*places), math.radians(target.heading_deg))
                ways.append((i, way_m(*places), speed, turn))
    return ways


class _Timing(NamedTuple):
    """One way to read the stamps."""

    records: Sequence[Record]
    stamps_ms: list[int]
    off_ms: int
    counts: Counter[str]
    likely: bool  # by the stamps alone

    def misfit(self) -> float | None:
        """Return how badly speeds, places and these times fit; None where nothing moves."""
        ways = _ways([record.targets for record in self.records])
        legs = [Leg((self.stamps_ms[i + 1] - self.stamps_ms[i]) / 1e3, *way) for i, *way in ways]
        return misfit(legs)


def _timed(records: Sequence[Record], counts: Counter[str]) -> tuple[Sequence[Record], list[int], int]:
    """Return records, stamps and how far these may be off, read in the way that the motion fits best.

    Where nothing moves the stamps alone decide, and a doubt is counted.
    """
    timings = _timings(records)
    misfits = [timing.misfit() for timing in timings]
    known = [value for value in misfits if value is not None]
    if len(timings) > 1 and known and len(known) == len(timings):
        # the broken field in the order of its numbers fits too: those of one millisecond, a second apart
        likely = [m - math.log(DOUBT) * timing.likely for m, timing in zip(known, timings, strict=True)]
        best = timings[likely.index(min(likely))]
    else:
        best = next(timing for timing in timings if timing.likely)
        fields = [record.field_ms for record in records]
        steps_s = [abs(b - a) / 1e3 for a, b in pairwise(fields) if a != b]
        doubtful = len(timings) > 1 and steps_s and TRUE_STEP_S_MAX < median(steps_s) < BROKEN_STEP_MIN
        counts["stamp_doubtful"] += bool(doubtful)
    counts += best.counts
    return best.records, best.stamps_ms, best.off_ms


def _timings(records: Sequence[Record]) -> list[_Timing]:
    """Return the ways in which the stamps may be meant, at least one of them likely."""
    fields = [record.field_ms for record in records]
    grows = all(a < b for a, b in pairwise(fields))
    steps_s = [(b - a) / 1e3 for a, b in pairwise(fields) if a != b]
    whole = not any(field % 1_000 for field in fields) and len(records) > 1
    broken = whole and not (grows and median(steps_s) < BROKEN_STEP_MIN)
    found = []
    in_order: Counter[str] = Counter()
    found.append(_Timing(records, _plain(fields, in_order), 0, in_order, not broken))
    if not grows and len(set(fields)) == len(fields):
        n_moved = sum(b < a for a, b in pairwise(fields))
        by_stamp = sorted(records, key=lambda record: record.field_ms)
        likely = not broken
        found.insert(0, _Timing(by_stamp, sorted(fields), 0, Counter(stamp_order=n_moved), likely))
    if whole:
        undone: Counter[str] = Counter()
        stamps_ms, off_ms = _recovered([field // 1_000 for field in fields], undone)
        found.append(_Timing(records, stamps_ms, off_ms, undone, broken))
    return found


def _of_one_time(records: Sequence[Record], counts: Counter[str]) -> list[Record]:
    """Leave out records stamped more than a day from the others."""
    if not records:
        return []
    middle = sorted(record.field_ms for record in records)[len(records) // 2]
    kept = [record for record in records if abs(record.field_ms - middle) <= DAY_MS]
    counts["stamp_far"] += len(records) - len(kept)
    return kept


def _joined(records: Sequence[Record], counts: Counter[str]) -> list[Record]:
    """Join consecutive records of one stamp whose targets differ; a repeated record is left out."""
    joined: list[Record] = []
    last: Record | None = None
    for record in records:
        before, last = last, record
        if record == before:
            counts["repeated_record"] += 1
            continue
        if joined and joined[-1].field_ms == record.field_ms:
            known = {target.id for target in joined[-1].targets}  # only asked, never iterated
            if not any(target.id in known for target in record.targets):
                counts["split_scan"] += 1
                joined[-1] = Record(record.field_ms, joined[-1].targets + record.targets)
                continue
            counts["stamp_repeated"] += 1  # another scan under the same stamp
        joined.append(record)
    return joined


def _plain(fields_ms: Sequence[int], counts: Counter[str]) -> list[int]:
    """Return true stamps as they are; one that does not grow follows the one before by a period."""
    steps = [b - a for a, b in pairwise(fields_ms) if b > a]
    period_ms = round(median(steps)) if steps else PERIOD_MS
    stamps = [fields_ms[0]]
    for field in fields_ms[1:]:
        if field <= stamps[-1]:
            counts["stamp_order"] += 1
            field = stamps[-1] + period_ms
        stamps.append(field)
    return stamps


def _recovered(fields: Sequence[int], counts: Counter[str]) -> tuple[list[int], int]:
    """Undo the bug: field = s + ms. Returns the stamps and how far all of them may be off together."""
    since = [0]  # ms since the first scan
    seconds = [0]  # whole seconds that passed, by the field
    sound: int | None = None  # how many scans the field explains, from the first one on; None: all
    for before, field in pairwise(fields):
        step_ms, passed = _step(field - before, counts)
        if field == before or not -999 < field - before <= 999:
            sound = len(since) if sound is None else sound
        since.append(since[-1] + step_ms)
        seconds.append(seconds[-1] + passed)
    # with the first scan at millisecond m of its second: 0 <= m + since - 1000 * seconds <= 999 for each scan
    within = [ms - 1_000 * passed for ms, passed in zip(since, seconds, strict=True)][:sound]
    low, high = -min(within), 999 - max(within)
    first_ms = min(max((low + high) // 2, 0), 999)
    start_ms = (fields[0] - first_ms) * 1_000 + first_ms
    off_ms = max(0, high - low) * 1_000
    return [start_ms + ms for ms in since], off_ms


def _step(difference: int, counts: Counter[str]) -> tuple[int, int]:
    """Return (ms, whole seconds) from one scan to the next: difference = seconds + change of the ms."""
    if difference == 0:
        return PERIOD_MS, 0  # the field is constant, the radar's time is not
    if difference < 0:
        counts["stamp_order"] += 1  # the field runs backwards, the time does not
    if -999 < difference <= 999:
        passed = 0 if difference > 0 else 1
        return difference + 999 * passed, passed
    if difference > 999:
        counts["stamp_gap"] += 1
        return difference * 1_000, difference
    counts["stamp_lost"] += 1
    return PERIOD_MS, 0
