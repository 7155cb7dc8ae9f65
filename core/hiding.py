"""Hides a package from another one that would use it where it is there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Let imports of a package fail inside, as if it were not installed; one that is loaded stays visible."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # the mark of what can't be imported
    try:
        yield
    finally:
        del sys.modules[package]
