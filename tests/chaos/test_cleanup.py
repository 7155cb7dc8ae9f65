"""However a run ends, it leaves no process, no mount and, where nothing failed, no folder."""

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.demo_run import ROOT, command

pytestmark = [pytest.mark.e2e, pytest.mark.paced, pytest.mark.long]


def processes(mark):
    """Return the command lines that name the folder of a run."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if mark in line:
            found.append(line)
    return found


def gone(mark, seconds=10.0):
    end_s = time.monotonic() + seconds
    while processes(mark) and time.monotonic() < end_s:
        time.sleep(0.1)
    return processes(mark) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_leaves_nothing(number, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with subprocess.Popen(command("chaos", "--seconds", 15), cwd=ROOT, stdout=subprocess.PIPE) as running:
        end_s = time.monotonic() + 120.0
        while not any("--esn" in line for line in processes(str(tmp_path))):
            assert time.monotonic() < end_s
            assert running.poll() is None
            time.sleep(0.2)
        running.send_signal(number)
        assert running.wait(30.0) == (-9 if number == signal.SIGKILL else 128 + number)
    assert gone(str(tmp_path))
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    if number != signal.SIGKILL:
        assert list(tmp_path.glob("petroroad-chaos-*")) == []
