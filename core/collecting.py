"""Keeps the cycle collector from visiting objects that are in no cycle: a map's, and all that stays."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collections() -> Iterator[None]:
    """Make no collections inside: each visits all objects that live, a quarter of a large map's load."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def only_new_collected(grown_by: int | None = None) -> Iterator[None]:
    """Let collections inside visit what is made inside: not the site, its map and the compiler's objects.

    grown_by : a collection comes each time that so many more objects live; None: as often as Python has it

    A full collection visits all that lives, half a million objects after a start: 40 ms, longer than a tick
    may take, though none of them is ever garbage while the site is judged.
    """
    gc.collect()  # else cyclic garbage of the start stays for ever
    gc.freeze()
    usual = gc.get_threshold()
    if grown_by is not None:
        gc.set_threshold(grown_by, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
