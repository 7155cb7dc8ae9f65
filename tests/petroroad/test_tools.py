"""The tools around a running site: broker, tail, doctor, recording; as an operator calls them."""

import json
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgpack
import numpy as np
import paho.mqtt.client as paho
import pytest
from mcap.reader import make_reader

from edge import log, wire
from edge.config import load_site
from edge.recording.recorder import Recorder
from edge.stations import NONE_SIGNED_DM, write_stations
from petroroad.__main__ import main
from petroroad.doctor import checks
from petroroad.processes.ports import kept_port
from petroroad.show import plain, snapshot_columns, track_rows
from tests.support.site_text import ONE_RSU, RADAR_POSE

ROOT = Path(__file__).resolve().parents[2]
T0 = 1_790_000_000_000_000_000
SITE = ONE_RSU


def snapshot(i):
    rows = np.zeros(2, wire.TRACK_DTYPE)
    rows["track"] = [2**60 + 1, 7]
    rows["lon_e7"], rows["lat_e7"] = 1_220_000_000 + i, 410_000_000
    rows["lane"] = [0, wire.NONE_LANE]
    rows["d_cm"] = [-25, wire.NONE_D_CM]
    rows["s_dm"] = [1_234, wire.NONE_S_DM]
    lanes = ("L0",) if i == 0 else None
    return wire.encode(wire.snapshot_of(rows, esn="R1", seq=i, stamp_ns=T0 + i * 100_000_000, lanes=lanes))


def test_rows_of_a_road_that_begins_below_zero_have_stations():
    rows = np.zeros(3, wire.SIGNED_DTYPE)
    write_stations(rows, np.array([-12.34, 5.0, np.nan]))
    snapshot_there = wire.snapshot_of(rows, esn="R1", seq=1, stamp_ns=T0)
    assert [row["s_m"] for row in track_rows(snapshot_there, ())] == [-12.3, 5.0, None]
    columns = snapshot_columns(snapshot_there)["tracks"]
    assert columns["s_dm"] == [wire.NONE_S_DM, 50, wire.NONE_S_DM]
    assert columns["s_signed_dm"] == [-123, 50, NONE_SIGNED_DM]


VIOLATION = msgpack.packb({"id": "u", "rule": "overspeed", "lon_deg": 122.0, "lat_deg": 41.0, "track": 2**60})


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "r.mcap"
    with Recorder(path) as recorder:
        site = wire.SiteRecord(config=SITE, map="{}", esn="R1")
        recorder.write("/site", wire.encode(site), T0)
        for i in range(30):
            recorder.write("/tracks/R1", snapshot(i), T0 + i * 100_000_000 + 1)
        recorder.write("/violation/R1", VIOLATION, T0 + 3_000_000_001)
    return path


def test_info_reports_channels_and_wholeness(recorded, capsys):
    assert main(["recording", "info", str(recorded), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["channels"] == {"/site": 1, "/tracks/R1": 30, "/violation/R1": 1}
    assert (facts["whole"], facts["esn"], facts["duration_s"]) == (True, "R1", 3.0)
    assert main(["recording", "info", str(recorded)]) == 0
    assert "/tracks/R1" in capsys.readouterr().out


def test_recover_saves_what_is_whole(recorded, tmp_path, capsys):
    cut, sound = tmp_path / "cut.mcap", tmp_path / "sound.mcap"
    cut.write_bytes(recorded.read_bytes()[:2_500])
    assert main(["recording", "recover", str(cut), str(sound), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["cut"]
    with sound.open("rb") as file:
        assert make_reader(file).get_summary().statistics.message_count == shown["messages"] > 0
    assert main(["recording", "recover", str(cut), str(sound)]) == 2  # never over another file
    assert "there already" in capsys.readouterr().err


def test_export_geojson(recorded, tmp_path, capsys):
    out = tmp_path / "o.geojson"
    assert main(["recording", "export", str(recorded), str(out), "--geojson", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": str(out), "written": 3}
    big, small, point = json.loads(out.read_text())["features"]
    assert big["properties"]["track"] == str(2**60 + 1)  # whole, though a browser would round it
    assert small["geometry"]["coordinates"][-1] == [122.0000029, 41.0]
    assert point["geometry"] == {"type": "Point", "coordinates": [122.0, 41.0]}
    assert point["properties"]["rule"] == "overspeed"


def test_export_foxglove(recorded, tmp_path):
    out = tmp_path / "o.mcap"
    assert main(["recording", "export", str(recorded), str(out), "--foxglove"]) == 0
    with out.open("rb") as file:
        schema, channel, message = next(make_reader(file).iter_messages())
    assert (schema.name, schema.encoding, channel.message_encoding) == (
        "foxglove.GeoJSON", "jsonschema", "json",
    )  # fmt: skip
    features = json.loads(json.loads(message.data)["geojson"])["features"]
    lane = {f["properties"]["name"]: f["properties"]["lane"] for f in features}
    assert lane == {str(2**60 + 1): "L0", "7": None}


def test_export_parquet_says_what_it_needs(recorded, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["recording", "export", str(recorded), str(tmp_path / "o"), "--parquet"]) == 1
    assert "pip install pyarrow" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["info", "/nowhere.mcap"], 2),
        (["info", __file__], 2),  # no recording
        (["export", __file__], 2),  # no form chosen
        (["export", __file__, "--geojson"], 2),
        (["info"], 2),
        (["melt", __file__], 2),
    ],
)
def test_what_can_not_be_done_has_its_exit_code(arguments, status, capsys):
    assert main(["recording", *arguments]) == status
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("topic", "body", "want"),
    [
        ("a", msgpack.packb({"x": 2**60, "y": [1.5, None]}), {"x": str(2**60), "y": [1.5, None]}),
        ("a", msgpack.packb({"violation": VIOLATION}), {"violation": plain("v", VIOLATION)}),
        ("a", msgpack.packb({"bytes": b"\x01\x02"}), {"bytes": "0102"}),
        ("a", msgpack.packb({"x": float("nan")}), {"x": None}),
        ("a", b"", None),
        ("a", b"\xc1", {"error": "no MessagePack", "bytes": 1, "begins": "c1"}),
        ("x/track/up", msgpack.packb({"v": 2}), {"v": 2}),  # another version's: as it is
    ],
)
def test_plain_is_json(topic, body, want):
    assert plain(topic, body) == want
    json.dumps(plain(topic, body), allow_nan=False)


def test_plain_opens_snapshots():
    shown = plain("v2x/v1/rsu/R1/track/up", snapshot(0))
    assert shown["tracks"]["track"] == [str(2**60 + 1), 7]
    assert shown["tracks"]["d_cm"] == [-25, -32_768]


@pytest.fixture
def site_file(tmp_path):
    (tmp_path / "map.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    path = tmp_path / "site.toml"
    path.write_text(SITE)
    return path


def doctor(capsys, *arguments):
    status = main(["doctor", "--json", *arguments])
    facts = json.loads(capsys.readouterr().out)
    assert facts["ok"] is (status == 0)
    return status, {check["name"]: check for check in facts["checks"]}


def test_doctor_looks_at_the_machine(tmp_path, capsys):
    status, found = doctor(capsys, "--state", str(tmp_path))
    assert status == 0
    assert {"clock", "disk.space", "disk.fsync", "broker.program", "kernels"} <= set(found)
    assert list(tmp_path.iterdir()) == []  # its probe is gone


def test_doctor_reports_a_state_directory_that_is_not_there(tmp_path, capsys):
    status, found = doctor(capsys, "--state", str(tmp_path / "none"))
    assert (status, found["disk.space"]["level"]) == (1, "fail")
    assert "none" in found["disk.space"]["detail"]


def test_doctor_names_what_is_wrong_with_a_site(site_file, tmp_path, capsys):
    with socket.socket() as taken, socket.socket() as nobody:
        taken.bind(("127.0.0.1", 0))
        nobody.bind(("127.0.0.1", 0))  # bound, not listening: refused
        site_file.write_text(
            SITE
            + f'[mqtt]\nbrokers = ["127.0.0.1:{nobody.getsockname()[1]}"]\nca_file = "/nowhere.pem"\n'
            + f'[centre]\nhttp = "127.0.0.1:{taken.getsockname()[1]}"\n'
        )
        status, found = doctor(capsys, "--config", str(site_file), "--state", str(tmp_path))
    assert status == 1
    assert {name: check["level"] for name, check in found.items() if "." not in name or "port" in name} | {
        "clock": "", "kernels": "",
    } == {
        "clock": "", "kernels": "", "config": "ok", "map": "ok", "port.centre.http": "warn",
        "broker": "fail", "certificates": "fail", "centre": "fail", "page": "ok",
    }  # fmt: skip


RADAR = '[[rsu.radar]]\nid = "RADAR"\ninput = "can://vcan0"\n' + RADAR_POSE


def test_doctor_names_a_radar_that_no_rsu_can_read(site_file, tmp_path, capsys):
    site_file.write_text(SITE + RADAR)
    status, found = doctor(capsys, "--config", str(site_file), "--state", str(tmp_path))
    assert (status, found["config"]["level"]) == (1, "fail")
    assert "rsu[0].radar[0].input: must be udp:// (is 'can://vcan0')" in found["config"]["detail"]


def test_doctor_warns_of_a_receiver_whose_port_is_in_use(site_file, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        gnss = f'[[rsu.gnss]]\ninput = "nmea://127.0.0.1:{port}"\n'
        site_file.write_text(SITE + gnss)
        _, found = doctor(capsys, "--config", str(site_file), "--state", str(tmp_path))
    assert found["port.R1.gnss"]["level"] == "warn"


def test_a_setting_that_nothing_follows_yet_is_reported(site_file, tmp_path, capsys):
    """Who sets how long plates are kept must not believe that they are deleted."""
    quiet = load_site(site_file)
    site_file.write_text(SITE + "[retention]\nrecordings_days = 3.0\n")  # an RSU deletes by it
    assert load_site(site_file).unapplied == ()
    site_file.write_text(SITE + "[retention]\nplates_days = 30.0\n")
    _, found = doctor(capsys, "--config", str(site_file), "--state", str(tmp_path))
    assert found["config.unapplied"]["level"] == "warn"
    assert "[retention] plates_days is not applied yet" in found["config.unapplied"]["detail"]
    assert quiet.unapplied == ()
    log.warn_unapplied(log.setup(part="test"), load_site(site_file).unapplied)
    assert "[retention] plates_days is not applied yet" in capsys.readouterr().err


def test_doctor_reports_a_broken_site(site_file, capsys):
    site_file.write_text(SITE.replace("origin", "orign"))
    status, found = doctor(capsys, "--config", str(site_file))
    assert (status, found["config"]["level"]) == (1, "fail")
    assert "orign" in found["config"]["detail"]


def test_a_full_disk_is_warned_of(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10**6)
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda folder: usage)
    assert checks.disk(tmp_path)[0].level == "warn"


@pytest.fixture
def address():
    with kept_port() as port:
        yield f"127.0.0.1:{port}"


@pytest.mark.e2e
def test_broker_and_tail_as_processes(tmp_path, address):
    petroroad = [sys.executable, "-m", "petroroad"]
    broker = subprocess.Popen(
        [*petroroad, "broker", "--listen", address, "--state", str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
    )
    tail = [*petroroad, "tail", "t/#", "--broker", address, "--count", "1", "--json"]
    try:
        until_listening(address)
        with subprocess.Popen(tail, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watching:
            publish_until_received(address, watching)
            shown = json.loads(watching.stdout.readline())
        assert (watching.returncode, shown) == (0, {"topic": "t/x", "retained": False, "message": {"a": 1}})
    finally:
        broker.send_signal(signal.SIGTERM)
        assert broker.wait(30.0) == 0
        broker.stderr.close()


def until_listening(address):
    host, _, port = address.rpartition(":")
    end_s = time.monotonic() + 20.0
    while time.monotonic() < end_s:
        try:
            socket.create_connection((host, int(port)), 1.0).close()
            return
        except OSError:  # not yet; the attempt itself takes the time
            select.select([], [], [], 0.02)
    raise AssertionError("the broker never came up")


def publish_until_received(address, watching):
    """Publish each 50 ms until the tail has its one message and ends."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.connect("127.0.0.1", int(address.rpartition(":")[2]))
    client.loop_start()
    try:
        for _ in range(200):
            client.publish("t/x", msgpack.packb({"a": 1}), 1)
            try:
                watching.wait(0.05)
                return
            except subprocess.TimeoutExpired:
                continue
    finally:
        client.disconnect()
        client.loop_stop()
