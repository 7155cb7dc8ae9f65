"""Compile every kernel into the cache, so that no service compiles while it serves."""

import fcntl
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from edge.versions import versions
from petroroad import numba_cache


def modules() -> list[str]:
    """Return the modules that declare kernels, lower packages first."""
    root = numba_cache.ROOT
    return [".".join(path.relative_to(root).with_suffix("").parts) for path in numba_cache.declaring()]


def compile_all() -> Iterator[tuple[str, int, int]]:
    """Import one module after another; yields (module, done, of all) before each."""
    names = modules()
    for i_name, name in enumerate(names):
        yield name, i_name, len(names)
        import_module(name)


def _marker() -> Path:
    """Return the file that marks it; one per place of the sources, as Numba's cache has it, too."""
    place = hashlib.sha256(str(numba_cache.ROOT).encode()).hexdigest()[:16]
    return numba_cache.prepare() / f"compiled-{place}"


def _key() -> str:
    """Return the other keys of Numba's cache, beside the sources' text: versions, CPU and files' times."""
    stamps = {str(path): path.stat().st_mtime_ns for path in numba_cache.declaring()}
    return json.dumps([versions(), stamps], sort_keys=True)


def all_compiled() -> bool:
    """Say, without importing Numba, whether all kernels were compiled here by these versions on this CPU."""
    marker = _marker()
    return marker.is_file() and marker.read_text(encoding="utf-8") == _key()


def main() -> int:
    """Compile what is not compiled yet, with a line of progress on a terminal."""
    with (numba_cache.prepare() / "compiling.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second one waits and then finds all compiled
        if all_compiled():
            return 0
        _compile()
    _marker().write_text(_key(), encoding="utf-8")
    return 0


def _compile() -> None:
    begun_s = time.monotonic()
    if not any(numba_cache.prepare().rglob("*.nbi")):
        sys.stderr.write("setup: compiling the kernels (about 80 s the first time)\n")
    shown = sys.stderr.isatty()
    for name, done, total in compile_all():
        if shown:
            sys.stderr.write(f"\rsetup: compiling kernels {done}/{total} {name:40.40}")
            sys.stderr.flush()
    end = "\r" if shown else ""
    sys.stderr.write(f"{end}setup: kernels compiled in {time.monotonic() - begun_s:.0f} s{' ' * 40}\n")


if __name__ == "__main__":
    sys.exit(main())
