"""NMEA logs to recordings: a real cold start, clocks that had not found their day, and nothing at all."""

from collections import Counter
from pathlib import Path

import pytest

from edge.recording.recorder import read_messages
from edge.wire import decode_fix, decode_site
from importers.nmea import import_nmea, read
from roadside.devices.nmea.fields import checksum
from roadside.inputs import ClockStep, Start, Stop, decode

LOG = Path(__file__).parents[1] / "data" / "nmea_cold_start.txt"
# gpsd's own decoding of the same log (beidou-bd.log.chk): time -> latitude, longitude; MSL altitude
GPSD = {
    "07:41:56": (31.248250000, 121.587403333, 190.7),
    "07:41:57": (31.248170000, 121.587405000, 192.9),
    "07:41:58": (31.248255000, 121.587398333, 198.5),
    "07:41:59": (31.248238333, 121.587406667, 196.4),
}
MIDNIGHT_NS = 1_424_822_400_000_000_000  # 2015-02-25


def rmc(second: int, day: str = "250215", status: str = "A") -> bytes:
    clock = f"{second // 3600:02d}{second // 60 % 60:02d}{second % 60:02d}"
    body = f"GNRMC,{clock}.00,{status},3114.8770,N,12135.2463,E,0.30,4.94,{day},,,A".encode()
    return b"$%s*%02X\r\n" % (body, checksum(body))


def messages(path: Path) -> list:
    return list(read_messages(path))


def test_real_cold_start_is_read_as_gpsd_reads_it(tmp_path):
    shown = import_nmea(LOG, tmp_path / "r.mcap")
    assert (shown["messages"], shown["fixes"]) == (5, 5)
    assert shown["rejected"] == {"nmea.no_position": 5}  # five epochs before the first fix
    fixes = [decode_fix(m.body) for m in messages(tmp_path / "r.mcap") if m.topic == "/gnss"]
    by_second = {(fix.stamp_ns - MIDNIGHT_NS) // 10**9: fix for fix in fixes}
    for time, (lat, lon, alt) in GPSD.items():
        hours, minutes, seconds = map(int, time.split(":"))
        fix = by_second[hours * 3600 + minutes * 60 + seconds]
        assert (fix.lat_deg, fix.lon_deg) == pytest.approx((lat, lon), abs=1e-8)
        assert fix.alt_m == pytest.approx(alt)


def test_recording_has_a_site_whose_zero_is_the_first_fix_and_no_lanes(tmp_path):
    shown = import_nmea(LOG, tmp_path / "r.mcap")
    first, *rest = messages(tmp_path / "r.mcap")
    site = decode_site(first.body)
    assert (first.topic, site.esn) == ("/site", "IMPORT")
    assert f"origin = {shown['origin']}" in site.config
    assert '"features": []' in site.map
    inputs = [decode(m.topic, m.body, m.log_ns, None) for m in rest if m.topic == "/input"]
    assert [type(item) for item in inputs] == [Start, Stop]
    stamps = [m.log_ns for m in rest]
    assert stamps == sorted(set(stamps))
    assert all(m.publish_ns == decode_fix(m.body).stamp_ns for m in rest if m.topic == "/gnss")


def test_clock_that_had_not_found_its_day_is_left_out_and_counted():
    counts: Counter[str] = Counter()
    log = b"".join([rmc(5, "060180"), rmc(6, "060180", "V"), rmc(7), rmc(8), rmc(9)])
    fixes = read(log, counts)
    assert len(fixes) == 3
    assert counts["nmea.clock"] + counts["nmea.stamp"] == 2


def test_stamp_that_goes_back_is_kept_and_counted():
    counts: Counter[str] = Counter()
    assert len(read(rmc(20) + rmc(10) + rmc(30), counts)) == 3
    assert counts == {"nmea.stamp_order": 1}


def test_long_pause_is_a_step_of_the_clock_so_that_a_replay_does_not_tick_through_it(tmp_path):
    source = tmp_path / "log"
    source.write_bytes(rmc(10) + rmc(11) + rmc(8_000) + rmc(8_001))
    shown = import_nmea(source, tmp_path / "r.mcap")
    assert shown["rejected"] == {"time_gap": 1}
    found = [decode(m.topic, m.body, 0, None) for m in messages(tmp_path / "r.mcap") if m.topic == "/input"]
    assert isinstance(found[1], ClockStep)


@pytest.mark.parametrize("data", [b"", b"\x00\xff\xb5\x62" * 900, b"$GNRMC,no checksum\r\n"])
def test_log_without_any_place_is_an_empty_recording_not_a_crash(tmp_path, data):
    source = tmp_path / "log"
    source.write_bytes(data)
    shown = import_nmea(source, tmp_path / "r.mcap")
    assert shown["messages"] == 0
    assert [m.topic for m in messages(tmp_path / "r.mcap")] == ["/site", "/input", "/input"]


def test_a_file_that_is_no_log_at_all_is_refused():
    counts: Counter[str] = Counter()
    assert read(rmc(20).decode().encode("utf-16"), counts) == []
    assert counts["nmea.no_sentence"] == 1
    counts.clear()
    read(rmc(20, "060524", "V"), counts)
    assert "nmea.no_sentence" not in counts


def test_place_before_the_first_date_of_a_log_is_dated_by_it():
    times = ("235958", "235959", "000000")
    places = [f"GPGGA,{time},3114.8770,N,12135.2463,E,1,08,1.0,4.0,M,,M,," for time in times]
    zda = "GPZDA,000001.00,26,02,2015,00,00"
    log = b"".join(b"$%s*%02X\r\n" % (b.encode(), checksum(b.encode())) for b in [*places, zda])
    counts: Counter[str] = Counter()
    fixes = read(log, counts)
    day_ns = MIDNIGHT_NS + 86_400 * 10**9
    assert [(fix.stamp_ns - day_ns) // 10**9 for fix in fixes] == [-2, -1, 0]
    assert counts == {"nmea.dated_later": 3}


def test_log_of_many_days_is_kept_whole():
    counts: Counter[str] = Counter()
    days = [f"{day:02d}0215" for day in range(20, 27)]
    log = b"".join(rmc(hour * 3_600, day) for day in days for hour in (0, 8, 16))
    assert len(read(rmc(5, "010110") + log, counts)) == 21  # a clock that had not found its year
    assert counts == {"nmea.clock": 1}


def test_what_is_skipped_is_kept_apart_from_what_is_rejected(tmp_path):
    shown = import_nmea(LOG, tmp_path / "r.mcap")
    assert shown["skipped"] == {"GSA": 20, "GSV": 17, "PSRF": 12}


@pytest.mark.parametrize("n_old", [2, 9])
def test_weeks_that_rolled_over_within_a_log_are_put_right_and_counted(n_old):
    """1 024 weeks before 2025-02-25 is 2005-07-12; the later era is right, even where few are in it."""
    counts: Counter[str] = Counter()
    log = b"".join([rmc(k, "120705") for k in range(n_old)] + [rmc(20 + k, "250225") for k in range(3)])
    fixes = read(log, counts)
    assert counts == {"nmea.rollover": n_old}
    stamps = [fix.stamp_ns for fix in fixes]
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] == 22 * 10**9
