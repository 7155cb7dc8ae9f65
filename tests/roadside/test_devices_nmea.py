"""NMEA receivers: epochs, dates and what must not become a position."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.wire import decode_fix, encode
from roadside.devices.nmea.lines import SENTENCE_BYTES_MAX
from roadside.devices.nmea.reader import NmeaReader

NS = 1_000_000_000
DATA = Path(__file__).parents[1] / "data"


def line(body: str) -> bytes:
    total = 0
    for byte in body.encode():
        total ^= byte
    return f"${body}*{total:02X}\r\n".encode()


UNREAD = {"nmea.field": 1, "nmea.no_date": 1}  # nor was the date taken from such a sentence

# A real receiver's epoch (u-blox ZED-F9R, RTK float; gpsd regression data, BSD-2).
EPOCH = [
    line("GNRMC,231408.00,A,4503.94632,N,00739.54368,E,0.013,,110425,,,F,V"),
    line("GNVTG,,T,,M,0.013,N,0.024,K,D"),
    line("GNGGA,231408.00,4503.94632,N,00739.54368,E,5,12,0.63,257.4,M,47.2,M,,0041"),
    line("GNGST,231408.00,47,,,,0.075,0.053,0.10"),
]


def later(epoch: list[bytes], second: int) -> list[bytes]:
    bodies = [sentence.split(b"*")[0][1:].decode() for sentence in epoch]
    return [line(body.replace("231408.00", f"2314{second:02d}.00")) for body in bodies]


def read(data: bytes) -> tuple[list, Counter[str]]:
    counts: Counter[str] = Counter()
    reader = NmeaReader("T1", counts)
    return reader.feed(data, 10**18 + 1) + reader.flush(10**18 + 2), counts


def test_one_epoch_becomes_one_fix():
    (fix,), counts = read(b"".join(EPOCH))
    assert not counts
    assert fix.stamp_ns == 1_744_413_248 * NS  # 2025-04-11 23:14:08 UTC
    assert (fix.lat_deg, fix.lon_deg) == pytest.approx((45.065772, 7.659061333), abs=1e-9)
    assert fix.sigma_m == pytest.approx(((0.075**2 + 0.053**2) / 2) ** 0.5)  # per axis
    assert fix.speed_mps == pytest.approx(0.013 * 1852 / 3600)
    assert (fix.terminal, fix.quality, fix.satellites, fix.alt_m, fix.course_deg) == (
        "T1", "float", 12, 257.4, None,
    )  # fmt: skip


def test_epoch_is_reported_when_its_last_sentence_comes_not_with_the_next_second():
    reader = NmeaReader("T1", Counter())
    shown = [len(reader.feed(sentence)) for second in (8, 9, 10) for sentence in later(EPOCH, second)]
    # the first epoch can't know what comes last, the others do
    assert shown == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1]


def test_sentence_that_stays_away_delays_only_its_own_epoch():
    reader = NmeaReader("T1", Counter())
    for sentence in later(EPOCH, 8) + later(EPOCH, 9):
        reader.feed(sentence)
    assert reader.feed(b"".join(later(EPOCH, 10)[:3])) == []
    assert [fix.sigma_m for fix in reader.feed(later(EPOCH, 11)[0])] == [None]


@pytest.mark.parametrize(
    ("data", "qualities", "reasons"),
    [
        # cold start: no date yet, so no stamp, so no fix
        (EPOCH[2], [], {"nmea.no_date": 1}),
        (line("GNRMC,074150.799,V,,,,,,,250215,,,N"), [], {"nmea.no_position": 1}),
        # a position that the receiver itself calls void is handed on as none
        (line("GNRMC,231408.00,V,4503.94632,N,00739.54368,E,,,110425,,,N"), ["none"], {}),
        (line("GBRMC,231408.00,A,4503.94632,N,00739.54368,E,,,110425"), ["single"], {}),  # BeiDou's talker
        (line("BDRMC,231408.00,A,4503.94632,N,00739.54368,E,,,110425"), ["single"], {}),  # the old one
        (line("XXRMC,231408.00,A,4503.94632,N,00739.54368,E,,,110425"), [], {}),  # no GNSS
        (EPOCH[0].replace(b"A", b"V"), [], {"nmea.checksum": 1}),
        (b"$GNRMC,231408.00\r\n", [], {"nmea.checksum": 1}),  # cut off
        (line("GNRMC,231408.00,A,4563.94632,N,00739.54368,E,,,110425"), [], UNREAD),
        (line("GNRMC,231408.00,A,9103.94632,N,00739.54368,E,,,110425"), [], UNREAD),
        (line("GNRMC,251408.00,A,4503.94632,N,00739.54368,E,,,110425"), [], {"nmea.field": 1}),
        (line("GNRMC,231408.00,A,4503.94632,N,00739.54368,E,,,310225"), [], UNREAD),
        (line("GNRMC,231408.00,A,nan,N,00739.54368,E,,,110425"), [], UNREAD),
        # GPS week 0: the clock's fault, which the tracker names
        (line("GNRMC,231408.00,A,4503.94632,N,00739.54368,E,,,060180"), ["single"], {}),
        (line("GNRMC,231408.00,A,4503.94632,N,00739.54368,E,-1,,110425"), [], UNREAD),
        (line("GNRMC,231408.00,A,4503.94632,N,00739.54368,E,,361,110425"), [], UNREAD),
        (line("GNRMC"), [], {"nmea.field": 1}),
    ],
)  # fmt: skip
def test_only_what_can_be_believed_becomes_a_fix(data, qualities, reasons):
    fixes, counts = read(data)
    assert [fix.quality for fix in fixes] == qualities
    assert dict(counts) == reasons


def test_midnight_comes_before_the_date_changes():
    """GGA of 00:00:00 often precedes the first RMC of the new day."""
    fixes, _ = read(
        line("GNRMC,235959.00,A,4503.94632,N,00739.54368,E,,,110425")
        + line("GNGGA,000000.00,4503.94632,N,00739.54368,E,1,12,0.63,257.4,M,47.2,M,,")
    )
    assert [fix.stamp_ns % (86_400 * NS) for fix in fixes] == [86_399 * NS, 0]
    assert fixes[1].stamp_ns - fixes[0].stamp_ns == NS


def test_heading_of_two_antennas_serves_where_there_is_no_course():
    (fix,), _ = read(EPOCH[0] + line("GNHDT,274.5,T"))
    assert fix.course_deg == 274.5


@given(cuts=st.lists(st.integers(0, 60), max_size=30))
def test_any_chunking_gives_the_same_fixes(cuts):
    data = b"\x00\xff$" + b"".join(sentence for s in range(8, 12) for sentence in later(EPOCH, s))
    reader, at, fixes = NmeaReader("T1", Counter()), 0, []
    for cut in cuts:
        fixes += reader.feed(data[at : at + cut])
        at += cut
    fixes += reader.feed(data[at:]) + reader.flush()
    whole = NmeaReader("T1", Counter())
    assert fixes == whole.feed(data) + whole.flush()
    assert len(fixes) == 4


@given(pieces=st.lists(st.binary(max_size=400) | st.sampled_from(EPOCH), max_size=20))
def test_garbage_between_sentences_raises_nothing_and_is_not_kept(pieces):
    reader = NmeaReader("T1", Counter())
    for piece in pieces:
        reader.feed(piece)
        assert reader.held_bytes <= SENTENCE_BYTES_MAX
    fixes = reader.feed(b"\r\n" + b"".join(later(EPOCH, 20))) + reader.flush()
    assert fixes[-1].stamp_ns == 1_744_413_260 * NS


@given(
    fields=st.lists(st.text("0123456789.-NSEWAV", max_size=11), max_size=12),
    kind=st.sampled_from(("RMC", "GGA", "GST", "VTG", "HDT")),
)
def test_any_fields_under_a_right_checksum_give_sound_fixes_or_none(fields, kind):
    fixes, _ = read(EPOCH[0] + line(",".join([f"GN{kind}", *fields])))
    for fix in fixes:
        assert decode_fix(encode(fix)) == fix  # the wire refuses what is out of bounds


@pytest.mark.parametrize("log", json.loads((DATA / "nmea.json").read_text()), ids=lambda log: log["source"])
def test_real_receivers_are_read_as_gpsd_reads_them(log):
    counts: Counter[str] = Counter()
    reader = NmeaReader("T1", counts)
    fixes = reader.feed("\r\n".join([*log["sentences"], ""]).encode("ascii")) + reader.flush()
    found = {_iso(fix.stamp_ns): fix for fix in fixes if fix.quality != "none"}
    agreed = found.keys() & log["gpsd"].keys()
    # gpsd reports a first epoch later than we do, and dead reckoning where the receiver says void
    assert len(agreed) >= min(len(found), len(log["gpsd"])) - 1 > 0
    for time in agreed:
        fix, gpsd = found[time], log["gpsd"][time]
        assert (fix.lat_deg, fix.lon_deg) == pytest.approx((gpsd["lat"], gpsd["lon"]), abs=1e-9)
        # it rounds to mm/s, and tells other sentences' speeds of that time too
        assert any(fix.speed_mps == pytest.approx(speed, abs=0.0011) for speed in gpsd["speeds"])
    assert counts.keys() <= {"nmea.no_position"}


def _iso(stamp_ns: int) -> str:
    moment = datetime.fromtimestamp(stamp_ns // 10**9, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{stamp_ns // 10**6 % 1_000:03d}Z"
