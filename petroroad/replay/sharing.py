"""The RSUs of one site in several processes: each has some pipelines, and all read the whole recording.

The processes meet at each tick: there they exchange handovers, and the outputs go to the first one, which
hands them on in the order in which a single process has them.
"""

import contextlib
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from functools import partial
from multiprocessing.connection import Connection
from operator import attrgetter, itemgetter
from typing import Any, TypeVar

from core.errors import CommandError
from fusion.timekeeping import ClockReport
from roadside.outputs import Output, Raised, Snapshot, Travelled
from roadside.pipeline import Pipeline
from roadside.replay import Alone, OnOutput, Post, Share

T = TypeVar("T")
End = tuple[ClockReport, Mapping[str, int]]  # of one RSU: its wrong clocks, and all its counters
Emitted = tuple[int, str, int, Output]  # twice the step of the replay, esn, log time, output
Work = Callable[[Sequence[str], Share], dict[str, End]]  # replays the RSUs named, as that share


def ends_of(pipelines: Mapping[str, Pipeline], end_ns: int) -> dict[str, End]:
    """Return what remains of each RSU after the last message."""
    return {
        esn: (pipeline.tracker.clock_report(end_ns), pipeline.all_counts())
        for esn, pipeline in pipelines.items()
    }


def n_shares(esns: Sized, jobs: int) -> int:
    """Return how many processes share the RSUs."""
    return max(1, min(jobs, len(esns)))


def shared(esns: Sequence[str], n: int, on_output: OnOutput, work: Work) -> dict[str, End]:
    """Replay the RSUs, shared by this process and n - 1 that it forks; return the end of each RSU.

    n : as of `n_shares`
    """
    if n == 1:
        return work(esns, Alone(esns, on_output))
    context = multiprocessing.get_context("fork")  # the map is compiled already
    links, children = [], []
    try:
        for k in range(1, n):
            here, there = context.Pipe()
            links.append(here)
            # a child that kept the parent's ends would never see that the parent is gone
            share = (esns, k, n, there, tuple(links), work)
            child = context.Process(target=_serve, args=share, daemon=True)
            child.start()
            there.close()
            children.append(child)
        parent = Parent(esns, on_output, links)
        ends = work(esns[0::n], parent)
        for found in parent.finish():
            ends |= found
    finally:
        for child in children:
            child.terminate()
            child.join()
        for link in links:
            link.close()
    return ends


def _serve(
    esns: Sequence[str], number: int, n: int, link: Connection, others: Sequence[Connection], work: Work
) -> None:
    """Replay some RSUs as child `number` of n processes; an error goes to the parent as the next message."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends, and ends its children
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    child, mine = Child(esns, link, number), esns[number::n]
    try:
        child.finish(work(mine, child))
    except (EOFError, BrokenPipeError):  # the parent has ended
        return
    except Exception as error:  # any fault of the child: the parent reports it and stops, else it would wait
        with contextlib.suppress(BrokenPipeError):  # it has ended meanwhile
            link.send(
                CommandError(f"the replay of {', '.join(mine)} failed: {type(error).__name__}: {error}")
            )


class Child(Share):
    """The share of a process that was forked."""

    def __init__(self, esns: Sequence[str], link: Connection, number: int) -> None:
        super().__init__(esns)
        self._link, self.number = link, number
        self._emitted: list[Emitted] = []

    def emit(self, esn: str, now_ns: int, output: Output) -> None:
        """Keep what the parent hands on: violations, and snapshots without what only one process has."""
        if isinstance(output, Snapshot):
            output = Snapshot(output.stamp_ns, output.n_tracks, output.body, None)
        if isinstance(output, Raised | Snapshot | Travelled):
            self._emitted.append((2 * self.step, esn, now_ns, output))

    def exchange(self, posts: Sequence[Post]) -> Sequence[Post]:
        self._link.send((posts, self._emitted))
        self._emitted = []
        every: Sequence[Post] = self._link.recv()
        return every

    def finish(self, ends: dict[str, End]) -> None:
        """Send the last outputs and the ends."""
        self._link.send((ends, self._emitted))


class Parent(Share):
    """The share of the first process."""

    def __init__(self, esns: Sequence[str], on_output: OnOutput, links: Sequence[Connection]) -> None:
        super().__init__(esns)
        self._on_output, self._links = on_output, links
        self._emitted: list[Emitted] = []
        self._kept: list[tuple[int, Callable[[], None]]] = []

    def emit(self, esn: str, now_ns: int, output: Output) -> None:
        self._emitted.append((2 * self.step, esn, now_ns, output))

    def in_turn(self, call: Callable[[T], None]) -> Callable[[T], None]:
        """Return `call`, delayed until the outputs of the steps so far are handed on, but of no later one."""

        def later(what: T) -> None:
            self._kept.append((2 * self.step + 1, partial(call, what)))

        return later

    def exchange(self, posts: Sequence[Post]) -> Sequence[Post]:
        every = list(posts)
        for theirs in self._received():
            every += theirs
        every.sort(key=attrgetter("sender"))  # stable: each sender's stay in order
        for link in self._links:
            link.send(every)
        return every

    def finish(self) -> Iterable[dict[str, End]]:
        """Hand on the last outputs; return the ends of the children's RSUs."""
        return self._received()

    def _received(self) -> list[Any]:
        """Hand on all outputs up to here in their order; return what else the children sent."""
        others = []
        for link in self._links:
            try:
                message = link.recv()
            except EOFError:
                raise CommandError("a process of the replay ended before its time") from None
            if isinstance(message, CommandError):
                raise message
            others.append(message[0])
            self._emitted += message[1]
        calls = [
            (step, partial(self._on_output, esn, now_ns, output))
            for step, esn, now_ns, output in self._emitted
        ]
        for _, call in sorted(calls + self._kept, key=itemgetter(0)):  # stable: a step's are of one process
            call()
        self._emitted, self._kept = [], []
        return others
