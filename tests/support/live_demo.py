"""A demo without an end, for tests that look at it while it runs; ended as by Ctrl-C."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.demo_run import ROOT, command


@dataclass
class LiveDemo:
    """What a running demo printed; `end_s` and `said` are set once it ended."""

    process: subprocess.Popen[str]
    run_dir: Path
    url: str = ""
    said: list[str] = field(default_factory=list)

    def end(self, number: int = signal.SIGINT) -> float:
        """Ask it to end; returns how long that took [s]."""
        begun_s = time.monotonic()
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        self.said += rest.splitlines()
        return time.monotonic() - begun_s

    def left_behind(self) -> list[str]:
        """Return the command lines of processes that still name the run directory."""
        found = []
        folder = os.fsencode(self.run_dir)
        names = (folder + b"/", folder + b"\0")  # no other folder whose name begins with ours
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
            except OSError:  # it has just ended
                continue
            if any(name in words for name in names):
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
        return found


@contextmanager
def live_demo(run_dir: Path, *arguments: object) -> Iterator[LiveDemo]:
    """Start a demo and wait until it has said that it is ready."""
    argv = command("demo", "--run-dir", run_dir, "--scenario", "panjin", *arguments)
    with subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, process_group=0
    ) as process:
        demo = LiveDemo(process, run_dir.resolve())
        try:
            assert process.stdout is not None
            for line in process.stdout:
                demo.said.append(line.rstrip())
                if line.startswith("ready after"):
                    break
            text = "\n".join(demo.said)
            found = re.search(r"http://\S+", text)
            assert found, text
            demo.url = found[0]
            yield demo
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=30)
