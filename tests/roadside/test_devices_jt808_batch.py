"""Batches of JT/T 808 reports: a damaged report or a wrong count costs itself only."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import DeviceError
from roadside.devices.jt808 import batch as batches
from roadside.devices.jt808 import location as locations
from roadside.devices.jt808.frame import Splitter
from roadside.devices.jt808.location import Location, encode

FIELD = Path(__file__).parents[1] / "data" / "devices"
NS = 1_000_000_000


def report(i: int, **more) -> Location:
    return Location(**{
        "status": 3, "lat_e6": 41_000_000 + i, "lon_e6": 122_000_000 + i, "alt_m": 5, "speed_dkmh": 200,
        "course_deg": 90, "stamp_ns": (1_790_000_000 + i) * NS,
        "items": ((0x01, (1_000 + i).to_bytes(4, "big")), (0x31, b"\x09")), **more,
    })  # fmt: skip


REPORTS = [report(i) for i in range(5)]
BODIES = [encode(each) for each in REPORTS]


def batch(bodies: list[bytes], lengths: list[int] | None = None, n_reports: int | None = None) -> bytes:
    lengths = [len(body) for body in bodies] if lengths is None else lengths
    head = (len(bodies) if n_reports is None else n_reports).to_bytes(2, "big") + b"\1"
    return head + b"".join(
        length.to_bytes(2, "big") + body for length, body in zip(lengths, bodies, strict=True)
    )


def read(body: bytes) -> tuple[list[int], Counter[str]]:
    """Which reports were read, by their stamp, and what was counted."""
    counts: Counter[str] = Counter()
    _, reports = batches.decode_batch(body, counts)
    return [(each.stamp_ns // NS) - 1_790_000_000 for each in reports], counts


def changed(i: int, at: int, value: bytes) -> list[bytes]:
    body = BODIES[i][:at] + value + BODIES[i][at + len(value) :]
    return [*BODIES[:i], body, *BODIES[i + 1 :]]


@pytest.mark.parametrize("n_reports", [3, 4, 5, 65_535])
def test_whole_reports_are_accepted_whatever_the_count_says(n_reports):
    found, counts = read(batch(BODIES, n_reports=n_reports))
    assert found == [0, 1, 2, 3, 4]
    assert counts == ({} if n_reports == 5 else {"batch.count": 1})


def test_batch_of_the_field_whose_count_differs():
    for line in (FIELD / "j3_batch_count_differs.hex").read_text().split():
        (frame,) = Splitter(Counter()).feed(bytes.fromhex(line))
        counts: Counter[str] = Counter()
        _, reports = batches.decode_batch(frame.body, counts)
        assert len(reports) == 4
        assert counts == {"batch.count": 1}


@pytest.mark.parametrize(
    ("bodies", "counted"),
    [
        (changed(2, 22, b"\x26\x13\x01"), "location.time"),  # month 13
        (changed(2, 22, b"\x2a"), "location.time"),  # no BCD
        (changed(2, 22, bytes(6)), "location.time"),  # a receiver that never had a time
        ([*BODIES[:2], BODIES[2][:27], *BODIES[3:]], "location.length"),
        ([*BODIES[:2], b"", *BODIES[3:]], "location.length"),
    ],
)
def test_broken_report_costs_itself_only(bodies, counted):
    found, counts = read(batch(bodies))
    assert found == [0, 1, 3, 4]
    assert counts == {counted: 1}


@pytest.mark.parametrize("i", range(5))
@pytest.mark.parametrize("length", [0, 1, 27, 28, 33, 39, 71, 74, 113, 1_000, 65_535])
def test_wrong_length_costs_nobody_else(i, length):
    """37 is right; 76 and 115 would lead to the next report but one: whole, so that only the count tells."""
    lengths = [len(body) for body in BODIES]
    lengths[i] = length
    found, counts = read(batch(BODIES, lengths))
    assert set(found) >= {0, 1, 2, 3, 4} - {i}
    assert found == sorted(set(found))
    assert counts["batch.length"] >= 1


@pytest.mark.parametrize("length", [76, 115])
def test_length_that_swallows_whole_reports_is_seen_by_the_count(length):
    assert len(BODIES[0]) == 37
    found, counts = read(batch(BODIES, [37, length, 37, 37, 37]))
    assert found == [0, 1, 2, 3, 4]
    assert counts["batch.length"] == 1


def test_bytes_made_to_be_searched_for_long_are_not(monkeypatch):
    """Each second report has a wrong length, which leads to the end of a sound one far away."""
    decoded: list[int] = []
    decode = locations.decode
    monkeypatch.setattr(locations, "decode", lambda body: decoded.append(len(body)) or decode(body))
    n_reports = 1_000
    bodies = [BODIES[0]] * n_reports
    lengths = [37 + 39 * 20 if i % 2 == 0 and i < n_reports - 40 else 37 for i in range(n_reports)]
    found, _ = read(batch(bodies, lengths))
    assert len(found) == n_reports
    assert sum(decoded) < 10 * 39 * n_reports


def test_bytes_in_which_a_report_seems_to_begin_anywhere_are_not_searched_to_the_end(monkeypatch):
    decoded: list[int] = []
    decode = locations.decode
    monkeypatch.setattr(locations, "decode", lambda body: decoded.append(len(body)) or decode(body))
    with suppress(DeviceError):
        batches.decode_batch(b"\xff\xff\x01" + b"\x01" * 50_000, Counter())
    assert sum(decoded) < 10 * 50_000


def test_two_faults_at_once_cost_two_reports():
    bodies = changed(1, 22, b"\x26\x13\x01")  # month 13
    found, counts = read(batch(bodies, [37, 37, 37, 200, 37]))
    assert found == [0, 2, 3, 4]
    assert counts["batch.length"] == 2


def test_vendors_tail_is_no_reason_to_cut_a_report():
    tailed = [body + b"\xeb\x40\x01" for body in BODIES]
    assert read(batch(tailed))[0] == [0, 1, 2, 3, 4]
    assert read(batch(tailed) + b"\xff\xff\xff")[0] == [0, 1, 2, 3, 4]  # and garbage at the end


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "batch.length"),
        (b"\0\1", "batch.length"),
        (b"\0\1\0\0\1", "batch.length"),
        (b"\0\5\0", "batch.count"),
        (b"\0\1\0" + b"\xff" * 200, "batch.length"),
    ],
)
def test_batch_without_anything_to_read_is_refused(body, reason):
    with pytest.raises(DeviceError, match=reason):
        batches.decode_batch(body, Counter())


def test_empty_batch_is_no_fault():
    assert read(b"\0\0\1") == ([], {})


@given(cut=st.integers(3, 197))
def test_cut_batch_keeps_every_report_before_the_cut(cut):
    body = batch(BODIES)[:cut]
    whole = (cut - 3) // 39
    try:
        found, _ = read(body)
    except DeviceError:  # not even the head of one
        found = []
    assert found[:whole] == list(range(whole))
    assert len(found) <= whole + 1


@given(body=st.binary(max_size=300), at=st.integers(0, 197))
def test_any_bytes_between_reports_raise_nothing_but_a_device_error(body, at):
    mixed = batch(BODIES)[:at] + body + batch(BODIES)[at:]
    counts: Counter[str] = Counter()
    try:
        batches.decode_batch(mixed, counts)
    except DeviceError as error:
        assert error.reason.startswith("batch.")  # noqa: PT017 - either outcome is right
