"""Where compiled kernels are kept: a directory named by all kernel sources, chosen before Numba is imported.

Numba's own cache looks at the file of a kernel only; a kernel of another file that it calls, or a constant
that it names, may have changed. So the name covers each file that declares kernels and all that these import.
"""

import hashlib
import os
import re
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "fusion", "geofence", "edge", "roadside", "importers", "sim", "petroroad")
DECLARES = re.compile(rb"^@kernel\b", re.MULTILINE)
IMPORTS = re.compile(rb"^from ([\w.]+) import ([^(\n]*)", re.MULTILINE)


def declaring() -> list[Path]:
    """Return the files that declare kernels, in the order of their names."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    return [path for path in found if DECLARES.search(path.read_bytes())]


def sources() -> list[Path]:
    """Return the files that compiled code depends on: the declaring ones and our modules they import."""
    found: set[Path] = set()
    waiting = declaring()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imported(path.read_bytes()) if (file := _file_of(name)) is not None]
    return sorted(found)


def _imported(source: bytes) -> list[str]:
    """Return the modules that a source imports from; of `from package import module as m` the module too."""
    found = []
    for package, names in IMPORTS.findall(source):
        found.append(package.decode())
        found += [
            f"{package.decode()}.{name.split()[0]}" for name in names.decode().split(",") if name.strip()
        ]
    return found


def _file_of(module: str) -> Path | None:
    if module.partition(".")[0] not in PACKAGES:
        return None
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.exists()), None)


def digest() -> str:
    """Return the hash of the sources."""
    running = hashlib.sha256()
    for path in sources():
        running.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return running.hexdigest()


def prepare() -> Path:
    """Choose and create the cache directory, and set it for Numba; the first call of every process."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        path = Path(given)
        path.mkdir(parents=True, exist_ok=True)
        return path
    name = Path("petroroad") / f"numba-{digest()[:16]}"
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
