"""NMEA: each legal carrier of a date, a place, a speed and a quality is read; what is not read is counted."""

from collections import Counter
from itertools import permutations
from pathlib import Path

import pytest

from roadside.devices import KINDS_MAX
from roadside.devices.nmea.fields import checksum
from roadside.devices.nmea.reader import NmeaReader

FIELD = Path(__file__).parents[1] / "data" / "devices"
NS = 1_000_000_000
NOON_NS = 1_795_867_200 * NS  # 2026-11-28 12:00 UTC
PLACE = "4052.6977,N,12203.7277,E"


def line(body: str) -> bytes:
    return f"${body}*{checksum(body.encode()):02X}\r\n".encode()


def rmc(time: str = "120000.00", mode: str = ",A", *, status: str = "A", day: str = "281126") -> bytes:
    return line(f"GPRMC,{time},{status},{PLACE},20.0,273.2,{day},5.5,W{mode}")


def gga(time: str = "120000.00", quality: str = "1") -> bytes:
    return line(f"GPGGA,{time},{PLACE},{quality},05,1.9,4.4,M,7.1,M,,0000")


def gns(time: str = "120000.00", modes: str = "AA") -> bytes:
    return line(f"GNGNS,{time},{PLACE},{modes},09,1.2,4.4,7.1,,")


def gll(time: str = "120000.00", end: str = ",A,A") -> bytes:
    return line(f"GPGLL,{PLACE},{time}{end}")


def zda(time: str = "120000.00", date: str = "28,11,2026") -> bytes:
    return line(f"GPZDA,{time},{date},00,00")


def vtg(end: str = "273.2,T,267.7,M,20.0,N,37.04,K,A") -> bytes:
    return line(f"GPVTG,{end}")


def read(data: bytes) -> tuple[list, Counter[str], Counter[str]]:
    counts: Counter[str] = Counter()
    reader = NmeaReader("T1", counts)
    fixes = reader.feed(data) + reader.end()
    return fixes, counts, reader.skipped


def test_receiver_of_the_field_without_rmc():
    fixes, counts, skipped = read((FIELD / "n1_gga_zda.nmea").read_bytes())
    start_ns = NOON_NS - (12 * 3_600 - 5 * 3_600 - 11 * 60 - 34) * NS
    assert [fix.stamp_ns for fix in fixes] == [start_ns + i * NS for i in range(14)]
    assert {fix.quality for fix in fixes} == {"single"}
    assert not counts
    assert skipped == {"nmea.skipped.GSA": 14}


def test_simulator_of_the_field_measures_nothing():
    fixes, counts, _ = read((FIELD / "n3_rmc_simulator_mode.nmea").read_bytes())
    assert [fix.quality for fix in fixes] == ["none"] * 5
    assert counts == {"nmea.simulated": 5}


@pytest.mark.parametrize("carrier", [gga, gns, gll])
@pytest.mark.parametrize("talker", ["GP", "GN", "GA", "GB", "BD", "GL", "GQ", "IN"])
def test_any_sentence_with_a_place_beside_any_with_a_date(carrier, talker):
    for sentences in permutations((carrier(), zda(), vtg())):
        data = b"".join(sentences)
        if data.index(b"VTG") < data.index(carrier()[3:6]):
            continue  # VTG has no time: it belongs to what precedes it
        bodies = [piece.split(b"*")[0].decode()[2:] for piece in data.split(b"$")[1:]]
        fixes, counts, _ = read(b"".join(line(talker + body) for body in bodies))
        assert [(fix.stamp_ns, fix.quality) for fix in fixes] == [(NOON_NS, "single")]
        assert fixes[0].lat_deg == pytest.approx(40 + 52.6977 / 60)
        assert fixes[0].speed_mps == pytest.approx(37.04 / 3.6)
        assert not counts


def test_date_that_comes_after_the_place_serves_the_same_epoch_also_when_it_is_early():
    for sentences in ([zda, gga], [gga, zda]):
        reader, stamps = NmeaReader("T1", Counter()), []
        for second in range(5):
            for sentence in sentences:
                stamps += [fix.stamp_ns for fix in reader.feed(sentence(f"12000{second}.00"))]
        stamps += [fix.stamp_ns for fix in reader.end()]
        assert stamps == [NOON_NS + i * NS for i in range(5)]


@pytest.mark.parametrize("sentences", [[zda, gga], [gga, zda], [zda, gll, gga]])
def test_fix_does_not_wait_for_the_next_second(sentences):
    reader = NmeaReader("T1", Counter())
    n_fixes = 0
    for second in range(3):
        for sentence in sentences:
            n_fixes += len(reader.feed(sentence(f"12000{second}.00")))
    assert n_fixes == 3  # of the first epoch nobody knows that it is whole before the second begins


def test_sentence_that_comes_after_the_fix_of_its_epoch_is_counted():
    _, counts, _ = read(rmc() + rmc("120001.00") + gga("120001.00"))
    assert counts == {"nmea.after_fix": 1}


def test_date_of_the_next_second_does_not_tear_the_epochs_apart():
    """Some receivers announce the second that the coming pulse marks."""
    data = b"".join(gga(f"12000{s}.00") + zda(f"12000{s + 1}.00") for s in range(5))
    fixes, counts, _ = read(data)
    assert [fix.stamp_ns for fix in fixes] == [NOON_NS + i * NS for i in range(5)]
    assert not counts


@pytest.mark.parametrize("after_h", [1, 11, 13, 23, 25, 49])
def test_date_is_carried_over_every_midnight(after_h):
    """A date once at the start, then hours of places only."""
    hours = range(after_h + 1)
    fixes, _, _ = read(zda() + b"".join(gga(f"{(12 + h) % 24:02d}0000.00") for h in hours))
    assert [fix.stamp_ns for fix in fixes] == [NOON_NS + h * 3_600 * NS for h in hours]


def test_late_sentence_of_yesterday_is_of_yesterday():
    fixes, _, _ = read(zda("235959.00") + gga("000000.00") + gga("235959.50") + gga("000001.00"))
    day_ns = NOON_NS + 12 * 3_600 * NS
    assert [fix.stamp_ns - day_ns for fix in fixes] == [0, -NS // 2, NS]


def test_receiver_without_any_date_is_named():
    fixes, counts, _ = read(b"".join(gga(f"12000{s}.00") for s in range(5)) + zda("120004.00", ",,"))
    assert (fixes, counts) == ([], {"nmea.no_date": 5})


@pytest.mark.parametrize(
    "date", ["28,13,2026", "31,02,2026", "00,11,2026", "28,11,26", "xx,11,2026", "1,,2026"]
)
def test_impossible_date_costs_its_sentence_only(date):
    fixes, counts, _ = read(zda() + gga() + zda("120001.00", date) + gga("120001.00"))
    assert [fix.stamp_ns for fix in fixes] == [NOON_NS, NOON_NS + NS]
    assert counts == {"nmea.field": 1}


@pytest.mark.parametrize(("status", "counted"), [("S", {}), ("C", {}), ("V", {}), ("U", {"nmea.unsafe": 1})])
def test_navigational_status_of_nmea_4_1_costs_no_position(status, counted):
    """Most receivers always say V, which means that they do not judge it."""
    for data in (
        rmc(mode=f",A,{status}"),
        line(f"GNGNS,120000.00,{PLACE},AA,09,1.2,4.4,7.1,,,{status}") + zda(),
    ):
        fixes, counts, _ = read(data)
        assert [fix.quality for fix in fixes] == ["single"]
        assert counts == counted


def test_dates_that_contradict_each_other_are_counted():
    _, counts, _ = read(rmc() + zda(date="14,04,2007"))
    assert counts["nmea.date_conflict"] == 1


@pytest.mark.parametrize(
    ("sentences", "quality", "counted"),
    [
        # RMC: the status, and the letter since NMEA 2.3
        ([rmc(mode="")], "single", {}),
        ([rmc(mode=",A")], "single", {}),
        ([rmc(mode=",D")], "dgnss", {}),
        ([rmc(mode=",E")], "dead_reckoning", {}),
        ([rmc(mode=",F")], "float", {}),
        ([rmc(mode=",R")], "fixed", {}),
        ([rmc(mode=",P")], "single", {}),
        ([rmc(mode=",N")], "none", {}),
        ([rmc(mode=",M")], "none", {"nmea.manual": 1}),
        ([rmc(mode=",S")], "none", {"nmea.simulated": 1}),
        ([rmc(mode=",X")], "none", {"nmea.mode": 1}),
        ([rmc(mode=",A,V")], "single", {}),  # NMEA 4.1: V says that there is no navigational status
        ([rmc(mode=",N", status="V")], "none", {}),
        ([rmc(mode=",E", status="V")], "none", {}),  # beyond the receiver's own limits
        ([rmc(mode=",S", status="V")], "none", {"nmea.simulated": 1}),
        # GGA
        *[
            ([zda(), gga(quality=str(digit))], quality, {})
            for digit, quality in enumerate(
                ["none", "single", "dgnss", "single", "fixed", "float", "dead_reckoning"]
            )
        ],
        ([zda(), gga(quality="7")], "none", {"nmea.manual": 1}),
        ([zda(), gga(quality="8")], "none", {"nmea.simulated": 1}),
        ([zda(), gga(quality="9")], "none", {"nmea.mode": 1}),
        # GNS: a letter for each constellation
        ([zda(), gns(modes="NN")], "none", {}),
        ([zda(), gns(modes="AN")], "single", {}),
        ([zda(), gns(modes="NNA")], "single", {}),
        ([zda(), gns(modes="RRN")], "fixed", {}),
        ([zda(), gns(modes="RFAN")], "single", {}),  # nothing says more than the worst
        ([zda(), gns(modes="DA")], "single", {}),
        ([zda(), gns(modes="DA"), gga(quality="2")], "dgnss", {}),  # GGA says which
        ([zda(), gns(modes="AS")], "none", {"nmea.simulated": 1}),
        ([zda(), gns(modes="EN")], "dead_reckoning", {}),
        # GLL, and its older editions
        ([zda(), gll(end=",A,D")], "dgnss", {}),
        ([zda(), gll(end=",A")], "single", {}),
        ([zda(), gll(end="")], "single", {}),
        ([zda(), gll(end=",V,N")], "none", {}),
        ([zda(), gll(end=",A,S")], "none", {"nmea.simulated": 1}),
        # a letter that is less exact than GGA's digit does not contradict it
        ([rmc(mode=",D"), gga(quality="4")], "fixed", {}),
        ([rmc(mode=",D"), gga(quality="5")], "float", {}),
        ([rmc(mode=""), gga(quality="4")], "fixed", {}),
        # these do: the careful one counts
        ([rmc(mode=",A"), gga(quality="0")], "none", {"nmea.conflict": 1}),
        ([gga(quality="1"), rmc(mode=",N", status="V")], "none", {"nmea.conflict": 1}),
        ([rmc(mode=",R"), gga(quality="5")], "float", {"nmea.conflict": 1}),
        ([rmc(mode=",E"), gga(quality="1")], "dead_reckoning", {"nmea.conflict": 1}),
        ([rmc(mode=",A"), gga(quality="8")], "none", {"nmea.conflict": 1, "nmea.simulated": 1}),
        ([rmc(mode=",A"), gll(end=",V,N")], "none", {"nmea.conflict": 1}),
        ([rmc(), vtg("273.2,T,,M,20.0,N,37.04,K,S")], "none", {"nmea.conflict": 1, "nmea.simulated": 1}),
    ],
)  # fmt: skip
def test_quality_is_what_all_sentences_of_the_epoch_allow(sentences, quality, counted):
    fixes, counts, _ = read(b"".join(sentences))
    assert [fix.quality for fix in fixes] == [quality]
    assert counts == counted


@pytest.mark.parametrize(
    ("end", "speed_mps"),
    [
        ("273.2,T,,M,20.0,N,37.04,K,A", 37.04 / 3.6),
        ("273.2,T,,M,20.0,N,,K,A", 20.0 * 1852 / 3600),  # in knots only
        ("273.2,T,,M,20.0,N,37.04,K", 37.04 / 3.6),  # before NMEA 2.3
        (",T,,M,,N,,K,N", None),
        ("0.0,T,,M,0.0,N,0.0,K,N", None),  # void: not a truck that stands
    ],
)
def test_speed_without_rmc(end, speed_mps):
    (fix,), _, _ = read(zda() + gga() + vtg(end))
    assert fix.speed_mps == (None if speed_mps is None else pytest.approx(speed_mps))


def test_speed_of_vtg_is_kept_where_rmc_has_none():
    void = line(f"GPRMC,120000.00,A,{PLACE},,,281126,,,A")
    (fix,), _, _ = read(zda() + gga() + vtg() + void)
    assert fix.speed_mps == pytest.approx(37.04 / 3.6)


@pytest.mark.parametrize(
    ("sentence", "heading_deg"),
    [("GNHDT,274.5,T", 274.5), ("GNTHS,274.5,A", 274.5), ("GNTHS,274.5,V", None), ("GNTHS,274.5,S", None)],
)
def test_heading(sentence, heading_deg):
    (fix,), _, _ = read(zda() + gga() + line(sentence))
    assert fix.course_deg == heading_deg


@pytest.mark.parametrize(
    ("sentence", "quality", "counted"),
    [
        ("GPDTM,W84,,0.0,N,0.0,E,0.0,W84", "single", {}),
        ("GPDTM,999,CGC,0.0,N,0.0,E,0.0,W84", "single", {}),  # CGCS2000 by a user's name
        ("GPDTM,999,,0.08,N,0.07,E,-47.7,W84", "none", {"nmea.datum": 1}),
        ("GPDTM,P90,,0.0,N,0.0,E,0.0,W84", "single", {}),
    ],
)
def test_position_on_another_datum_is_no_measurement(sentence, quality, counted):
    fixes, counts, _ = read(line(sentence) + rmc())
    assert [fix.quality for fix in fixes] == [quality]
    assert counts == counted


def test_sentence_without_a_time_is_counted():
    fixes, counts, _ = read(line("GPRMC,,V,,,,,,,,,,N") + line("GPGGA,,,,,,0,00,99.99,,,,,,") + zda("", ",,"))
    assert (fixes, counts) == ([], {"nmea.no_time": 3})


def test_whatever_is_not_read_is_counted_by_kind():
    others = [
        "GPGSV,1,1,01,01,30,046,22", "GNGSA,A,3,12,,,,,,,,,,,,2.6,1.9,1.8,1", "GNGBS,120000.00,0.0,0.1",
        "GNTXT,01,01,02,hello", "PUBX,00,081350.00", "PMTK001,0", "SDDBT,1,f,2,M,3,F", "XXRMC,1",
    ]  # fmt: skip
    fixes, counts, skipped = read(
        rmc() + b"".join(map(line, others)) + b"hello\r\n\xb5\x62\x01\x07\n!AIVDM,1\n" + rmc("120001.00")
    )
    assert (len(fixes), counts) == (2, {})
    kinds = ("GSV", "GSA", "GBS", "TXT", "PUBX", "PMTK", "SDDBT", "XXRMC")
    assert skipped == {**{f"nmea.skipped.{kind}": 1 for kind in kinds}, "nmea.skipped.other": 3}


def test_kinds_that_a_sender_makes_up_fill_no_status():
    _, _, skipped = read(b"".join(line(f"ZZ{i:03d},1") for i in range(500)))
    assert (len(skipped), skipped.total()) == (KINDS_MAX + 1, 500)


@pytest.mark.parametrize(
    "data",
    [
        rmc()[:-2] + rmc("120001.00"),  # a lost line end
        rmc()[:-2] + b"\r" + rmc("120001.00")[:-2] + b"\r",  # the end of an old computer
        b"\xb5\x62$\x00" + rmc() + b"\x00\x01" + rmc("120001.00"),  # binary right before
    ],
)
def test_neighbours_on_a_line_are_both_read(data):
    fixes, counts, _ = read(data)
    assert [fix.stamp_ns for fix in fixes] == [NOON_NS, NOON_NS + NS]
    assert not counts


def test_datagrams_without_line_ends_are_read():
    reader = NmeaReader("T1", Counter())
    fixes = [fix for s in range(3) for fix in reader.feed(rmc(f"12000{s}.00").rstrip())]
    assert len(fixes + reader.end()) == 3


def test_sentence_that_another_one_cuts_off_is_counted():
    fixes, counts, _ = read(rmc()[:30] + rmc("120001.00"))
    assert (len(fixes), counts) == (1, {"nmea.checksum": 1})
