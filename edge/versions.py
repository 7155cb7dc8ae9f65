"""The versions and the CPU that made a recording: where they are equal, a replay promises equal bytes.

A module of its own: a start that only asks whether the kernels are compiled loads nothing else.
"""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("petroroad", "numpy", "numba", "llvmlite", "pyproj", "msgspec", "mcap", "zstandard")


@cache
def versions() -> dict[str, str]:
    """Return {package or part: version}, with the CPU."""
    found = {"python": platform.python_version(), "machine": platform.machine(), "cpu": _cpu()}
    return found | {name: package_version(name) for name in PACKAGES}


def package_version(name: str) -> str:
    """Return an installed package's version."""
    try:
        return version(name)
    except PackageNotFoundError:  # run from a bare checkout
        return "unknown"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
