"""Starts `petroroad demo` as a user does, and reads what it prints; shared by the end-to-end tests."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """A demo that ended by itself."""

    run_dir: Path
    summary: dict[str, Any]
    said: str  # stderr

    @property
    def replay_command(self) -> list[str]:
        """The last line of every demo, as the words of a command."""
        words = self.said.strip().splitlines()[-1].split()
        assert words[:2] == ["petroroad", "replay"], self.said
        return [sys.executable, "-m", *words]


def command(*arguments: object) -> list[str]:
    """Return the words that run petroroad in this environment."""
    return [sys.executable, "-m", "petroroad", *map(str, arguments)]


def run_demo(run_dir: Path, *arguments: object) -> Finished:
    """Run a demo with an end; it must succeed."""
    argv = command("demo", "--run-dir", run_dir, "--json", *arguments)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{argv} ended with {done.returncode}:\n{done.stderr}"
    return Finished(run_dir, json.loads(done.stdout), done.stderr)
