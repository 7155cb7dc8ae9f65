"""A receiver's NMEA log to a recording: every epoch with a place; the refused ones are counted by reason."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.wire import GnssFix, encode
from fusion.timekeeping import ROLLOVER_NS
from importers.site import site_record
from importers.tape import InputTape
from roadside.devices.nmea.lines import SKIPPED
from roadside.devices.nmea.reader import Date, NmeaReader

TERMINAL = "NMEA"
ERA_FIXES_MIN = 3  # one odd date is no era
CLOCK_NS = 86_400_000_000_000  # a stamp further from the others is a clock that had not found its day yet
PIECE_BYTES = 4_096  # a log is fed as a stream, as the device sends it


def read(data: bytes, counts: Counter[str], skipped: Counter[str] | None = None) -> list[GnssFix]:
    """Return the epochs of a log in its order; other parts are counted by reason.

    skipped : counts whole sentences that are not read, by kind
    """
    while data.startswith(b"#"):  # the head that gpsd writes above a log
        data = data.partition(b"\n")[2]
    fixes, reader, faults = _read_once(data, None)
    if faults["nmea.no_date"] and reader.first_date is not None:  # stated later: it held before as well
        n_dated = len(fixes)
        fixes, reader, faults = _read_once(data, reader.first_date)
        faults["nmea.dated_later"] += len(fixes) - n_dated
    if not reader.n_sentences:
        faults["nmea.no_sentence"] += 1  # packed, of another encoding, or no log at all
    counts.update(+faults)
    if skipped is not None:
        skipped.update(reader.skipped)
    return _of_one_time(fixes, counts)


def _read_once(data: bytes, date: Date | None) -> tuple[list[GnssFix], NmeaReader, Counter[str]]:
    counts: Counter[str] = Counter()
    reader = NmeaReader(TERMINAL, counts, date=date)
    fixes: list[GnssFix] = []
    for start in range(0, len(data), PIECE_BYTES):
        fixes += reader.feed(data[start : start + PIECE_BYTES])
    fixes += reader.end()
    dated = [fix for fix in fixes if fix.device_stamp_ns is None]
    if len(dated) < len(fixes):  # a clock that was never set; nothing else dates a log
        counts["nmea.stamp"] += len(fixes) - len(dated)
    return dated, reader, counts


def _of_one_time(fixes: list[GnssFix], counts: Counter[str]) -> list[GnssFix]:
    """Correct whole rollovers, leave out stamps of a cold clock, count steps back in time."""
    if not fixes:
        return fixes
    good = [fix.stamp_ns for fix in fixes if fix.quality != "none"] or [fix.stamp_ns for fix in fixes]
    first_ns, last_ns = _right_era(*_longest_run(sorted(good)), good)
    kept: list[GnssFix] = []
    for each in fixes:
        fix = each
        weeks_ns = round((first_ns - fix.stamp_ns) / ROLLOVER_NS) * ROLLOVER_NS
        if weeks_ns > 0 and first_ns - CLOCK_NS <= fix.stamp_ns + weeks_ns <= last_ns + CLOCK_NS:
            counts["nmea.rollover"] += 1
            fix = msgspec.structs.replace(fix, stamp_ns=fix.stamp_ns + weeks_ns)
        if not first_ns - CLOCK_NS <= fix.stamp_ns <= last_ns + CLOCK_NS:
            counts["nmea.clock"] += 1
            continue
        if kept and fix.stamp_ns <= kept[-1].stamp_ns:
            counts["nmea.stamp_order"] += 1  # kept: the tracker handles late ones
        kept.append(fix)
    return kept


def _longest_run(stamps: list[int]) -> tuple[int, int]:
    """Return the first and last of most stamps without a gap of CLOCK_NS: a log may last for days."""
    ends = [i for i in range(1, len(stamps)) if stamps[i] - stamps[i - 1] > CLOCK_NS] + [len(stamps)]
    runs = list(zip([0, *ends[:-1]], ends, strict=True))
    start, end = max(runs, key=lambda run: run[1] - run[0])
    return stamps[start], stamps[end - 1]


def _right_era(first_ns: int, last_ns: int, good: Sequence[int]) -> tuple[int, int]:
    """Return the ends of the longest run, in the latest era of 1 024 weeks that several fixes are in.

    A week number that rolls over sends a clock back, never ahead.
    """
    eras: Counter[int] = Counter()
    for stamp_ns in good:
        era = round((stamp_ns - first_ns) / ROLLOVER_NS)
        if first_ns - CLOCK_NS <= stamp_ns - era * ROLLOVER_NS <= last_ns + CLOCK_NS:
            eras[era] += 1
    shift_ns = ROLLOVER_NS * max(era for era, n in eras.items() if n >= ERA_FIXES_MIN or era == 0)
    return first_ns + shift_ns, last_ns + shift_ns


def import_nmea(source: Path, out: Path) -> dict[str, Any]:
    """Write the recording; returns messages and fixes, rejected ones by reason, skipped ones by kind."""
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    fixes = read(source.read_bytes(), counts, skipped)
    good = [fix for fix in fixes if fix.quality != "none"]
    origin = _origin(good or fixes)
    note = "The frame's zero is the first good fix; there is no map of the road."
    if not fixes:
        note = "The log holds no place at all."
    with InputTape(out, site_record("nmea", note, origin), fixes[0].stamp_ns if fixes else None) as tape:
        for fix in fixes:
            tape.add_input("/gnss", encode(fix), fix.stamp_ns, fix.stamp_ns)
    counts += tape.counts
    return {
        "messages": len(fixes),
        "fixes": len(good),
        "quality": dict(sorted(Counter(fix.quality or "none" for fix in fixes).items())),
        "rejected": dict(sorted(counts.items())),
        "skipped": {kind.removeprefix(f"{SKIPPED}."): n for kind, n in sorted(skipped.items())},
        "origin": list(origin),
    }


def _origin(fixes: Sequence[GnssFix]) -> tuple[float, float]:
    """Return the first place that a site's frame can have as its zero."""
    for fix in fixes:
        if abs(fix.lat_deg) <= 85.0:
            return fix.lon_deg, fix.lat_deg
    return 0.0, 0.0
