"""Caches of kernels: one from the cache runs without its bitcode; a cache may be read-only."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.small_disk import small_disk

ROOT = Path(__file__).resolve().parents[2]
TWICE = "from core.kernel import kernel\n\n\n@kernel\ndef twice(x: float) -> float:\n    return 2.0 * x\n"
LATE = (
    "from core.kernel import kernel\nfrom made.twice import twice\n\n\n"
    "@kernel\ndef four_times(x: float) -> float:\n    return twice(twice(x))\n"
)
PROGRAM = """
import sys
from importlib import import_module
for name in sys.argv[1:]:
    made = getattr(import_module(f"made.{name}"), name)
    (overload,) = made.overloads.values()
    library = overload.library
    where = "cache" if made.stats.cache_hits else "compiler"
    print(name, made(1.5), where, "parsed" if library._shared_module else "packed")
"""


@pytest.fixture
def run(tmp_path):
    """Import kernels of two modules one after another in a new process; returns a line for each."""
    folder = tmp_path / "made"
    folder.mkdir()
    for name, text in (("__init__", ""), ("twice", TWICE), ("four_times", LATE)):
        (folder / f"{name}.py").write_text(text)
    environment = os.environ | {
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }  # fmt: skip

    def kernels(*names):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *names], env=environment, capture_output=True, text=True,
            timeout=120.0,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return kernels


def test_bitcode_of_a_cached_kernel_is_parsed_only_where_another_kernel_needs_it(run):
    assert run("twice") == ["twice 3.0 compiler parsed"]
    assert run("twice") == ["twice 3.0 cache packed"]
    assert run("twice", "four_times") == ["twice 3.0 cache packed", "four_times 6.0 compiler parsed"]
    assert run("four_times", "twice") == ["four_times 6.0 cache packed", "twice 3.0 cache packed"]


def test_kernels_load_from_a_read_only_cache_and_one_that_it_lacks_is_compiled(run, tmp_path):
    """As in a container, whose image holds the kernels and whose file system is read-only."""
    with small_disk(tmp_path / "cache", "8m") as disk:
        assert run("twice") == ["twice 3.0 compiler parsed"]
        disk.remount("ro")
        assert run("twice") == ["twice 3.0 cache packed"]
        assert run("four_times", "twice") == ["four_times 6.0 compiler parsed", "twice 3.0 cache parsed"]
