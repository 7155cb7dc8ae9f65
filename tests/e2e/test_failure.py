"""A part that dies ends the whole demo with a message that names it; nothing is left running."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.live_demo import live_demo

pytestmark = [pytest.mark.e2e, pytest.mark.paced]


def test_a_part_that_dies_ends_a_run_that_measures(run_folder):
    """Its figures are those of a whole system; in one without an end the others continue: test_demo_parts."""
    with live_demo(run_folder("dies"), "--seed", 4, "--rsus", 1, "--duration", 600) as demo:
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
