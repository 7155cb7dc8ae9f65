"""From a pole radar's records to its scans: what was split is joined, true stamps are recovered. Pure.

The radar writes timeStamp = (epoch_s + ms_of_second) * 1000. So within a second the field grows with the
milliseconds, and falls by 899 s where a second is full. The differences give the true steps back (below a
second, without doubt), the absolute time only to within the second's milliseconds taken as seconds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from fusion.times import STAMP_NS_MAX, STAMP_NS_MIN
from sim.importers.openv2x_records import Record, Target

DAY_MS = 86_400_000
PERIOD_MS = 100  # 10 Hz, when the field tells nothing


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan: its recovered stamp and all its targets."""

    stamp_ms: int
    targets: tuple[Target, ...]


def scans_of(records: Sequence[Record], counts: Counter[str]) -> tuple[list[Scan], int]:
    """Return the scans in order, stamps strictly growing, and how far [ms] the absolute time may be off."""
    joined = _joined(_of_one_time(records, counts), counts)
    if not joined:
        return [], 0
    fields_ms = [record.field_ms for record in joined]
    if any(field % 1_000 for field in fields_ms) or len(joined) == 1:
        stamps_ms, off_ms = _plain(fields_ms, counts), 0
    else:
        stamps_ms, off_ms = _recovered([field // 1_000 for field in fields_ms], counts)
    scans = [Scan(stamp, record.targets) for stamp, record in zip(stamps_ms, joined, strict=True)]
    sound = [scan for scan in scans if STAMP_NS_MIN <= scan.stamp_ms * 1_000_000 <= STAMP_NS_MAX]
    counts["stamp_range"] += len(scans) - len(sound)  # seconds, microseconds: no recording may bear them
    return sound, off_ms


def _of_one_time(records: Sequence[Record], counts: Counter[str]) -> list[Record]:
    """Leave out what is stamped more than a day from the others."""
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
    stamps = [fields_ms[0]]
    for field in fields_ms[1:]:
        if field <= stamps[-1]:
            counts["stamp_order"] += 1
            field = stamps[-1] + PERIOD_MS
        stamps.append(field)
    return stamps


def _recovered(fields: Sequence[int], counts: Counter[str]) -> tuple[list[int], int]:
    """Undo the bug: field = s + ms. Returns the stamps and how far all of them may be off together."""
    since = [0]  # ms since the first scan
    seconds = [0]  # whole seconds that passed, as the field tells them
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
        return PERIOD_MS, 0  # the field stands still, the radar does not
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
