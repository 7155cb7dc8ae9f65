"""Batches of JT/T 808 position reports (0x0704): whole ones, and the sound parts of damaged ones. Pure.

Body: how many u16, kind u8, then for each report its length u16 and the report (2019 edition, sec. 8.49).
"""

import struct
from bisect import bisect_left
from collections import Counter

from core.errors import DeviceError
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808.frame import BODY_BYTES_MAX
from roadside.devices.jt808.location import HEAD_BYTES as REPORT_BYTES_MIN
from roadside.devices.jt808.location import Location

BATCH_NORMAL, BATCH_BLIND_AREA = 0, 1

_HEAD = struct.Struct(">HB")
_SEEMING_MIN = 64
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
    """Return the reports that can be separated in bytes that begin or end anywhere or have a wrong length.

    Each stretch of bytes that is no whole report counts `batch.length`. A report is recognised by its length,
    its date, its place on earth and items that end where it ends; one with a wrong length only is kept.
    """
    whole = _whole_reports(body)
    starts = list(whole)
    reports: list[Location] = []
    at = 0
    while at < len(body):
        end = whole.get(at)
        if end is None:
            end = _end_of_report(body, at)
            next_start = _next(starts, at + 2 + REPORT_BYTES_MIN, len(body))
            # an unknown tail is accepted, unless the next report begins in it
            if end is not None and (not _begins(body, end) or next_start < end):
                end = None
        if end is not None:
            reports.append(locations.decode(body[at + 2 : end]))
            at = end
            continue
        counts["batch.length"] += 1
        head = _decoded(body[at + 2 : at + 2 + REPORT_BYTES_MIN])
        if head is not None:
            reports.append(head)
        at = _next(starts, at + (2 + REPORT_BYTES_MIN if head is not None else 1), len(body))
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


def _next(starts: list[int], at: int, otherwise: int) -> int:
    """Return the first start from `at` on."""
    i_next = bisect_left(starts, at)
    return starts[i_next] if i_next < len(starts) else otherwise


def _whole_reports(body: bytes) -> dict[int, int]:
    """Return where whole reports begin and end, at any byte, in the order of their beginnings.

    Where more reports seem to begin than have room, the bytes were made to be searched for long: it stops.
    """
    found: dict[int, int] = {}
    n_more = _SEEMING_MIN + 2 * len(body) // REPORT_BYTES_MIN
    for at in range(len(body) - REPORT_BYTES_MIN - 1):
        end = _end_of_report(body, at)
        if end is None:
            continue
        if _has_whole_items(body, at + 2 + REPORT_BYTES_MIN, end):
            found[at] = end
        n_more -= 1
        if n_more == 0:
            break
    return found


def _end_of_report(body: bytes, at: int) -> int | None:
    """Return the end of a report whose length field is at `at`; None where none can begin there."""
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if not REPORT_BYTES_MIN <= end - at - 2 <= BODY_BYTES_MAX or end > len(body):
        return None
    month, day = body[at + 25], body[at + 26]  # BCD: cheaper to look at than to decode at each byte
    if not (0x01 <= month <= 0x12 and 0x01 <= day <= 0x31):
        return None
    return end if _decoded(body[at + 2 : at + 2 + REPORT_BYTES_MIN]) is not None else None


def _has_whole_items(body: bytes, at: int, end: int) -> bool:
    """Say whether items end where their report ends; item 0, in no standard, is the next report's length."""
    while at + 2 <= end and body[at]:
        at += 2 + body[at + 1]
    return at == end


def _begins(body: bytes, at: int) -> bool:
    """Say whether a report begins here, or the body ends."""
    return at == len(body) or _end_of_report(body, at) is not None


def _decoded(body: bytes) -> Location | None:
    try:
        report = locations.decode(body)
    except DeviceError:  # no report: the caller counts the stretch
        return None
    return report if report.on_earth else None
