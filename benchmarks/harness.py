"""Common to all benchmarks: rivals are timed in turns in one run; medians; one JSON line per figure."""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

QUICK_ROUNDS, ROUNDS = 15, 60


def help_or_exit() -> None:
    """If the arguments ask for help, print what the benchmark says of itself and exit: first in each main."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        sys.stdout.write(f"{sys.modules['__main__'].__doc__}\n")
        sys.exit(0)


def is_quick() -> bool:
    """Whether the arguments have `--quick`."""
    return "--quick" in sys.argv[1:]


def rounds() -> int:
    """Return how often each rival is timed."""
    return QUICK_ROUNDS if is_quick() else ROUNDS


def medians_s(rivals: dict[str, Callable[[], object]], n_rounds: int) -> dict[str, float]:
    """Time each rival once per round, in turns, so that a busy machine troubles all alike; return medians.

    Without garbage collection, as in `timeit`: a collection visits all objects of the process, so the time of
    a peer would depend on the modules that we have loaded.
    """
    for run in rivals.values():
        run()  # compiled and warm before the clock starts
    taken: dict[str, list[float]] = {name: [] for name in rivals}
    gc.collect()
    gc.disable()
    try:
        for _ in range(n_rounds):
            for name, run in rivals.items():
                begun = time.perf_counter()
                run()
                taken[name].append(time.perf_counter() - begun)
    finally:
        gc.enable()
    return {name: statistics.median(times) for name, times in taken.items()}


class Line(NamedTuple):
    """One figure; ratio : how many times better it is than that of the peer; None: not measured."""

    name: str
    value: float | None
    unit: str
    peer: str | None = None
    ratio: float | None = None

    def show(self) -> None:
        """Print it as one JSON line."""
        sys.stdout.write(json.dumps(self._asdict()) + "\n")
        sys.stdout.flush()


def print_line(
    name: str, value: float, unit: str, peer: str | None = None, ratio: float | None = None
) -> None:
    """Print one figure; ratio : how many times better it is than that of the peer."""
    Line(name, value, unit, peer, ratio).show()
