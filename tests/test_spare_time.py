"""What runs in spare time takes none from others, fails with its own status, and ends with its starter."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import spare_time

STARTER = (sys.executable, "-m", "tests.support.spare_time")
COMMAND = (*STARTER, sys.executable, "-c")


@pytest.mark.parametrize(("options", "nice"), [((), spare_time.LOWEST), (("--nice", "5"), 5)])
def test_it_has_a_lower_priority_in_a_session_of_its_own(options: tuple[str, ...], nice: int) -> None:
    code = "import os, sys; print(os.nice(0), os.getsid(0) == os.getpid()); sys.exit(3)"
    argv = [*STARTER, *options, sys.executable, "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60.0, check=False)
    assert (done.returncode, done.stdout.split()) == (3, [str(min(19, os.nice(0) + nice)), "True"])


def _ignore_ctrl_c() -> None:
    """As a shell does for what it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_its_starter_is_asked_to_end(by: signal.Signals) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    with subprocess.Popen(
        [*COMMAND, code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=_ignore_ctrl_c,
    ) as starter:
        assert starter.stdout is not None
        child = Path("/proc") / starter.stdout.readline().strip()
        assert child.exists()
        begun_s = time.monotonic()
        starter.send_signal(by)
        starter.wait(30.0)
        assert time.monotonic() - begun_s < 30.0
        assert not child.exists()
