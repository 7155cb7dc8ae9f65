"""Where compiled kernels are cached, and when a cached one is valid.

Numba looks at a kernel's own file alone. A kernel also contains the kernels and constants that it uses from
other files: after a change in one of those, an update for instance, it would run the old code.
"""

import errno
import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder, SourceFileLoader
from typing import Any

import numba
from numba.core import caching, dispatcher

SOURCES = __file__.rpartition("core")[0]  # the project's packages lie in it
# where they are installed, those of other projects lie beside them
IS_INSTALLED = SOURCES[:-1].endswith("-packages")
OURS = ("core", "fusion", "geofence", "edge", "roadside", "importers", "sim", "centre", "petroroad")
IMPORTS = re.compile(r"^[ ]*(?:from[ ]+([\w.]+)[ ]+)?import[ ]+(\([^)]*\)|[^\n(]+)", re.MULTILINE)
READ_ONLY = (errno.EROFS, errno.EACCES)
Stamp = tuple[str, float, int]  # a module's name, when its source was changed, its size

CACHING: Any = caching  # Numba has no types for them
DISPATCHER: Any = dispatcher
CONFIG: Any = numba.config


def _loader_of(module: str) -> SourceFileLoader | None:
    """Return the loader of a module of the project, without importing it; None for a name or another project.

    Which modules are loaded so far does not count. It differs between services, and between them and the
    command that compiles all kernels: each would find the stamps of the others wrong, and compile again.
    """
    spec, places, name = None, [SOURCES], ""
    for part in module.split("."):
        if not places or (IS_INSTALLED and not name and part not in OURS):
            return None
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, places)
        places = [] if spec is None else spec.submodule_search_locations or []
    loader = None if spec is None else spec.loader
    return loader if isinstance(loader, SourceFileLoader) else None


@functools.cache
def _read(module: str) -> tuple[Stamp, tuple[str, ...]] | None:
    """Return the stamp of a module of the project, and what it imports; None for another one."""
    loader = _loader_of(module)
    if loader is None:
        return None
    about = loader.path_stats(loader.path)
    found: list[str] = []
    for package, names in IMPORTS.findall(loader.get_source(module) or ""):
        each = [name.split(" as ")[0].strip() for name in names.strip("()").split(",")]
        found += [package, *(f"{package}.{name}" for name in each)] if package else each
    return (module, float(about["mtime"]), int(about["size"])), tuple(found)


@functools.cache
def stamps(module: str) -> tuple[Stamp, ...]:
    """Return the stamps of a module and of all modules of the project that it imports, directly or not."""
    found: dict[str, Stamp] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or (read := _read(name)) is None:
            continue
        found[name], imported = read
        waiting += imported
    return tuple(found[name] for name in sorted(found))


@contextmanager
def _unless_read_only() -> Iterator[None]:
    """Ignore that a place can't be written."""
    try:
        yield
    except OSError as error:
        if error.errno not in READ_ONLY:
            raise


class Cache(CACHING.FunctionCache):  # type: ignore[misc]
    """A function's kernels; one that can't be kept is compiled for this process alone."""

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel."""
        with _unless_read_only():
            super().save_overload(sig, data)


def _of_all_sources(locator: Any) -> Any:
    """Return a locator of Numba's whose stamp is that of all sources that a kernel consists of."""

    class Located(locator):  # type: ignore[misc]
        def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
            super().__init__(py_func, py_file)
            self._module = py_func.__module__

        def get_source_stamp(self) -> Any:
            return super().get_source_stamp(), stamps(self._module)

    return Located


class UserProvided(_of_all_sources(CACHING.UserProvidedCacheLocator)):  # type: ignore[misc]
    """The directory of NUMBA_CACHE_DIR; it may be read-only, as in the image of a container."""

    def ensure_cache_path(self) -> None:
        """Create the directory; whether it can be written shows where a kernel is to be kept."""
        with _unless_read_only():
            super().ensure_cache_path()


InTree = _of_all_sources(CACHING.InTreeCacheLocator)
UserWide = _of_all_sources(CACHING.UserWideCacheLocator)


def install() -> None:
    """Make Numba use these locators in their usual order, unless NUMBA_CACHE_LOCATOR_CLASSES names others."""
    DISPATCHER.FunctionCache = Cache
    if not CONFIG.CACHE_LOCATOR_CLASSES:
        CONFIG.CACHE_LOCATOR_CLASSES = ",".join(
            f"{__name__}.{name}" for name in ("UserProvided", "InTree", "UserWide")
        )
