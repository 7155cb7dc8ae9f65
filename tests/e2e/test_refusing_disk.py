"""An RSU as a process whose outbox lies on a disk that refuses: it serves, and says so."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from edge.outbox.changes import Changes
from edge.outbox.store import Store
from tests.support.roadside_drive import EXAMPLE
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
START_S = 120.0


def free_port(kind: int) -> str:
    with socket.socket(socket.AF_INET, kind) as held:
        held.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture
def site(tmp_path):
    """The example site with free ports, and the address of the RSU's health."""
    health = free_port(socket.SOCK_STREAM)
    text = EXAMPLE.read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:17001", free_port(socket.SOCK_DGRAM))
    text = text.replace("127.0.0.1:17101", free_port(socket.SOCK_STREAM))
    text = text.replace("neighbours = []", f'health = "{health}"', 1)
    (tmp_path / "site.toml").write_text(text, encoding="utf-8")
    (tmp_path / "map.geojson").write_bytes(EXAMPLE.with_name("map.geojson").read_bytes())
    return tmp_path, health


def readiness(health: str) -> dict | None:
    """Return the facts of /readyz; None before it answers."""
    try:
        with urllib.request.urlopen(f"http://{health}/readyz", timeout=5.0) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:  # not ready: there is no broker
        return json.load(error)
    except OSError:
        return None


def until(condition, child):
    end_s = time.monotonic() + START_S
    while not condition():
        assert child.poll() is None, "it ended by itself"
        assert time.monotonic() < end_s, "it took too long"
        time.sleep(0.2)


def test_a_read_only_outbox_ends_nothing(site):
    folder, health = site
    with small_disk(folder / "outbox") as disk:
        store, changes = Store(disk.folder / "RSU001.sqlite", 5), Changes()
        for _ in range(3):
            store.put(changes, 1_790_000_000_000_000_000, b"waiting", None)
        store.commit(changes)
        store.close()
        disk.remount("ro")
        command = [sys.executable, "-m", "petroroad", "rsu", "--config", "site.toml", "--esn", "RSU001"]
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(command, cwd=folder, env=env) as child:
            try:
                until(lambda: readiness(health) is not None, child)
                degraded = readiness(health)["degraded"]
                assert {"disk_read_only", "outbox_in_memory"} <= set(degraded)
                with urllib.request.urlopen(f"http://{health}/metrics", timeout=5.0) as answer:
                    metrics = answer.read().decode()
                assert any(
                    line.startswith("petroroad_outbox_depth") and line.endswith(" 3.0")
                    for line in metrics.splitlines()
                ), metrics
                disk.remount("rw")
                until(lambda: "outbox_in_memory" not in readiness(health)["degraded"], child)
                child.send_signal(signal.SIGTERM)
                assert child.wait(30.0) == 0
            finally:
                child.kill()
        store = Store(disk.folder / "RSU001.sqlite", 5)
        assert sum(store.remaining.values()) == 3
        store.close()
