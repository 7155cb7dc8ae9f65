"""The statistics equal a plain recount over made-up histories; what is watched and counted adds up."""

import csv
import io
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import sqlalchemy as sa

from centre.database_file import path_of
from centre.search.notes import annotate
from centre.statistics import store
from centre.statistics.days import DAY_NS, day_of, period_of
from centre.statistics.figures import HOUR_NS, Period, statistics
from centre.statistics.passages import Passage, Passages
from centre.statistics.report import report
from centre.statistics.sheets import csv_bytes, sheets, xlsx_bytes
from centre.statistics.tables import UNIT_STATE
from centre.statistics.watch import Hour, StateChange, Watch
from edge import wire
from edge.config import load_site
from edge.figures import quantile
from geofence.journeys.driving import ZONE_NS
from geofence.violation import GRADES, Stamps, Violation, ViolationVehicle
from petroroad.cli import run
from tests.support.centre_database import Centre
from tests.support.centre_samples import MS, T0_NS, item, payload, violation
from tests.support.centre_site import write_site

RULES = ("overspeed", "lane_departure", "illegal_stop")
CARRIERS = ("盘锦一运", "=HYPERLINK(1)", None)


def _chance(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def _traffic(chance: np.random.Generator, n: int) -> list[Violation]:
    found = []
    for i in range(n):
        start_ns = T0_NS - int(chance.integers(0, 72 * 3_600)) * 1_000 * MS
        found.append(
            violation(
                i, start_ns=start_ns, grade=GRADES[chance.integers(4)], rule=RULES[chance.integers(3)],
                s_m=None if chance.random() < 0.1 else round(chance.uniform(-900.0, 9_000.0), 1),
                stamps=Stamps(measured_ns=T0_NS, arrived_ns=T0_NS + int(chance.integers(0, 500)) * MS),
                vehicle=ViolationVehicle(plate=f"辽L·A{i % 9:04}", carrier=CARRIERS[chance.integers(3)]),
            )
        )  # fmt: skip
    return found


def _recount(kept: list[Violation], false: set[str], of: Any) -> dict[Any, tuple[int, int]]:
    counts: defaultdict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for each in kept:
        counts[of(each)][each.id in false] += 1
    return {at: (true, false_n) for at, (true, false_n) in counts.items()}


@pytest.mark.parametrize("seed", range(2))
def test_each_statistic_equals_a_plain_recount(engine: sa.Engine, seed: int) -> None:
    chance = _chance(seed)
    centre, traffic = Centre(engine), _traffic(chance, 150)
    for place in range(0, 150, 30):
        part = traffic[place : place + 30]
        centre.commit(payload(10, *(item(place + i + 1, each) for i, each in enumerate(part))))
    false = {each.id for each in traffic if chance.random() < 0.3}
    with engine.begin() as db:
        for violation_id in false:
            assert annotate(db, violation_id, is_false=True)
    period = Period(T0_NS - 48 * HOUR_NS, T0_NS - 5 * HOUR_NS)
    within = [each for each in traffic if period.since_ns <= each.start_ns < period.until_ns]
    alarms = [each for each in within if GRADES.index(each.grade) >= 2]
    found = centre.reader.read(statistics, period)
    n_false = sum(each.id in false for each in alarms)
    assert found["totals"] == {
        "violations": len(alarms) - n_false, "false": n_false, "records": len(within) - len(alarms),
        "false_share": n_false / len(alarms), "n": len(alarms),
    }  # fmt: skip
    for name, column, of in (
        ("rules", "rule", lambda x: x.rule),
        ("places", "km", lambda x: None if x.s_m is None else int(x.s_m // 1_000)),
        ("hours", "hour", lambda x: (x.start_ns + ZONE_NS) // HOUR_NS % 24),
        ("carriers", "carrier", lambda x: x.vehicle.carrier),
        ("stations", "esn", lambda x: x.esn),
    ):  # fmt: skip
        rows = {row[column]: (row["violations"], row["false"]) for row in found[name]}
        assert rows == _recount(alarms, false, of), name
        assert all(row["n"] == row["violations"] + row["false"] for row in found[name])
    with engine.begin() as db:
        rows = db.execute(sa.text("SELECT id, first_committed_ns FROM episode")).all()
    committed = {row.id: row.first_committed_ns for row in rows}
    latencies = [committed[each.id] - each.stamps.arrived_ns for each in alarms]
    assert found["latency"]["n"] == len(latencies) > 0
    median = quantile(latencies, 0.5)
    assert median is not None
    assert found["latency"]["p50_ms"] == round(median / 1e6, 3)


def _snapshot(stamp_ns: int, tracks: list[tuple[int, float, int, int]], *, named: bool = True) -> Any:
    records = np.zeros(len(tracks), dtype=wire.TRACK_DTYPE)
    for i, (track, s_m, lane, kind) in enumerate(tracks):
        records[i]["track"], records[i]["s_dm"], records[i]["lane"] = track, round(s_m * 10), lane
        records[i]["class"], records[i]["flags"] = kind, wire.FLAG_OWNED
    return wire.TrackSnapshot(
        v=1, esn="RSU001", seq=1, stamp_ns=stamp_ns, n=len(tracks), dtype=wire.TRACK_DESCR,
        data=records.tobytes(), lanes=("hazmat", "mixed") if named else None,
    )  # fmt: skip


def test_each_crossing_is_counted_once_by_lane_and_class() -> None:
    """Vehicles at their own speeds, both ways, some standing about the station; the oracle knows when."""
    chance, passages = _chance(5), Passages({"RSU001": 500.0})
    vehicles = [
        (i, float(chance.uniform(0, 1_000)), float(chance.choice((-22.0, 25.0, 0.0))),
         int(chance.integers(2)), int(chance.choice((1, 4))))
        for i in range(60)
    ]  # fmt: skip
    begins_ns = T0_NS // HOUR_NS * HOUR_NS + HOUR_NS - 10_000 * MS  # the hour ends meanwhile
    expected: Counter[Passage] = Counter()
    for tenth in range(600):
        now_ns = begins_ns + tenth * 100 * MS
        seen = [(i, s + v * tenth / 10, lane, kind) for i, s, v, lane, kind in vehicles]
        passages.receive(_snapshot(now_ns, [x for x in seen if 0 <= x[1] <= 1_000], named=tenth % 50 == 0))
        if tenth % 10:
            continue
        for _, s, v, lane, kind in vehicles:
            was, now = s + v * (tenth - 10) / 10 - 500.0, s + v * tenth / 10 - 500.0
            if tenth and (was < 0) != (now < 0):
                hour_ns = now_ns // HOUR_NS * HOUR_NS
                expected[Passage(hour_ns, "RSU001", ("hazmat", "mixed")[lane], kind)] += 1
    assert sum(expected.values()) > 20
    assert len({each.hour_ns for each in expected}) == 2
    assert passages.take() == expected
    assert passages.take() == Counter()


def test_a_track_that_was_away_too_long_and_another_rsus_are_not_counted() -> None:
    passages = Passages({"RSU001": 500.0})
    passages.receive(_snapshot(T0_NS, [(1, 490.0, 0, 4)]))
    passages.receive(_snapshot(T0_NS + 9_000 * MS, [(1, 510.0, 0, 4)]))
    assert passages.take() == Counter()


def _row(**changed: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "esn": "RSU001", "known": True, "state": "online", "stale": False, "since_ns": T0_NS,
        "beat_ns": T0_NS, "stretch_m": [0.0, 2_000.0], "unjudged": [], "sensors": {"R1": "online"},
        "degraded": [], "config": "1", "map": "1", "version": "1", "clock_offset_ms": 0.2,
        "latency": {"p99_ms": None, "n": 0},
    }  # fmt: skip
    return fields | changed


def test_what_is_watched_adds_up_and_changes_are_noted_once() -> None:
    watch, hour_ns = Watch(), T0_NS // HOUR_NS * HOUR_NS
    gaps = [{"from_m": 500.0, "to_m": 1_000.0}, {"from_m": 800.0, "to_m": 9_000.0}]
    for second in range(0, 601, 5):
        off, gap = 200 < second <= 300, 300 < second <= 400
        watch.look(
            [_row(state="offline" if off else "online", unjudged=gaps if gap else [])],
            hour_ns + second * 1_000 * MS,
        )
    assert [each.state for each in watch.changes] == ["online", "offline", "online"]
    found = watch.hours[hour_ns, "RSU001"]
    assert (found.watched_s, found.online_s) == (pytest.approx(600), pytest.approx(500))
    assert found.road_km_h == pytest.approx(2.0 * 600 / 3_600)
    assert found.judged_km_h == pytest.approx((2.0 * 400 + 0.5 * 100) / 3_600)
    watch.look([_row(), _row(esn="STRANGER", known=False)], hour_ns + 900_000 * MS)  # a gap is not watched
    assert found.watched_s == pytest.approx(600)


def test_an_rsu_counts_from_the_first_time_that_it_was_seen(engine: sa.Engine) -> None:
    """Two of four are not built yet; one of those that are is off half the time."""
    watch, hour_ns = Watch(), T0_NS // HOUR_NS * HOUR_NS
    for second in range(0, 201, 5):
        seen = second > 100
        rows = [
            _row(esn="A"), _row(esn="B", state="online" if second % 10 else "offline"),
            _row(esn="C", state="never"), _row(esn="D", state="online" if seen else "never"),
            _row(esn="E", state="never"),
        ]  # fmt: skip
        watch.look(rows, hour_ns + second * 1_000 * MS)
    old = {(hour_ns, "OLD"): Hour(200.0, 0.0, 2.0, 0.0)}  # an earlier version watched what was never seen
    with engine.begin() as db:
        store.store(db, watch.changes, watch.hours | old, Counter(), T0_NS)
    found = Centre(engine).reader.read(statistics, Period(hour_ns, hour_ns + HOUR_NS))["units"]
    assert {row["esn"]: row["online_share"] for row in found["rsus"]} == {"A": 1.0, "B": 0.5, "D": 1.0}
    assert (found["n"], found["never_seen"]) == (3, 3)
    assert found["online_share"] == pytest.approx((200 + 100 + 100) / (200 + 200 + 100))
    assert found["judged_share"] == pytest.approx(found["online_share"])


def test_hours_and_passages_add_up_and_old_rows_are_dropped(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "STATES_MAX", 3)
    hour_ns = T0_NS // HOUR_NS * HOUR_NS
    old_ns = hour_ns - store.KEPT_NS - HOUR_NS
    passage = Passage(hour_ns, "RSU001", "hazmat", 4)
    for n in range(5):
        with engine.begin() as db:
            store.store(
                db, [StateChange("RSU001", T0_NS + n, "online", {"sensors": {"R1": "online"}})],
                {(hour_ns, "RSU001"): Hour(60.0, 30.0, 2.0, 1.0), (old_ns, "RSU001"): Hour(1.0)},
                Counter({passage: 2, passage._replace(kind=1): 1}), T0_NS,
            )  # fmt: skip
    centre = Centre(engine)
    page = centre.reader.read(store.states, "RSU001", 10)
    assert [row["at_ns"] for row in page["states"]] == [T0_NS + n for n in (4, 3, 2)]
    assert page["next"] is None
    read, before = [], None  # by pages of one
    for _ in range(3):
        page = centre.reader.read(store.states, "RSU001", 1, before)
        read += [row["at_ns"] - T0_NS for row in page["states"]]
        before = page["next"]
    assert (read, before) == ([4, 3, 2], None)
    assert centre.rows(UNIT_STATE) == 3
    assert centre.reader.read(store.newest_states) == [("RSU001", "online", {"sensors": {"R1": "online"}})]
    found = centre.reader.read(statistics, Period(hour_ns, hour_ns + HOUR_NS))
    assert found["units"]["rsus"] == [{
        "esn": "RSU001", "watched_h": round(300 / 3_600, 3), "online_share": 0.5, "road_km_h": 10.0,
        "judged_km_h": 5.0, "judged_share": 0.5,
    }]  # fmt: skip
    assert found["traffic"]["lanes"] == [{"esn": "RSU001", "lane": "hazmat", "n": 15, "hazmat": 10}]
    assert found["traffic"]["n"] == 15
    assert centre.reader.read(store.hours_of, "RSU001", 0) == [
        {"hour_ns": hour_ns, "esn": "RSU001", "watched_s": 300.0, "online_s": 150.0, "road_km_h": 10.0,
         "judged_km_h": 5.0}
    ]  # fmt: skip


def test_a_report_is_read_back_from_its_files(tmp_path: Path) -> None:
    centre = Centre(tmp_path / "centre.sqlite")
    vehicle = ViolationVehicle(plate="=cmd|' /C calc'!A0", carrier="盘锦一运", un="1203")
    day = day_of(T0_NS)
    for n in range(3):
        centre.send(n + 1, violation(n, vehicle=vehicle, start_ns=period_of(day).since_ns + n))
    found = report(centre.reader, period_of(day))
    assert (found["totals"]["violations"], found["items_n"]) == (3, 3)
    made = sheets(found, "en")
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(made)))
    assert len(book.sheetnames) == len(made) == 12
    page = book.worksheets[-1]
    rows = list(page.iter_rows(min_row=2, values_only=True))
    plates = [row[rows[0].index("Plate")] for row in rows[1:]]
    assert plates == [vehicle.plate] * 3
    assert {row[rows[0].index("Rule")] for row in rows[1:]} == {"Lane departure"}
    zh = csv_bytes(sheets(found, "zh")).decode()
    assert ("偏离车道" in zh, "lane_departure" in zh, "warning" in zh) == (True, False, False)
    kinds = {cell.data_type for row in page.iter_rows() for cell in row}
    assert "f" not in kinds  # no formula
    text = csv_bytes(made)
    assert text.startswith(b"\xef\xbb\xbf")  # by which Excel reads UTF-8
    cells = [row for row in csv.reader(io.StringIO(text.decode("utf-8-sig"))) if row]
    assert not [cell for row in cells for cell in row if cell.startswith(("=", "+", "@"))]
    assert "'" + str(vehicle.plate) in [cell for row in cells for cell in row]


@pytest.mark.parametrize("text", ["2026-13-01", "2026-02-30", "2026-1-1", "yesterday", "", "2026-11-28T00"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no date|month|day"):
        period_of(text)


def test_a_day_begins_at_midnight_of_the_site() -> None:
    period = period_of("2026-11-28")
    assert (day_of(period.since_ns), day_of(period.until_ns - 1)) == ("2026-11-28", "2026-11-28")
    assert day_of(period.since_ns - 1) == "2026-11-27"
    assert period.until_ns - period.since_ns == DAY_NS


def test_the_command_writes_the_report_beside_a_running_centre(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site_file = write_site(tmp_path, broker="127.0.0.1:1", http="127.0.0.1:1")
    site = load_site(site_file)
    file = path_of(site.config.centre.database)
    assert file is not None
    day = day_of(T0_NS)
    words = ["centre", "report", "--config", str(site_file), "--day", day, "--lang", "en"]
    assert run([*words, "--out", str(tmp_path / "r.csv")]) == 1  # there is no database yet
    centre = Centre(Path(file))
    centre.send(1, violation(1))
    for kind in ("csv", "xlsx", "json"):
        assert run([*words, "--out", str(tmp_path / f"r.{kind}")]) == 0
    assert "violations: 1" in capsys.readouterr().out
    assert "辽L·A0001" in (tmp_path / "r.csv").read_text(encoding="utf-8-sig")
    assert json.loads((tmp_path / "r.json").read_text())["totals"]["violations"] == 1
    for wrong in (["--out", str(tmp_path / "r.pdf")], ["--day", "today", "--out", str(tmp_path / "r.csv")]):
        assert run([*words, *wrong]) == 2
    assert run([*words, "--out", str(tmp_path / "none" / "r.csv")]) == 1
    centre.engine.dispose()
