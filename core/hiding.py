"""Hides a package from another one that would use it where it is there."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Let imports of a package fail inside, as if it were not installed; one that is loaded stays visible."""
    modules: dict[str, Any] = sys.modules
    if package in modules:
        yield
        return
    modules[package] = None  # Python's mark of what can't be imported
    try:
        yield
    finally:
        del modules[package]
