"""The whole system as processes: each true departure arrives once, recordings replay to the same bytes."""

import json
import secrets
import sqlite3
import subprocess
from contextlib import closing

import pytest

from edge.recording.chain import files_in, read_chain
from edge.recording.recorder import read_messages
from geofence.journeys.journey import decoded
from tests.conftest import find_program
from tests.support.demo_run import ROOT, Finished, run_demo

pytestmark = [pytest.mark.e2e, pytest.mark.paced]

DEPARTURES_MIN = 3
ANOTHER = "0" * 64  # no recording's digest


@pytest.fixture(scope="module")
def nats(run_folder):
    return run_demo(run_folder("nats"), "--duration", 30, "--seed", 1)


def test_each_departure_arrives_once_through_nats(nats):
    found = nats.summary
    departures = found["by_rule"]["lane_departure"]
    assert departures["missed"] == 0, found["missed"]
    assert departures["true"] >= DEPARTURES_MIN
    assert found["violations_true"] >= DEPARTURES_MIN
    assert (found["lost"], found["duplicates"], found["recall"]) == (0, 0, 1.0), found


def test_a_fresh_seed_with_noise_loses_nothing_and_sends_nothing_twice(run_folder, record_property):
    """Over TLS, each part with its own rights, through mosquitto where it is installed; in CI it is."""
    broker = "nats" if find_program("mosquitto") is None else "mosquitto"
    seed = secrets.randbits(32)
    given = ("--seed", seed, "--noise", 1.5, "--broker", broker, "--tls")
    run = run_demo(run_folder("fresh"), "--duration", 30, *given)
    long = ("missed", "false", "doubled", "run_directory")
    figures = {k: v for k, v in run.summary.items() if k not in long}
    record_property(f"fresh seed {seed}, noise x 1.5, {broker}", json.dumps(figures))
    assert (run.summary["lost"], run.summary["duplicates"]) == (0, 0), f"seed {seed}: {run.summary}"
    # with half as much noise again, radars that reflect from bodies leave up to three of five undecidable
    assert run.summary["violations_raised"] > 0, f"seed {seed}: {run.summary}"


def test_each_journey_is_at_the_centre_once(nats):
    recorded = {}
    for path in nats.run_dir.glob("*/recordings/*.mcap"):
        for message in read_messages(path):
            if message.topic.startswith("/journey/"):
                journey = decoded(message.body)
                recorded[journey.id] = journey.terminal
    with closing(sqlite3.connect(nats.run_dir / "centre.sqlite")) as db:
        rows = db.execute("SELECT id, terminal, joined FROM journey").fetchall()
    assert {name: terminal for name, terminal, _ in rows} == recorded
    whole = {name: terminal for name, terminal, joined in rows if joined is None}
    assert len(set(whole.values())) == len(whole) > DEPARTURES_MIN
    # where a handover comes late, the next RSU begins another journey, which the centre joins to the first
    assert all(recorded[joined] == terminal for _, terminal, joined in rows if joined is not None)


def replay(run: Finished, *arguments: str, status: int = 0) -> dict:
    argv = [*run.replay_command, "--json", *arguments]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    assert (ANOTHER in done.stderr) == (status == 1), "the digest that was expected is named"
    return json.loads(done.stdout)


def test_replay_gives_the_bytes_that_were_sent_at_any_rate(nats):
    """The command fails by itself where a violation's bytes differ from the recorded ones."""
    at_max = replay(nats)
    assert at_max["violations"] == at_max["recorded_violations"] > DEPARTURES_MIN
    at_ten = replay(nats, "--rate", "10", "--expect", ANOTHER, status=1)
    assert (at_ten["digest"], at_ten["digest_tracks"]) == (at_max["digest"], at_max["digest_tracks"])


def test_every_recording_ends_with_a_stop(nats):
    folders = sorted(nats.run_dir.glob("RSU*/recordings"))
    assert len(folders) == 4
    for folder in folders:
        messages = read_chain(files_in([folder]))  # an hour may have passed meanwhile
        inputs = [message.body for message in messages if message.topic == "/input"]
        assert b"start" in inputs[0]
        assert b"stop" in inputs[-1], folder


def test_a_log_lies_beside_for_each_process(nats):
    logs = {path.stem for path in nats.run_dir.glob("*.log")}
    assert {"broker", "centre", "gateway", "sim"} < logs
    assert len(logs) == 8
