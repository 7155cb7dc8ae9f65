"""A cached kernel is used again only while every source that it consists of is as it was."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from core.kernel_cache import stamps

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
for name in sys.argv[1:]:
    __import__(name)
import small.outer
(made,) = small.outer.twice.stats.cache_hits.values() or [0]
print(small.outer.twice(1.0), "loaded" if made else "compiled")
"""


@pytest.fixture
def package(tmp_path):
    """Copy `core` beside a package of a kernel, an inner kernel and a constant, each in its own file."""
    shutil.copytree(ROOT / "core", tmp_path / "core", ignore=shutil.ignore_patterns("__pycache__"))
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    environment = tmp_path / ".venv" / "lib"  # it lies in a clone, with what others compiled
    environment.mkdir(parents=True)
    (environment / "foreign.py").write_text("import math\n")
    (folder / "constant.py").write_text("FACTOR = 2.0\n")
    (folder / "late.py").write_text("")
    (folder / "inner.py").write_text(
        "import foreign\nfrom core.kernel import kernel\nfrom small.constant import (\n    FACTOR,\n)\n\n\n"
        "@kernel(inner=True)\ndef scaled(x: float) -> float:\n    return FACTOR * x\n"
    )
    (folder / "outer.py").write_text(
        "from typing import TYPE_CHECKING\n\nfrom core.kernel import kernel\n"
        "from small.inner import scaled\n\n"
        "if TYPE_CHECKING:\n    import small.late\n\n\n"
        "@kernel\ndef twice(x: float) -> float:\n    return scaled(x)\n"
    )
    return folder


def run(package, *first):
    """Run the program, with modules that are imported before the kernel's."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA")}
    places = f"{package.parent}{os.pathsep}{package.parent / '.venv' / 'lib'}"
    environment |= {"PYTHONPATH": places, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *first], cwd=package.parent, env=environment, capture_output=True,
        text=True, timeout=120.0,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_change_in_another_file_is_compiled(package):
    assert run(package) == ["2.0", "compiled"]
    assert run(package) == ["2.0", "loaded"]
    assert run(package, "small.late") == ["2.0", "loaded"]  # services import in other orders
    (package / "constant.py").write_text("FACTOR = 30.0\n")
    assert run(package) == ["30.0", "compiled"]
    inner = package / "inner.py"
    inner.write_text(inner.read_text().replace("FACTOR * x", "FACTOR * x + 1.0"))
    assert run(package) == ["31.0", "compiled"]
    assert run(package) == ["31.0", "loaded"]
    (package / "unused.py").write_text("OTHER = 1\n")
    (package.parent / ".venv" / "lib" / "foreign.py").write_text("import cmath\n")
    assert run(package) == ["31.0", "loaded"]


def test_a_kernels_stamp_has_the_files_that_it_uses_and_no_others():
    importlib.import_module("fusion.association")
    names = {name for name, _, _ in stamps("fusion.association")}
    assert {"fusion.association", "fusion.layout", "fusion.models.constant_velocity", "core.kernel"} <= names
    assert not any(name.startswith(("numpy", "geofence", "tests")) for name in names)
