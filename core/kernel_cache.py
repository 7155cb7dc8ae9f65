"""Where compiled kernels are cached, and when a cached one is valid.

Numba looks at a kernel's own file alone. A kernel also contains the kernels and constants that it uses from
other files: after a change in one of those, an update for instance, it would run the old code.
"""

import functools
import re
import sys
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from typing import Any

import numba
from numba.core import caching

SOURCES = __file__.rpartition("core")[0]  # the project's packages lie in it
IMPORTS = re.compile(r"^[ ]*(?:from[ ]+([\w.]+)[ ]+)?import[ ]+(\([^)]*\)|[^\n(]+)", re.MULTILINE)
Stamp = tuple[str, float, int]  # a module's name, when its source was changed, its size

CACHING: Any = caching  # Numba has no types for it
CONFIG: Any = numba.config


@functools.cache
def _read(module: str) -> tuple[Stamp, tuple[str, ...]] | None:
    """Return the stamp of a module of the project, and what it imports; None for another one."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    path, loader = getattr(spec, "origin", None) or "", getattr(spec, "loader", None)
    if not path.startswith(SOURCES + module.partition(".")[0]) or not isinstance(loader, SourceFileLoader):
        return None  # of another project, though its environment may lie in ours
    about = loader.path_stats(path)
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


def _of_all_sources(locator: Any) -> Any:
    """Return a locator of Numba's whose stamp is that of all sources that a kernel consists of."""

    class Located(locator):  # type: ignore[misc]
        def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
            super().__init__(py_func, py_file)
            self._module = py_func.__module__

        def get_source_stamp(self) -> Any:
            return super().get_source_stamp(), stamps(self._module)

    return Located


UserProvided = _of_all_sources(CACHING.UserProvidedCacheLocator)
InTree = _of_all_sources(CACHING.InTreeCacheLocator)
UserWide = _of_all_sources(CACHING.UserWideCacheLocator)


def install() -> None:
    """Make Numba use these locators in their usual order, unless NUMBA_CACHE_LOCATOR_CLASSES names others."""
    if not CONFIG.CACHE_LOCATOR_CLASSES:
        CONFIG.CACHE_LOCATOR_CLASSES = ",".join(
            f"{__name__}.{name}" for name in ("UserProvided", "InTree", "UserWide")
        )
