"""The demo's figures from files that are written here, by the product's own writers."""

import msgspec
import pytest
import sqlalchemy as sa

from centre.store import VERSION, open_database
from edge.recording.recorder import Recorder
from geofence.violation import GRADES, Stamps, Violation, ViolationVehicle, encode
from petroroad.commands.score import violation_figures
from petroroad.demo.parts import RunDir
from petroroad.demo.summary import summarise, table

MS, S = 1_000_000, 1_000_000_000
T0 = 1_800_000_000 * S
ESN = "RSU-23"


def vehicle(terminal):
    return ViolationVehicle(terminal=terminal) if terminal else None


def violation(i, version, grade, phase="open", at_s=12.0, by=None, terminal="1"):
    stamp_ns = T0 + int(at_s * S)
    return Violation(
        id=i, version=version, hop=0, phase=phase, grade=grade, rule="lane_departure",
        vehicle=vehicle(terminal), identity_p=1.0 if terminal else None,
        track=1, esn=ESN, start_ns=T0 + 11 * S, confirmed_ns=stamp_ns,
        end_ns=stamp_ns if phase == "close" else None, lon_deg=122.0, lat_deg=41.0, lane="A", zone=None,
        s_m=1.0, d_m=0.0, sigma_d_m=0.1, p_violation=1.0, speed_mps=20.0, limit_mps=None, map_version="1",
        rules_version="1", stamps=Stamps(measured_ns=stamp_ns, arrived_ns=stamp_ns, by=by),
    )  # fmt: skip


def write_truth(path, events):
    with Recorder(path) as recorder:
        for i in range(601):
            stamp_ns = T0 + i * 100 * MS
            states = {"stamp_ns": stamp_ns, "id": [7, 8], "lon_deg": [122.0, 122.1], "lat_deg": [41.0, 41.0]}
            recorder.write("/truth", msgspec.msgpack.encode(states), stamp_ns)
        for i, (start_s, terminal) in enumerate(events):
            event = {
                "id": f"t{i}", "rule": "lane_departure", "vehicle": 7, "terminal": terminal,
                "start_ns": T0 + start_s * S, "end_ns": T0 + (start_s + 5) * S, "detail": {},
            }  # fmt: skip
            recorder.write("/truth/violation", msgspec.msgpack.encode(event), T0 + 60 * S)


@pytest.fixture
def run_dir(tmp_path):
    run_dir = RunDir(tmp_path)
    write_truth(run_dir.truth, [(11, "1"), (30, "2"), (55, "3")])
    return run_dir


def write_output(run_dir, sent, stored):
    """`sent` lie in the RSU's recording, `stored` [(violation, ms until committed)] at the centre."""
    with Recorder(run_dir.state(ESN) / "a.mcap") as recorder:
        for item in sent:
            recorder.write(f"/violation/{ESN}", encode(item), item.stamps.measured_ns)
    engine = open_database(f"sqlite:///{run_dir.database}")
    with engine.begin() as db:
        for seq, (item, ms) in enumerate(stored, start=1):
            row = {
                "id": item.id, "version": item.version, "esn": item.esn, "hop": item.hop,
                "grade": GRADES.index(item.grade), "body": encode(item), "sha256": b"", "epoch": 1,
                "seq": seq, "decided_ns": None, "detected_ns": 1, "sent_ns": 1, "received_ns": 1,
                "committed_ns": item.stamps.arrived_ns + ms * MS,
            }  # fmt: skip
            db.execute(sa.insert(VERSION).values(row))
    engine.dispose()


def test_summary_counts_what_the_files_hold(run_dir):
    versions = [
        violation("a", 1, "notice"),
        violation("a", 2, "warning", "update", 12.5),
        violation("a", 3, "warning", "close", 16.0),
    ]
    false = violation("b", 1, "warning", at_s=20.0, terminal="9")
    write_output(
        run_dir, [*versions, false], [(versions[0], 1), (versions[1], 7), (versions[2], 9), (false, 3)]
    )
    found = summarise(run_dir, [ESN])
    assert (found["violations_true"], found["violations_raised"]) == (2, 2), "the third begins too late"
    assert (found["precision"], found["recall"]) == (0.5, 0.5)
    assert (found["lost"], found["duplicates"], found["vehicles"]) == (0, 0, 2)
    assert (found["latency_samples"], found["latency_ms_p50"], found["latency_ms_p99"]) == (2, 3.0, 7.0)
    assert [event["id"] for event in found["missed"]] == ["t1"]
    assert "precision 0.500" in table(found)


def test_what_the_centre_lacks_is_lost(run_dir):
    first, second = violation("a", 1, "warning"), violation("a", 2, "warning", "close", 16.0)
    write_output(run_dir, [first, second], [(first, 1)])
    assert summarise(run_dir, [ESN])["lost"] == 1


def test_a_further_id_of_one_event_is_a_duplicate_and_a_tick_gives_no_latency(run_dir):
    first, again = violation("a", 1, "warning"), violation("b", 1, "warning", at_s=14.0, by="tick")
    write_output(run_dir, [first, again], [(first, 1), (again, 50)])
    found = summarise(run_dir, [ESN])
    assert (found["duplicates"], found["latency_samples"]) == (1, 1)


def test_an_unidentified_one_matches_by_place(run_dir):
    item = violation("a", 1, "warning", terminal=None)
    write_output(run_dir, [item], [(item, 1)])
    assert summarise(run_dir, [ESN])["recall"] == 0.5


def test_notices_are_no_alarms(run_dir):
    item = violation("a", 1, "undecidable")
    write_output(run_dir, [item], [(item, 1)])
    found = summarise(run_dir, [ESN])
    assert (found["violations_raised"], found["latency_ms_p99"]) == (0, None)
    assert "p99 -" in table(found)


def test_score_names_what_was_missed_false_or_raised_twice(run_dir):
    versions = [violation("a", 1, "warning"), violation("b", 1, "warning", at_s=20.0, terminal="9")]
    versions.append(violation("c", 1, "warning", at_s=21.0))
    write_output(run_dir, versions, [])
    figures = violation_figures(run_dir.state(ESN) / "a.mcap", run_dir.truth)
    assert (figures["violations_true"], figures["violations_raised"]) == (2, 3)
    assert figures["doubled"] == [{"id": "c", "rule": "lane_departure", "terminal": "1", "at_s": 0.0}]
    missed = {"id": "t1", "rule": "lane_departure", "terminal": "2", "at_s": 19.0, "undecidable": False}
    assert figures["missed"] == [missed]
    assert figures["by_rule"]["lane_departure"]["missed"] == 1
    assert figures["false"] == [{"id": "b", "rule": "lane_departure", "terminal": "9", "at_s": 0.0}]
