"""What comes in can be read again: after a kill, at any pace of the clock, without what was deleted."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from centre.history import keeper
from centre.history import recorder as recording
from centre.history.clips import Wish
from centre.history.file import HistoryFile
from centre.history.folder import HOUR_NS, Folder
from centre.history.keeper import policy_of
from centre.history.reader import HistoryReader, Wanted
from centre.history.recorder import Recorder
from core.times import NS
from edge import log, wire
from edge.sections import RetentionConfig
from tests.support.history_made import T0_NS, TRACK, snapshot

ROWS = [{"esn": "RSU1", "state": "online", "stale": False, "unjudged": [], "degraded": [], "sensors": {}}]


def _recorder(path: Path, **retention: Any) -> tuple[Recorder, HistoryReader, Counter[str]]:
    folder, counts = Folder(path), Counter[str]()
    config = RetentionConfig(**({"free_mib": 0} | retention))
    recorder = Recorder(folder, policy_of(config), counts, log.setup(part="test"))
    return recorder, HistoryReader(folder, recorder, counts), counts


def _drive(
    recorder: Recorder, from_s: float, to_s: float, *, hz: int = 10, rate: int = 1, esn: str = "RSU1"
) -> None:
    """Send snapshots, and let the recorder work each half second of real time at a pace of the clock."""
    worked_s = from_s
    for turn in range(int(from_s * hz), int(to_s * hz)):
        at_s = turn / hz
        now_ns = T0_NS + int(at_s * NS) + NS // 20
        recorder.receive(snapshot(at_s, esn, names=turn % (5 * hz) == 0), now_ns)
        if at_s - worked_s >= 0.5 * rate:
            worked_s = at_s
            recorder.work(now_ns)


def _read(
    reader: HistoryReader, from_s: float, to_s: float, **wanted: Any
) -> tuple[dict[str, Any], list[wire.TrackSnapshot]]:
    asked = Wanted(from_ns=T0_NS + int(from_s * NS), to_ns=T0_NS + int(to_s * NS), **wanted)
    body = msgspec.msgpack.decode(reader.page(asked))
    return body, [wire.decode_snapshot(frame) for frame in body["frames"]]


def _seconds(frames: list[wire.TrackSnapshot]) -> list[int]:
    return [(frame.stamp_ns - T0_NS) // NS for frame in frames]


@pytest.mark.parametrize("rate", [1, 60])  # the wall clock, and a simulation that runs 60 times as fast
def test_each_second_is_kept_as_it_was_sent(tmp_path: Path, rate: int) -> None:
    recorder, reader, counts = _recorder(tmp_path)
    _drive(recorder, 0, 60, rate=rate)
    recorder.close(T0_NS + 60 * NS)
    body, frames = _read(reader, 0, 59.9)
    assert _seconds(frames) == list(range(60))
    assert body["next"] is None
    assert body["gaps"] == []
    sent = snapshot(7.0)
    rows = wire.records_of(frames[7])
    assert rows.tobytes() == wire.records_of(sent)[:3].tobytes()  # the fourth is a neighbour's
    assert frames[0].names is not None
    assert frames[0].names.plate == ("辽L·A0001", "辽L·A0002", "辽L·A0003")
    assert frames[0].lanes == ("north", "south")
    assert frames[1].names is None
    assert counts["history.blocks"] == 12


def test_the_newest_can_be_read_before_it_is_written(tmp_path: Path) -> None:
    recorder, reader, _ = _recorder(tmp_path)
    _drive(recorder, 0, 12.5)
    assert _seconds(_read(reader, 0, 12.5)[1]) == list(range(13))


def test_a_stretch_and_an_rsu_can_be_asked_for(tmp_path: Path) -> None:
    recorder, reader, _ = _recorder(tmp_path)
    for at_s in range(10):
        recorder.receive(snapshot(at_s, "RSU1", names=at_s == 0), T0_NS + at_s * NS)
        recorder.receive(snapshot(at_s, "RSU2", n=2, first=100), T0_NS + at_s * NS)
    recorder.close(T0_NS + 10 * NS)
    assert {frame.esn for frame in _read(reader, 0, 9)[1]} == {"RSU1", "RSU2"}
    assert {frame.esn for frame in _read(reader, 0, 9, esn="RSU2")[1]} == {"RSU2"}
    frames = _read(reader, 0, 0, esn="RSU1", stations=(140.0, 160.0))[1]
    assert [frame.n for frame in frames] == [1]


def test_a_large_answer_is_cut_at_a_second_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, reader, _ = _recorder(tmp_path)
    _drive(recorder, 0, 20)
    recorder.close(T0_NS + 20 * NS)
    monkeypatch.setattr("centre.history.reader.BYTES_MAX", 1_500)
    seen: list[int] = []
    at_s: float = 0
    while True:
        body, frames = _read(reader, at_s, 19.9)
        seen += _seconds(frames)
        if body["next"] is None:
            break
        at_s = (body["next"] - T0_NS) / NS
    assert seen == list(range(20))


KILLED = """
import sys, time
from pathlib import Path
from tests.centre.history.test_history import _drive, _recorder
recorder, _, _ = _recorder(Path(sys.argv[1]))
_drive(recorder, 0, 31)
print("driven", flush=True)
time.sleep(60)
"""


def test_a_killed_centre_loses_the_last_seconds_only(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "driven\n"
        os.kill(child.pid, signal.SIGKILL)
    recorder, reader, _ = _recorder(tmp_path)
    assert _seconds(_read(reader, 0, 31)[1]) == list(range(30))
    _drive(recorder, 100, 110)  # started again
    recorder.close(T0_NS + 110 * NS)
    bounds = reader.bounds(T0_NS + 110 * NS)
    assert [gap["reason"] for gap in bounds["gaps"]] == ["centre_off"]
    body, frames = _read(reader, 60, 109.9)
    assert _seconds(frames) == list(range(100, 110))
    assert [(gap["reason"], gap["esn"]) for gap in body["gaps"]] == [("centre_off", None)]


def test_a_gap_has_its_reason(tmp_path: Path) -> None:
    recorder, reader, _ = _recorder(tmp_path)
    off = [ROWS[0] | {"state": "offline"}]
    for at_s in range(40):
        now_ns = T0_NS + at_s * NS
        recorder.units(off if 20 <= at_s < 30 else ROWS, now_ns)
        if not (5 <= at_s < 10 or 20 <= at_s < 30):
            recorder.receive(snapshot(at_s), now_ns)
        recorder.work(now_ns)
    recorder.close(T0_NS + 40 * NS)
    body, _ = _read(reader, 0, 39)
    found = [(gap["esn"], gap["reason"], (int(gap["from_ns"]) - T0_NS) // NS) for gap in body["gaps"]]
    assert found == [("RSU1", "no_data", 4), ("RSU1", "rsu_offline", 19)]
    states = [msgspec.json.decode(each["rows"])[0]["state"] for each in body["rsus"]]
    assert states == ["online", "offline", "online"]
    shown_at = msgspec.json.decode(_read(reader, 25, 26)[0]["rsus"][0]["rows"])
    assert shown_at[0]["state"] == "offline"


def test_old_hours_are_deleted_and_nothing_of_them_stays(tmp_path: Path) -> None:
    recorder, reader, counts = _recorder(tmp_path, tracks_days=2 / 24)
    for hour in range(5):
        t0_ns = T0_NS + hour * HOUR_NS
        recorder.receive(snapshot(0, names=True, t0_ns=t0_ns), t0_ns)
        recorder.receive(snapshot(5, names=True, t0_ns=t0_ns), t0_ns + 5 * NS)
        recorder.work(t0_ns + 6 * NS)
        recorder.work(t0_ns + 120 * NS)
    hours = sorted(int(path.name.split(".")[0]) for path in (tmp_path / "hours").glob("*.sqlite"))
    assert hours == [
        T0_NS // NS + hour * 3_600 for hour in (2, 3, 4)
    ]  # the third ended less than two hours ago
    assert counts["history.deleted"] == 2
    assert not [path for path in (tmp_path / "hours").iterdir() if path.name.startswith(str(T0_NS // NS))]
    assert _read(reader, 0, 10)[1] == []
    recorder.close(T0_NS + 5 * HOUR_NS)


def test_a_torn_page_costs_what_it_held(tmp_path: Path) -> None:
    recorder, reader, counts = _recorder(tmp_path)
    _drive(recorder, 0, 30)
    recorder.close(T0_NS + 30 * NS)
    path = Folder(tmp_path).hour(T0_NS)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE block SET data = substr(data, 1, 60) WHERE from_ns = ?", (T0_NS + 10 * NS,))
    assert _seconds(_read(reader, 0, 29.9)[1]) == [*range(10), *range(15, 30)]
    assert counts["history.torn"] == 1


def test_a_torn_table_costs_no_other_answer(tmp_path: Path) -> None:
    recorder, reader, counts = _recorder(tmp_path)
    _drive(recorder, 0, 40)
    recorder.wish(Wish("a", T0_NS + 30 * NS, None, frozenset({"RSU1"})))
    recorder.close(T0_NS + 70 * NS)
    folder = Folder(tmp_path)
    clip = folder.clip_of("a")
    assert clip is not None
    for path, tables in ((folder.hour(T0_NS), ("beat", "name")), (clip, ("about",))):
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA journal_mode=DELETE")
            (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
            marks = ", ".join("?" * len(tables))
            query = f"SELECT rootpage FROM sqlite_master WHERE name IN ({marks})"
            pages = [page for (page,) in db.execute(query, tables)]
        with path.open("r+b") as file:
            for page in pages:
                file.seek((page - 1) * page_bytes)
                file.write(b"\xff" * page_bytes)
    assert reader.bounds(T0_NS + 80 * NS)["bytes"] > 0
    assert reader.vehicle("13900000001", T0_NS, T0_NS + 60 * NS)["next"] is None
    assert reader.clip("a") is None
    assert counts["history.torn"] == 3


@pytest.mark.parametrize("how", ["other version", "no database"])
def test_a_file_that_is_no_history_is_set_aside(tmp_path: Path, how: str) -> None:
    folder = Folder(tmp_path)
    folder.make()
    path = folder.hour(T0_NS)
    if how == "other version":
        file = HistoryFile.create(path)
        file.db.execute("PRAGMA user_version=9")
        file.close()
    else:
        path.write_bytes(b"no database" * 1_000)
    recorder, reader, counts = _recorder(tmp_path)
    assert _read(reader, 0, 10)[1] == []
    assert counts["history.unreadable"] == 1
    _drive(recorder, 0, 10)
    recorder.close(T0_NS + 10 * NS)
    assert counts["history.set_aside"] == 1
    assert _seconds(_read(reader, 0, 9.9)[1]) == list(range(10))
    later = Recorder(
        folder, policy_of(RetentionConfig(tracks_days=1 / 24, free_mib=0)), counts, log.setup(part="test")
    )
    later.work(T0_NS + 3 * HOUR_NS)
    later.close(T0_NS + 3 * HOUR_NS)
    assert [each.name for each in folder.hours.glob("*.sqlite")] == [folder.hour(T0_NS + 3 * HOUR_NS).name]


def test_a_disk_that_refuses_costs_the_history_until_it_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, reader, counts = _recorder(tmp_path / "history")
    monkeypatch.setattr(recording, "PENDING_BYTES_MAX", 600)
    (tmp_path / "history").write_text("a file is in the way: no folder can be made")
    _drive(recorder, 0, 30)
    assert recorder.fault is not None
    assert counts["history.write_failed"] > 0
    assert counts["history.block_dropped"] > 0
    (tmp_path / "history").unlink()
    _drive(recorder, 30, 60)
    recorder.close(T0_NS + 60 * NS)
    assert recorder.fault is None
    body, frames = _read(reader, 0, 59.9)
    assert _seconds(frames)[-30:] == list(range(30, 60))
    assert "disk_full" in [gap["reason"] for gap in body["gaps"]]


def test_a_disk_without_free_room_is_left_alone_until_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder, reader, counts = _recorder(tmp_path, free_mib=1_024)
    full = shutil.disk_usage(tmp_path)._replace(total=2**40, free=2**20)
    monkeypatch.setattr("centre.history.folder.shutil.disk_usage", lambda _: full)
    _drive(recorder, 0, 12)
    assert list((tmp_path / "hours").iterdir()) == []
    assert counts["history.block_dropped"] == 2
    assert recorder.fault is not None
    monkeypatch.undo()
    _drive(recorder, 61, 75)  # it looks again after a minute
    recorder.close(T0_NS + 75 * NS)
    assert recorder.fault is None
    body, frames = _read(reader, 55, 74.9)
    assert _seconds(frames) == list(range(61, 75))
    assert "disk_space" in [gap["reason"] for gap in _read(reader, 0, 20)[0]["gaps"]]
    assert body["next"] is None


def test_a_clip_has_the_full_rate_around_a_violation(tmp_path: Path) -> None:
    recorder, reader, counts = _recorder(tmp_path)
    recorder.units(ROWS, T0_NS)
    _drive(recorder, 0, 42)
    wish = Wish("6f1c", T0_NS + 40 * NS, 150.0, frozenset({"RSU1"}))
    recorder.wish(wish)
    early = msgspec.msgpack.decode(reader.clip("6f1c") or b"")
    assert len(early["frames"]) == 320  # 10 s to 42 s, as far as it has come
    _drive(recorder, 42, 80)
    recorder.work(T0_NS + 80 * NS)
    assert counts["history.clips"] == 1
    body = msgspec.msgpack.decode(reader.clip("6f1c") or b"")
    frames = [wire.decode_snapshot(frame) for frame in body["frames"]]
    assert [frame.stamp_ns for frame in frames] == [T0_NS + i * NS // 10 for i in range(100, 701)]
    assert frames[0].names is not None
    assert frames[0].names.plate[0] == "辽L·A0001"
    assert body["gaps"] == []
    assert msgspec.json.decode(body["rsus"][0]["rows"]) == ROWS
    assert reader.clip("none") is None
    assert reader.clip("../../etc") is None
    recorder.close(T0_NS + 80 * NS)


def test_clips_leave_by_their_own_limit(tmp_path: Path) -> None:
    recorder, reader, _ = _recorder(tmp_path, plates_days=1.0)
    _drive(recorder, 0, 40)
    recorder.wish(Wish("a", T0_NS + 30 * NS, None, frozenset({"RSU1"})))
    recorder.close(T0_NS + 70 * NS)
    assert reader.clip("a") is not None
    later, _, _ = _recorder(tmp_path, plates_days=0.9)
    later.work(T0_NS + 25 * HOUR_NS)
    later.close(T0_NS + 25 * HOUR_NS)
    assert reader.clip("a") is None
    assert list((tmp_path / "clips").iterdir()) == []


def test_the_draft_of_a_killed_centre_is_deleted(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    draft = folder.draft(folder.clip("a", T0_NS))
    draft.write_bytes(b"plates")
    recorder, _, _ = _recorder(tmp_path)
    recorder.work(T0_NS)
    assert not draft.exists()
    recorder.close(T0_NS)


def test_states_that_wait_for_a_disk_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "UNITS_WAITING_MAX", 3)
    recorder, _, _ = _recorder(tmp_path / "history")
    (tmp_path / "history").write_text("a file is in the way")
    for minute in range(10):
        recorder.units(ROWS, T0_NS + minute * 60 * NS)
        recorder.work(T0_NS + minute * 60 * NS)
    (tmp_path / "history").unlink()
    recorder.close(T0_NS + 600 * NS)
    with sqlite3.connect(Folder(tmp_path / "history").hour(T0_NS + 600 * NS)) as db:
        stamps = [ns for (ns,) in db.execute("SELECT stamp_ns FROM unit ORDER BY stamp_ns")]
    assert stamps == [T0_NS + minute * 60 * NS for minute in (7, 8, 9)]


def test_snapshots_without_vehicles_fill_the_queue_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "QUEUE_MAX", 5)
    history = keeper.History(tmp_path, RetentionConfig(), {}, lambda: T0_NS, log.setup(part="test"))
    empty = msgspec.structs.replace(snapshot(0), n=0, data=b"")
    # `start` is not called, so no thread takes anything from the queue: as if that thread waited for the disk
    for _ in range(8):
        history.offer(empty, T0_NS)
    history.units(ROWS)
    assert history.counts["history.overload"] == 4
    history.close()


def test_a_vehicle_is_followed_over_rsus_and_hours(tmp_path: Path) -> None:
    recorder, reader, _ = _recorder(tmp_path)
    t0_ns = T0_NS + HOUR_NS - 10 * NS
    for at_s in range(20):  # the first RSU until the hour ends, then the second
        esn = "RSU1" if at_s < 10 else "RSU2"
        recorder.receive(snapshot(at_s, esn, names=at_s % 5 == 0, t0_ns=t0_ns), t0_ns + at_s * NS)
        recorder.work(t0_ns + at_s * NS)
    recorder.close(t0_ns + 20 * NS)
    found = reader.vehicle("13900000002", T0_NS, T0_NS + 2 * HOUR_NS)
    assert [(int(ns) - t0_ns) // NS for ns in found["stamp_ns"]] == list(range(20))
    assert found["s_m"][3] == 150.0 + 60.0
    assert found["lane"][0] == "south"
    assert found["esn"] == ["RSU1"] * 10 + ["RSU2"] * 10
    assert reader.vehicle("nobody", T0_NS, T0_NS + HOUR_NS)["stamp_ns"] == []


def test_a_track_that_loses_its_name_is_nobody_from_then_on(tmp_path: Path) -> None:
    recorder, reader, _ = _recorder(tmp_path)
    _drive(recorder, 0, 10)
    nameless = msgspec.structs.replace(snapshot(10.0), names=wire.TrackNames())
    recorder.receive(nameless, T0_NS + 10 * NS)
    recorder.close(T0_NS + 16 * NS)
    _, frames = _read(reader, 0, 10)
    assert frames[0].names is not None
    assert TRACK + 1 in frames[0].names.track
    assert frames[-1].names == wire.TrackNames()
    assert len(reader.vehicle("13900000001", T0_NS, T0_NS + 60 * NS)["stamp_ns"]) == 10


def test_a_wrong_clock_makes_no_file(tmp_path: Path) -> None:
    recorder, _, counts = _recorder(tmp_path)
    recorder.receive(snapshot(0, t0_ns=T0_NS + 30 * 24 * HOUR_NS), T0_NS)
    recorder.close(T0_NS)
    assert counts["history.far_stamp"] == 1
    assert [path.name for path in Folder(tmp_path).hours.glob("*.sqlite")] == [
        Folder(tmp_path).hour(T0_NS).name
    ]
