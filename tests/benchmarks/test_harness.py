"""What all benchmarks share: asked for help, they say what they measure instead of measuring it."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["centre", "latency"])  # of which one run takes half an hour, or minutes
def test_help_is_printed_and_nothing_is_measured(name):
    argv = [sys.executable, "-m", f"benchmarks.{name}", "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    assert f"python -m benchmarks.{name}" in done.stdout
    assert '"value"' not in done.stdout
