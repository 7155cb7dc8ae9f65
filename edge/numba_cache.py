"""Where compiled kernels are kept: a directory named by all kernel sources, chosen before Numba is imported.

Numba's own cache looks at the file of a kernel only; a kernel of another file that it calls may have changed.
"""

import hashlib
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fusion", "geofence", "edge", "roadside", "sim")
MARK = "fusion.kernel"


def sources() -> list[Path]:
    """Return the files that declare kernels, and what they are declared with."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if path.name == "kernel.py" or MARK in path.read_text(encoding="utf-8")]


def prepare() -> Path:
    """Choose and create the cache directory, and tell Numba; the first call of every process."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        path = Path(given)
        path.mkdir(parents=True, exist_ok=True)
        return path
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    name = Path("petroroad") / f"numba-{digest.hexdigest()[:16]}"
    for base in _bases():
        try:
            (base / name).mkdir(parents=True, exist_ok=True)
        except OSError:  # a read-only home: Numba would raise at import
            continue
        if os.access(base / name, os.W_OK | os.X_OK):
            os.environ["NUMBA_CACHE_DIR"] = str(base / name)
            return base / name
    raise AssertionError("no directory to keep compiled kernels in, not even a temporary one")


def _bases() -> list[Path]:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path("~/.cache").expanduser())
    return [Path(cache), Path(tempfile.gettempdir())]
