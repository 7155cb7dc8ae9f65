"""What all benchmarks share: asked for help, they say what they measure instead of measuring it."""

import subprocess
import sys

import pytest

from tests.support.demo_run import ROOT

FOUND = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
    for path in (ROOT / "benchmarks").rglob("*.py")
    if "if __name__ ==" in path.read_text(encoding="utf-8") or path.name == "__main__.py"
)


def test_all_benchmarks_are_found():
    assert {"benchmarks.centre", "benchmarks.fusion", "benchmarks.lane_departure.levels"} <= set(FOUND)


@pytest.mark.parametrize("module", FOUND)
def test_help_is_printed_and_nothing_is_measured(module):
    argv = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"python -m {module}" in done.stdout
    assert '"value"' not in done.stdout
