"""A receiver's NMEA log to a recording: every epoch with a place, and how many were refused for what."""

import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from edge.wire import GnssFix, encode
from fusion.terminal_clocks import ROLLOVER_NS
from roadside.devices.nmea import NmeaReader
from sim.importers.site import site_record
from sim.importers.tape import InputTape

TERMINAL = "NMEA"
ERA_FIXES_MIN = 3  # one odd date is no era
CLOCK_NS = 86_400_000_000_000  # a stamp further from the others is a clock that had not found its day yet
PIECE_BYTES = 4_096  # a log is fed as a stream, as the device sends it


def read(data: bytes, counts: Counter[str]) -> list[GnssFix]:
    """Return the epochs of a log in its order; what is none is counted by reason."""
    reader = NmeaReader(TERMINAL, counts)
    fixes: list[GnssFix] = []
    while data.startswith(b"#"):  # the head that gpsd writes above a log
        data = data.partition(b"\n")[2]
    for start in range(0, len(data), PIECE_BYTES):
        fixes += reader.feed(data[start : start + PIECE_BYTES])
    fixes += reader.feed(b"\r\n")  # a last sentence without an end
    fixes += reader.flush()
    if not reader.n_sentences:
        counts["nmea.no_sentence"] += 1  # packed, of another encoding, or no log at all
    dated = [fix for fix in fixes if fix.device_stamp_ns is None]
    if len(dated) < len(fixes):  # a clock that was never set; nothing else dates a log
        counts["nmea.stamp"] += len(fixes) - len(dated)
    return _of_one_time(dated, counts)


def _of_one_time(fixes: list[GnssFix], counts: Counter[str]) -> list[GnssFix]:
    """Put whole rollovers right, leave out what a cold clock stamped, count what goes back in time."""
    if not fixes:
        return fixes
    good = [fix.stamp_ns for fix in fixes if fix.quality != "none"] or [fix.stamp_ns for fix in fixes]
    middle_ns = _right_era(statistics.median_low(good), good)
    kept: list[GnssFix] = []
    for each in fixes:
        fix = each
        weeks_ns = round((middle_ns - fix.stamp_ns) / ROLLOVER_NS) * ROLLOVER_NS
        if weeks_ns > 0 and abs(fix.stamp_ns + weeks_ns - middle_ns) <= CLOCK_NS:
            counts["nmea.rollover"] += 1
            fix = msgspec.structs.replace(fix, stamp_ns=fix.stamp_ns + weeks_ns)
        if abs(fix.stamp_ns - middle_ns) > CLOCK_NS:
            counts["nmea.clock"] += 1
            continue
        if kept and fix.stamp_ns <= kept[-1].stamp_ns:
            counts["nmea.stamp_order"] += 1  # kept: the tracker knows what to do with a late one
        kept.append(fix)
    return kept


def _right_era(middle_ns: int, good: Sequence[int]) -> int:
    """Return the moment of most fixes, in whichever era of 1 024 weeks is the latest that several are in.

    A week number that rolls over sends a clock back, never ahead.
    """
    eras = Counter(
        round((stamp_ns - middle_ns) / ROLLOVER_NS)
        for stamp_ns in good
        if abs((stamp_ns - middle_ns + ROLLOVER_NS // 2) % ROLLOVER_NS - ROLLOVER_NS // 2) <= CLOCK_NS
    )
    return middle_ns + ROLLOVER_NS * max(era for era, n in eras.items() if n >= ERA_FIXES_MIN or era == 0)


def import_nmea(source: Path, out: Path) -> dict[str, Any]:
    """Write the recording; returns messages, fixes and what was rejected, by reason."""
    counts: Counter[str] = Counter()
    fixes = read(source.read_bytes(), counts)
    good = [fix for fix in fixes if fix.quality != "none"]
    origin = _origin(good or fixes)
    note = "The frame's zero is the first good fix; there is no map of the road."
    if not fixes:
        note = "The log holds no place at all."
    with InputTape(out, site_record("nmea", note, origin), fixes[0].stamp_ns if fixes else None) as tape:
        for fix in fixes:
            tape.put("/gnss", encode(fix), fix.stamp_ns, fix.stamp_ns)
    counts += tape.counts
    return {
        "messages": len(fixes),
        "fixes": len(good),
        "quality": dict(sorted(Counter(fix.quality or "none" for fix in fixes).items())),
        "rejected": dict(sorted(counts.items())),
        "origin": list(origin),
    }


def _origin(fixes: Sequence[GnssFix]) -> tuple[float, float]:
    """Return the first place that a site's frame can have as its zero."""
    for fix in fixes:
        if abs(fix.lat_deg) <= 85.0:
            return fix.lon_deg, fix.lat_deg
    return 0.0, 0.0
