"""What no other test runs of the benchmarks: a quick run of each ends well and prints figures."""

import json
import subprocess
import sys

import pytest

from tests.support.demo_run import ROOT

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "words", [("fusion",), ("geofence",), ("latency", "nats"), ("centre", "server")], ids=" ".join
)
def test_a_quick_run_prints_figures(words):
    name, *more = words
    argv = [sys.executable, "-m", f"benchmarks.{name}", "--quick", *more]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(figures) > 3
