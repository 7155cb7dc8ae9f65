"""Compile every kernel into the cache, so that no service compiles while it serves."""

import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from edge import numba_cache

PACKAGES = ("fusion", "geofence", "edge", "roadside", "sim")
ROOT = Path(__file__).resolve().parents[1]


def modules() -> list[str]:
    """Return the modules that declare kernels, leaves first."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "from fusion.kernel import" in text and "@kernel(" in text:
                found.append(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return found


def compile_all() -> Iterator[tuple[str, int, int]]:
    """Import one module after another; yields (module, done, of all) before each."""
    names = modules()
    for i_name, name in enumerate(names):
        yield name, i_name, len(names)
        import_module(name)


def main() -> int:
    """Compile with a line of progress on a terminal."""
    numba_cache.prepare()
    begun_s = time.monotonic()
    shown = sys.stderr.isatty()
    for name, done, total in compile_all():
        if shown:
            sys.stderr.write(f"\rsetup: compiling kernels {done}/{total} {name:40.40}")
            sys.stderr.flush()
    end = "\r" if shown else ""
    sys.stderr.write(f"{end}setup: kernels compiled in {time.monotonic() - begun_s:.0f} s{' ' * 40}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
