"""Which of the drawn pairs of a way to be seen and a seed a short run keeps."""

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def pairs(ways: Iterable[str], seeds: int, short: Collection[tuple[str, int]]) -> list[Any]:
    """Return each way with each seed; those that a short run leaves out are marked `long`."""
    return [
        pytest.param(way, seed, marks=() if (way, seed) in short else (pytest.mark.long,))
        for way in ways
        for seed in range(seeds)
    ]
