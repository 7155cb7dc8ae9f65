"""Batches of JT/T 808 position reports (0x0704): whole ones, and what is left of damaged ones, pure.

Body: how many u16, kind u8, then for each report its length u16 and the report (2019 edition, sec. 8.49).
"""

import struct
from collections import Counter
from collections.abc import Iterator

from roadside.devices.errors import DeviceError
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808.location import HEAD_BYTES as REPORT_BYTES_MIN
from roadside.devices.jt808.location import Location

BATCH_NORMAL, BATCH_BLIND_AREA = 0, 1

_HEAD = struct.Struct(">HB")
HEAD_BYTES = _HEAD.size  # how many, and the kind
_U16 = struct.Struct(">H")


def encode_batch(reports: list[Location], kind: int = BATCH_NORMAL) -> bytes:
    bodies = [locations.encode(report) for report in reports]
    head = _HEAD.pack(len(bodies), kind)
    return head + b"".join(_U16.pack(len(body)) + body for body in bodies)


def decode_batch(body: bytes, counts: Counter[str]) -> tuple[int, list[Location]]:
    """Return a batch's kind and its readable reports; an unreadable one is counted and costs itself only.

    Counted: `batch.count` where there are more or fewer reports than the head says, `batch.length` for each
    report whose length is wrong, and the reports' own faults.
    Raises DeviceError `batch.length` or `batch.count` where nothing can be read though something should be.
    """
    if len(body) < HEAD_BYTES:
        raise DeviceError("batch.length")
    n_reports, kind = _HEAD.unpack_from(body)
    spans = _chained(body, HEAD_BYTES)
    if spans is None or len(spans) < n_reports:
        found = _salvaged(body, 0 if spans is None else len(spans), counts)
        if found:
            return kind, found
    if spans is None:
        raise DeviceError("batch.length")
    if not spans and n_reports:
        raise DeviceError("batch.count")
    reports: list[Location] = []
    for start, end in spans:
        _decode_one(body[start:end], reports, counts)
    if len(spans) != n_reports:
        counts["batch.count"] += 1
    return kind, reports


def _salvaged(body: bytes, n_chained: int, counts: Counter[str]) -> list[Location]:
    """Return the reports of a batch whose lengths are wrong, none where its lengths lead to as many."""
    faults: Counter[str] = Counter()
    found = salvage(body[HEAD_BYTES:], faults)
    if len(found) <= n_chained:
        return []
    counts.update(faults)
    return found


def salvage(body: bytes, counts: Counter[str]) -> list[Location]:
    """Return the reports that can be told apart in bytes that begin or end anywhere or have a wrong length.

    Each stretch of bytes that is no whole report counts `batch.length`. A report is recognised by its length,
    its date, its place on earth and items that end where it ends; one with a wrong length only is kept.
    """
    reports: list[Location] = []
    at = 0
    while at < len(body):
        report, end = _at(body, at)
        if report is not None and (_is_whole(report) or _ends(body, at, end)):
            reports.append(report)
            at = end
            continue
        counts["batch.length"] += 1
        head = _decoded(body[at + 2 : at + 2 + REPORT_BYTES_MIN])
        if head is not None:
            reports.append(head)
        at = _next_report(body, at + (2 + REPORT_BYTES_MIN if head is not None else 1))
    return reports


def _chained(body: bytes, at: int) -> list[tuple[int, int]] | None:
    """Return where each report starts and ends, None where the lengths don't lead to the body's end."""
    spans: list[tuple[int, int]] = []
    while at < len(body):
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        if len(body) < at + 2 or len(body) < end:
            return None
        spans.append((at + 2, end))
        at = end
    return spans


def _decode_one(body: bytes, reports: list[Location], counts: Counter[str]) -> None:
    try:
        reports.append(locations.decode(body))
    except DeviceError as error:  # one report costs itself only
        counts[error.reason] += 1


def _next_report(body: bytes, start: int) -> int:
    """Return where the next whole report begins, the body's end where none does."""
    return next((at for at, _ in _whole_reports(body, start, len(body))), len(body))


def _whole_reports(body: bytes, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """Yield where whole reports begin and end, at any byte."""
    for at in range(start, stop - REPORT_BYTES_MIN - 1):
        report, end = _at(body, at)
        if report is not None and _is_whole(report):
            yield at, end


def _is_whole(report: Location) -> bool:
    """Say whether its items end where it ends; an item 0, in no standard, is the next report's length."""
    return not report.tail and all(key for key, _ in report.items)


def _ends(body: bytes, at: int, end: int) -> bool:
    """Say whether a report with a tail that nobody knows ends here, and has not swallowed the next one."""
    if end < len(body) and _at(body, end)[0] is None:
        return False
    return all(inner_end != end for _, inner_end in _whole_reports(body, at + 2 + REPORT_BYTES_MIN, end))


def _at(body: bytes, at: int) -> tuple[Location | None, int]:
    """Return the report whose length stands at `at`, and where it ends; None where none can be."""
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if end < at + 2 + REPORT_BYTES_MIN or end > len(body):
        return None, end
    return _decoded(body[at + 2 : end]), end


def _decoded(body: bytes) -> Location | None:
    try:
        report = locations.decode(body)
    except DeviceError:  # no report: the caller counts the stretch
        return None
    return report if report.on_earth else None
