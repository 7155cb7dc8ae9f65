"""A part that dies ends the whole demo with a message that names it; nothing is left running."""

import os
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.demo_run import ROOT, command
from tests.support.live_demo import live_demo

pytestmark = [pytest.mark.e2e, pytest.mark.paced]


def test_a_part_that_can_not_start_is_named_with_its_log(run_folder, tmp_path):
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho 'no room for a broker'\nexit 3\n")
    broken.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    argv = command("demo", "--run-dir", run_folder("broken"), "--broker", "mosquitto", "--duration", 5)
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "broker ended with status 3" in done.stderr
    assert "broker.log" in done.stderr
    assert "no room for a broker" in done.stderr
    assert "Traceback" not in done.stderr.partition("the end of")[0]


def test_a_port_that_is_taken_is_told_before_anything_is_begun(run_folder):
    folder = run_folder("taken")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        argv = command("demo", "--run-dir", folder, "--http", address, "--duration", 5)
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert f"--http {address}: can't listen" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not folder.exists()


def test_a_part_that_dies_ends_all(run_folder):
    with live_demo(run_folder("dies"), "--seed", 4, "--rsus", 1) as demo:
        victim = pid_of(demo.run_dir, b"gateway")
        os.kill(victim, signal.SIGKILL)
        rest, _ = demo.process.communicate(timeout=30)
    assert demo.process.returncode == 1
    assert "gateway was killed by SIGKILL" in rest
    assert demo.left_behind() == []


def test_no_part_survives_the_demos_own_kill(run_folder):
    with live_demo(run_folder("killed"), "--seed", 4, "--rsus", 1) as demo:
        demo.process.kill()
        demo.process.communicate(timeout=30)
        for _ in range(100):
            if not demo.left_behind():
                break
            signal.sigtimedwait([], 0.05)
        assert demo.left_behind() == []


def pid_of(run_dir: Path, word: bytes) -> int:
    """Return the process of one part: its command line names the run directory and the part."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # one that has just ended
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if word in words and any(os.fsencode(run_dir) in one for one in words):
                return int(entry.name)
    raise AssertionError(f"no process {word!r}")
