"""What keeps a process from starting is one line with exit code 2; a port that can't be opened keeps none."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from threading import Timer

import pytest

from tests.support.demo_run import ROOT

EXAMPLE = ROOT / "tests" / "data" / "example"
UNWRITABLE = "/proc/petroroad"


def bound(stack, kind):
    """A loopback port that is held."""
    taken = stack.enter_context(socket.socket(socket.AF_INET, kind))
    taken.bind(("127.0.0.1", 0))
    if kind == socket.SOCK_STREAM:
        taken.listen()
    return f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def prepared(tmp_path):
    """Make a copy of the example site, `old` replaced by `new`; returns the command and where it runs."""

    def prepare(old, new, *arguments):
        text = (EXAMPLE / "site.toml").read_text(encoding="utf-8")
        assert old in text
        with ExitStack() as stack:
            free = [
                bound(stack, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_STREAM)
            ]
        for wanted, port in zip(("127.0.0.1:17001", "127.0.0.1:17808", "127.0.0.1:8080"), free, strict=True):
            if wanted not in old:
                text = text.replace(wanted, port)
        (tmp_path / "site.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
        (tmp_path / "map.geojson").write_bytes((EXAMPLE / "map.geojson").read_bytes())
        command = [sys.executable, "-m", "petroroad", arguments[0], "--config", "site.toml", *arguments[1:]]
        return command, {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}}

    return prepare


@pytest.fixture
def started(prepared):
    """Start a part on a copy of the example site until it ends; returns (status, stderr)."""

    def run(old, new, *arguments):
        command, place = prepared(old, new, *arguments)
        done = subprocess.run(command, **place, capture_output=True, text=True, timeout=120.0)
        return done.returncode, done.stderr

    return run


RSU = ("rsu", "--esn", "RSU001")
LONG = pytest.mark.long  # of each kind of end one stays: a start costs seconds


@pytest.mark.parametrize(
    ("kind", "old", "new", "part", "key"),
    [
        ("udp", "127.0.0.1:17001", "{}", RSU, "rsu[0].radar[0].input"),
        ("", "udp://127.0.0.1:17001", "udp://nosuch.invalid:17001", RSU, "rsu[0].radar[0].input"),
        ("udp", "127.0.0.1:17101", "{}", RSU, "rsu[0].gnss[0].input"),
        ("tcp", "neighbours = []", 'health = "{}"', RSU, "rsu[0].health"),
        ("tcp", "127.0.0.1:17808", "{}", ("gateway",), "gateway.listeners[0]"),
        ("tcp", 'id = "GW1"', 'id = "GW1"\nhealth = "{}"', ("gateway",), "gateway.health"),
        ("tcp", "127.0.0.1:8080", "{}", ("centre",), "centre.http"),
        ("tcp", "[centre]", '[centre]\nhealth = "{}"', ("centre",), "centre.health"),
    ],
)
def test_a_port_in_use_is_said_and_all_else_runs(prepared, kind, old, new, part, key):
    with ExitStack() as stack:
        taken = bound(stack, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        command, place = prepared(old, new.format(taken), *part)
        process = stack.enter_context(subprocess.Popen(command, **place, stderr=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        guard = Timer(120.0, process.kill)
        guard.start()
        said = {}
        for line in process.stderr:  # until both are there: the part serves, and says what it lacks
            event = json.loads(line)
            said[event["event"]] = event
            if {"port.closed", "started"} <= said.keys() or {"port.closed", "serving"} <= said.keys():
                break
        process.terminate()
        rest = process.stderr.read()
        guard.cancel()
    assert said["port.closed"]["key"] == key
    assert (process.returncode, "Traceback" in rest) == (0, False)


@pytest.mark.parametrize(
    ("old", "new", "part", "key"),
    [
        pytest.param(
            "udp://127.0.0.1:17001", "tcp://127.0.0.1:17001", RSU, "rsu[0].radar[0].input: must be udp://",
            marks=LONG,
        ),
        pytest.param(
            "nmea://127.0.0.1:17101", "http://127.0.0.1:17101", RSU, "rsu[0].gnss[0].input: must be nmea://",
            marks=LONG,
        ),
        ("jt808://", "http://", ("gateway",), "gateway.listeners[0]: must be jt808://"),
    ],
)  # fmt: skip
def test_an_address_that_can_not_be_opened_is_one_line(started, old, new, part, key):
    status, shown = started(old, new, *part)
    assert (status, f"site.toml: {key}" in shown, "Traceback" in shown) == (2, True, False)


@pytest.mark.parametrize(
    "state", [UNWRITABLE, pytest.param("site.toml", marks=LONG)], ids=["refused", "a file"]
)
def test_a_state_directory_that_can_not_be_written_is_one_line(started, state):
    status, shown = started("17001", "17001", *RSU, "--state", state)
    assert status == 2
    assert shown.startswith(f"petroroad: --state {state}: can't be written: ")
    assert len(shown.splitlines()) == 1
