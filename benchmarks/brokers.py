"""The brokers that a benchmark measures with: those of its arguments, else both; the worse one's figures."""

import sys
from collections.abc import Callable, Iterable

from benchmarks.harness import Line
from petroroad.processes.broker import Kind

KINDS: tuple[Kind, ...] = ("nats", "mosquitto")


def kinds_asked() -> tuple[Kind, ...]:
    """Return the brokers in the arguments; without one both."""
    return tuple(kind for kind in KINDS if kind in sys.argv[1:]) or KINDS


def worse_of(lines: Iterable[Line], name: str, pick: Callable[..., Line] = max) -> Line:
    """Return the worse broker's line of a figure, under its bare name; pick : min where high is good."""
    mine = [line for line in lines if line.name in {f"{name}.{kind}" for kind in KINDS}]
    return pick(mine, key=lambda line: line.value or 0.0)._replace(name=name)
