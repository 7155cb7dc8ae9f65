"""Which workers live, and whether they keep up with the queue: judged from their beats. Pure.

A beat is new where it differs from the last one that was read, so the clocks of the machines are never
compared: a worker lives while its row changes.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

SILENT_NS = 10_000_000_000  # without a new beat; five of them
# A queue that never gets shorter than this for so long is more than its workers store. Less is usual: it is
# what came since they last asked.
BEHIND_NS = 30_000_000_000
BEHIND_MESSAGES = 100
SAMPLES_MAX = 64
NO_COUNTS: Mapping[str, int] = MappingProxyType({})
WorkerState = Literal["online", "silent"]


class Beat(NamedTuple):
    """What one worker said of itself, by its own clock.

    queued : messages of violations in the queue; None: unknown.  fault : why it takes none from there
    counts : of its certificate and of refused signatures, as `edge.link_security` has them
    """

    id: str
    started_ns: int
    beat_ns: int
    queued: int | None = None
    fault: str | None = None
    counts: Mapping[str, int] = NO_COUNTS


class Fault(NamedTuple):
    """What is wrong with the workers of a site.

    absent : nobody stores violations.  silent : workers that ended without a word, or hang
    behind : messages that wait in the queue, where the workers don't keep up with it
    """

    absent: bool = False
    silent: tuple[str, ...] = ()
    behind: int = 0


@dataclass(slots=True)
class _Worker:
    beat: Beat
    seen_ns: int  # when this beat was first read, by our clock


class WorkerWatch:
    """The workers of a site.

    expected : whether it has workers at all; without them there is nothing to report
    """

    def __init__(self, *, expected: bool, started_ns: int) -> None:
        self.expected = expected
        self._workers: dict[str, _Worker] = {}
        self._read_ns = self._since_ns = started_ns  # the last reading; from when on silence counts
        self._queued: deque[tuple[int, int]] = deque(maxlen=SAMPLES_MAX)  # (time, messages)

    def receive(self, beats: Sequence[Beat], now_ns: int) -> None:
        """Take the rows that were just read."""
        if now_ns - self._read_ns > SILENT_NS:  # nothing could be read meanwhile: no worker's fault
            self._since_ns = now_ns
        self._read_ns = now_ns
        before, self._workers = self._workers, {}
        for beat in beats:
            known = before.get(beat.id)
            if known is None or known.beat != beat:
                known = _Worker(beat, now_ns)
            self._workers[beat.id] = known
        queued = [
            each.beat.queued
            for each in self._workers.values()
            if each.beat.queued is not None and self._state(each, now_ns) == "online"
        ]
        if queued:
            self._queued.append((now_ns, max(queued)))
        else:
            self._queued.clear()

    def rows(self, now_ns: int) -> list[dict[str, Any]]:
        """Return `workers` of `/api/summary`."""
        return [
            {"worker": name, "state": self._state(each, now_ns), "queued": each.beat.queued,
             "fault": each.beat.fault}
            for name, each in self._workers.items()
        ]  # fmt: skip

    def reported(self, now_ns: int) -> dict[str, Mapping[str, int]]:
        """Return by worker that lives what it counts of certificates and signatures."""
        workers = self._workers.items()
        return {name: each.beat.counts for name, each in workers if self._state(each, now_ns) == "online"}

    def n_online(self, now_ns: int) -> int:
        """Return how many workers live."""
        return sum(self._state(each, now_ns) == "online" for each in self._workers.values())

    def absent(self, now_ns: int) -> bool:
        """Say whether nobody stores violations: workers are expected, and none lives."""
        return self.expected and now_ns - self._since_ns > SILENT_NS and self.n_online(now_ns) == 0

    def fault(self, now_ns: int) -> Fault:
        """Return what the page warns of."""
        silent = [name for name, each in self._workers.items() if self._state(each, now_ns) == "silent"]
        return Fault(self.absent(now_ns), tuple(silent), self.behind(now_ns))

    def behind(self, now_ns: int) -> int:
        """Return how many messages wait, where workers don't keep up with the queue; else 0."""
        recent = [n for at_ns, n in self._queued if at_ns >= now_ns - BEHIND_NS]
        known_for_long = bool(self._queued) and self._queued[0][0] < now_ns - BEHIND_NS
        if not self.expected or not recent or not known_for_long or min(recent) < BEHIND_MESSAGES:
            return 0
        return recent[-1]

    def _state(self, worker: _Worker, now_ns: int) -> WorkerState:
        since_ns = max(worker.seen_ns, self._since_ns)
        return "online" if now_ns - since_ns <= SILENT_NS else "silent"
