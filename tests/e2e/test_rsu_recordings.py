"""A real RSU's recordings: their directory is missing at the start, a file is full, the files replay."""

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

from core.times import NS
from edge.clock import Clock
from edge.recording.names import files_of
from petroroad.__main__ import main
from tests.support.roadside_drive import EXAMPLE

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
ESN = "RSU001"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def own_site(folder, health):
    """Return the example site with a broker that is away, and with a health port."""
    text = EXAMPLE.read_text().replace("127.0.0.1:17001", f"127.0.0.1:{free_port()}")
    lines = text.replace("127.0.0.1:1883", f"127.0.0.1:{free_port()}").split("\n")
    esn = next(i for i, line in enumerate(lines) if line.strip() == f'esn = "{ESN}"')
    lines.insert(esn + 1, f'health = "{health}"')
    for path in EXAMPLE.parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    lines.append("[retention]\nrecordings_gib = 0.0002")  # a file of 27 kB is full
    (folder / "site.toml").write_text("\n".join(lines))
    return folder / "site.toml"


def degraded(health):
    try:
        with urllib.request.urlopen(f"http://{health}/readyz", timeout=2.0) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:  # without a broker it is not ready
        body = error.read()
    except OSError:
        return None
    return json.loads(body)["degraded"]


def until(condition, seconds=120.0):
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.1)


def test_recordings_begin_once_there_is_a_place_and_again_when_a_file_is_full(tmp_path, capsys):
    health = f"127.0.0.1:{free_port()}"
    site = own_site(tmp_path, health)
    place = tmp_path / "state" / "recordings"
    place.parent.mkdir()
    place.write_text("in the way")
    clock = Clock.paced(1_790_000_000 * NS, 5.0)  # a state each 12 s
    command = [sys.executable, "-m", "petroroad", "rsu", "--config", str(site), "--esn", ESN]
    child = subprocess.Popen(
        [*command, "--state", str(tmp_path / "state")], cwd=ROOT, env=os.environ | clock.to_env()
    )
    try:
        until(lambda: degraded(health) == ["recording_error"])
        place.unlink()
        until(lambda: degraded(health) == [])
        until(lambda: len(files_of(place, ESN)) >= 2)
    finally:
        child.send_signal(signal.SIGTERM)
        assert child.wait(30.0) == 0
    files = files_of(place, ESN)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert place.stat().st_mode & 0o777 == 0o700
    counts = []
    for paths in (files, [place], files[1:]):
        capsys.readouterr()
        assert main(["replay", *map(str, paths), "--json"]) == 0
        counts.append(json.loads(capsys.readouterr().out)["digest_tracks"])
    assert counts[0] == counts[1] != counts[2]
    assert main(["recording", "info", str(place), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["whole"], len(facts["files"])) == (True, len(files))
