"""The release before on the same wire: its messages are read here, ours are read by its own decoders."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict

import msgspec
import pytest

from centre.batch_decoder import Batch, decode_batch
from edge import wire
from edge.centre_status import CentreSeen
from edge.gnss_down import read_down
from edge.journey_messages import JourneyAck, decode_journeys
from edge.outbox.changes import Changes
from edge.outbox.store import Store
from edge.recording.recorder import read_messages
from edge.topics import parse
from geofence.journeys.journey import decoded
from geofence.violation import decode as decode_violation
from roadside.handover import CarriedVehicle
from tests.support.demo_run import ROOT

OLD = ROOT / "tests" / "data" / "wire-0.1.0a1"
# Run with the old package `edge` first in the path: prints what it reads
READER = """
import base64, json, sys
import msgspec
from edge import gnss_down, wire
from geofence import violation
def batch(body):
    read = msgspec.msgpack.decode(body, type=wire.ViolationBatch)
    return [violation.decode(item.violation) for item in read.items if item.violation is not None]
decoders = {
    "rsu/violation/up": batch, "rsu/violation/ack": wire.decode_ack, "rsu/track/up": wire.decode_snapshot,
    "rsu/handover": wire.decode_handover, "rsu/handover/ack": wire.decode_handover_ack,
    "rsu/status": wire.decode_status, "gateway/status": wire.decode_gateway_status,
    "rsu/gnss/down": gnss_down.read_down, "rsu/clock/req": wire.decode_clock_req,
    "rsu/clock/rsp": wire.decode_clock_rsp, "gateway/clock/req": wire.decode_clock_req,
    "gateway/clock/rsp": wire.decode_clock_rsp,
}
for line in sys.stdin:
    message = json.loads(line)
    if message["kind"] in decoders:
        assert decoders[message["kind"]](base64.b64decode(message["payload"])), message["kind"]
        print(message["kind"])
"""


def kind_of(topic):
    found = parse(topic)
    return f"{found.realm}/{found.tail}"


def recorded():
    """The old release's messages by kind: {kind: [(topic, payload)]}."""
    found = defaultdict(list)
    for line in (OLD / "messages.jsonl").read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        found[kind_of(message["topic"])].append((message["topic"], base64.b64decode(message["payload"])))
    return found


RECORDED = recorded()


def read_batch(topic, body):
    sent_ns = max(item["sent_ns"] for item in msgspec.msgpack.decode(body)["items"])
    batch = decode_batch(topic, parse(topic).name, body, sent_ns)
    assert isinstance(batch, Batch)
    assert {item.kind for item in batch.items} == {"violation"}, batch
    return batch


def read_journeys(topic, body):
    return [decoded(each) for each in decode_journeys(body).journeys]


def read_snapshot(topic, body):
    return wire.records_of(wire.decode_snapshot(body)).tobytes()


def read_handover(topic, body):
    message = wire.decode_handover(body)
    return [msgspec.msgpack.decode(bytes(row), type=CarriedVehicle) for row in message.tracks]


def read_fixes(topic, body):
    down, n_bad = read_down(body)
    assert n_bad == 0
    return down


def plain(decode):
    return lambda topic, body: decode(body)


READERS = {
    "rsu/violation/up": read_batch,
    "rsu/violation/ack": plain(wire.decode_ack),
    "rsu/journey/up": read_journeys,
    "rsu/journey/ack": plain(msgspec.msgpack.Decoder(JourneyAck).decode),
    "rsu/track/up": read_snapshot,
    "rsu/handover": read_handover,
    "rsu/handover/ack": plain(wire.decode_handover_ack),
    "rsu/status": plain(wire.decode_status),
    "gateway/status": plain(wire.decode_gateway_status),
    "rsu/gnss/down": read_fixes,
    "rsu/clock/req": plain(wire.decode_clock_req),
    "rsu/clock/rsp": plain(wire.decode_clock_rsp),
    "gateway/clock/req": plain(wire.decode_clock_req),
    "gateway/clock/rsp": plain(wire.decode_clock_rsp),
}


def test_messages_of_each_topic_that_the_old_release_uses_are_kept():
    assert set(RECORDED) == set(READERS)


@pytest.mark.parametrize("kind", READERS)
def test_what_the_old_release_sends_is_read(kind):
    for topic, body in RECORDED[kind]:
        assert READERS[kind](topic, body) is not None


def ours(kind, body):
    """The message as this release sends it: its new fields are filled, and it is signed."""
    made = msgspec.msgpack.decode(body)
    if kind == "rsu/violation/ack":
        made = msgspec.to_builtins(msgspec.structs.replace(wire.decode_ack(body), by="centre-2"))
    if kind == "rsu/status":
        seen = CentreSeen(centre="centre-2", state="online", database="d1", acked_ns=1)
        status = msgspec.structs.replace(
            wire.decode_status(body), centres=(seen,), degraded=("recording_full",)
        )
        made = msgspec.msgpack.decode(wire.encode(status))
    return msgspec.msgpack.encode(made | {"signature": bytes(81), "later": {"unknown": [1, 2]}})


def test_what_this_release_sends_is_read_by_the_old_decoders():
    sent = [
        {"kind": kind, "payload": base64.b64encode(ours(kind, body)).decode()}
        for kind, messages in RECORDED.items()
        for _, body in messages
    ]
    done = subprocess.run(
        [sys.executable, "-c", READER],
        input="\n".join(map(json.dumps, sent)), capture_output=True, text=True, timeout=60.0,
        env=os.environ | {"PYTHONPATH": f"{OLD}{os.pathsep}{ROOT}"}, cwd=OLD,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    apart = {"rsu/journey/up", "rsu/journey/ack"}  # of `geofence.journeys`, whose decoders are not kept
    assert set(done.stdout.split()) == set(RECORDED) - apart


def test_the_old_decoders_are_the_ones_that_read():
    shown = subprocess.run(
        [sys.executable, "-c", "import edge.wire; print(edge.wire.__file__)"], capture_output=True, text=True,
        check=True, env=os.environ | {"PYTHONPATH": f"{OLD}{os.pathsep}{ROOT}"}, cwd=OLD,
    ).stdout  # fmt: skip
    assert shown.strip() == str(OLD / "edge" / "wire.py")


def test_an_old_outbox_keeps_what_waits_in_it(tmp_path):
    path = tmp_path / "RSU.sqlite"
    shutil.copyfile(OLD / "outbox.sqlite", path)
    store = Store(path, 1_900_000_000)
    rows = store.load(64, ())
    assert [row.key.seq for row in rows] == list(range(1, len(rows) + 1))
    assert rows
    for row in rows:
        assert decode_violation(row.violation).id
    changes = Changes()
    store.put(changes, len(rows) + 1, rows[0].violation, None)
    store.commit(changes)
    store.close()


def test_an_old_recording_is_read_to_its_end():
    topics = {message.topic for message in read_messages(OLD / "recording.mcap")}
    assert {"/site", "/state/RSU-23", "/radar/R23-N", "/tracks/RSU-23", "/gateway/GW1"} <= topics
