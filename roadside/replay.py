"""Recorded inputs through the pipeline again: a plain loop, the same bytes as live.

A recording of one RSU feeds one pipeline; one of a whole site (`/site` without an esn) feeds every RSU's,
routes the fixes by stretch and computes the handovers (docs/design.md section 6).
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from core.times import TICK_NS
from edge.wire import decode_handover, decode_handover_ack
from geofence.map.frames import SiteFrame
from roadside.compare import digest
from roadside.inputs import ClockStep, EpisodesFound, HandedOver, HandoverAnswered, Input, Start, decode
from roadside.outputs import HandoverOffer, OfferAck, Output, Raised, Snapshot
from roadside.pipeline import Pipeline

BODY_ERRORS = (msgspec.DecodeError, ValueError)
# counters of refused inputs, or parts of them, and of withheld violations
REFUSALS = (
    "radar.", "gnss.late", "gnss.clock", "gnss.duplicate", "gnss.future", "gnss.unusable", "gnss.outlier",
    "gnss.implausible", "gnss.odd_speed", "tracks.full", "terminals.full", "gate.full", "handover.misfit",
    "handover.refused", "handover.undecodable", "handover.unknown_answer", "handover.full",
    "handover.no_room", "violation.implausible.",
)  # fmt: skip


class LoggedMessage(Protocol):
    """One message of a recording."""

    topic: str
    body: bytes
    log_ns: int


@dataclass(slots=True)
class Replayed:
    """The outputs of a replay."""

    violations: dict[str, list[bytes]] = field(default_factory=dict)  # by esn, in the order of emission
    snapshots: dict[str, list[bytes]] = field(default_factory=dict)
    observations: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    tracks: set[int] = field(default_factory=set)  # ids that were ever published; only counted

    def in_order(self) -> list[bytes]:
        """Return all violations in the order (esn, emission)."""
        return [body for esn in sorted(self.violations) for body in self.violations[esn]]

    def digest(self) -> str:
        """Return the digest of the violations."""
        return digest(self.in_order())

    def digest_tracks(self) -> str:
        """Return the digest of the snapshots."""
        return digest(body for esn in sorted(self.snapshots) for body in self.snapshots[esn])


def refusals(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the pipeline's counters of refused inputs, by reason."""
    return {reason: n for reason, n in counts.items() if n and reason.startswith(REFUSALS)}


OnOutput = Callable[[str, int, Output], None]  # esn, log time, output


def replay_rsu(
    pipeline: Pipeline,
    messages: Iterable[LoggedMessage],
    frame: SiteFrame,
    on_output: OnOutput,
    unread: Counter[str] | None = None,
    seam_ns: Callable[[], int | None] = lambda: None,
) -> Iterator[int]:
    """Feed one RSU's own recording; yield each message's log time before it is fed, for pacing.

    unread : counts the messages that can't be read
    seam_ns : asked at the end: the tick after which another file continues, None where none does
    """
    esn = pipeline.setup.esn
    last_ns = 0
    for message in messages:
        yield message.log_ns
        item = decoded(message, frame, unread)
        last_ns = message.log_ns if isinstance(item, ClockStep) else max(last_ns, message.log_ns)
        if item is not None:
            for output in pipeline.step(message.log_ns, item):
                on_output(esn, message.log_ns, output)
    end_ns = seam_ns()
    if end_ns is None:
        end_ns = last_ns
    for output in pipeline.step(end_ns, None):
        on_output(esn, last_ns, output)


def decoded(message: LoggedMessage, frame: SiteFrame, unread: Counter[str] | None) -> Input | None:
    """Return the input of a message; None for an output, for truth, and for a message that can't be read.

    The live agent records only inputs that it could decode, so an unreadable one was none for it either.
    """
    try:
        return decode(message.topic, message.body, message.log_ns, frame)
    except BODY_ERRORS:
        if unread is not None:
            unread["input.undecodable"] += 1
        return None


@dataclass(frozen=True, slots=True)
class Post:
    """A message of one pipeline to another, kept until just before the next tick."""

    sender: str
    output: HandoverOffer | OfferAck

    @property
    def to(self) -> str:
        """The RSU that gets it."""
        return self.output.to if isinstance(self.output, HandoverOffer) else self.output.giver

    def received(self) -> Input:
        """Return the input that it is for its receiver."""
        if isinstance(self.output, HandoverOffer):
            return HandedOver(self.sender, decode_handover(self.output.body))
        return HandoverAnswered.of(self.sender, decode_handover_ack(self.output.body))


class Share(ABC):
    """The share of one process in the replay of a whole site; all of them read the same messages."""

    def __init__(self, esns: Iterable[str]) -> None:
        """esns : of all RSUs; the pipelines of some are this process's."""
        self.esns = sorted(esns)
        self.step = 0  # of the whole replay: counted alike in all processes

    @abstractmethod
    def emit(self, esn: str, now_ns: int, output: Output) -> None:
        """Take an output of this step."""

    @abstractmethod
    def exchange(self, posts: Sequence[Post]) -> Sequence[Post]:
        """Return the posts of all processes, ordered by their senders; `posts` are this one's."""


class Alone(Share):
    """The share of a process that has all pipelines."""

    def __init__(self, esns: Iterable[str], on_output: OnOutput) -> None:
        super().__init__(esns)
        self._on_output = on_output

    def emit(self, esn: str, now_ns: int, output: Output) -> None:
        self._on_output(esn, now_ns, output)

    def exchange(self, posts: Sequence[Post]) -> Sequence[Post]:
        return posts


def replay_site(
    pipelines: Mapping[str, Pipeline],
    messages: Iterable[LoggedMessage],
    frame: SiteFrame,
    route: Callable[[Input, LoggedMessage], list[tuple[str, Input]]],
    share: Share,
    unread: Counter[str] | None = None,
) -> Iterator[int]:
    """Feed a whole site's recording to every RSU's pipeline; yield each message's log time before it is fed.

    route : returns the pipelines that get an input, each with its part (fixes by stretch, scans by radar)
    """
    order, posts = share.esns, dict[str, list[Post]]()
    next_tick_ns = 0

    def run(esn: str, now_ns: int, item: Input | None) -> None:
        for output in pipelines[esn].step(now_ns, item):
            share.emit(esn, now_ns, output)
            if isinstance(output, HandoverOffer | OfferAck):
                posts.setdefault(esn, []).append(Post(esn, output))

    def ticks(until_ns: int) -> None:
        nonlocal next_tick_ns
        while next_tick_ns <= until_ns:
            # posts of this round only: an answer to one of them waits for the next tick
            due = share.exchange([post for esn in sorted(posts) for post in posts[esn]])
            posts.clear()
            for post in due:
                share.step += 1
                if post.to in pipelines:
                    run(post.to, next_tick_ns - 1, post.received())
            for esn in order:
                share.step += 1
                if esn in pipelines:
                    run(esn, next_tick_ns, None)
            next_tick_ns += TICK_NS

    last_ns = 0
    for message in messages:
        yield message.log_ns
        item = decoded(message, frame, unread)
        stepped = item if isinstance(item, ClockStep) else None
        last_ns = message.log_ns if stepped else max(last_ns, message.log_ns)
        if item is None or isinstance(item, HandedOver | HandoverAnswered):
            continue  # handovers are computed anew
        if not next_tick_ns:
            next_tick_ns = (message.log_ns // TICK_NS + 1) * TICK_NS
        ticks(stepped.from_ns if stepped else message.log_ns)
        is_of_all = isinstance(item, Start | EpisodesFound)
        targets = [(esn, item) for esn in order] if is_of_all else route(item, message)
        for esn, part in targets:
            share.step += 1
            if esn in pipelines:
                run(esn, message.log_ns, part)
        if stepped:
            next_tick_ns = (stepped.to_ns // TICK_NS + 1) * TICK_NS
    if next_tick_ns:
        ticks(last_ns)


def collector(into: Replayed, names: Callable[[Snapshot], Iterable[int]]) -> OnOutput:
    """Return a callback that sorts outputs into `into`; `names` returns a snapshot's track ids."""

    def collect(esn: str, _: int, output: Output) -> None:
        if isinstance(output, Raised):
            into.violations.setdefault(esn, []).append(output.body)
        elif isinstance(output, Snapshot):
            into.snapshots.setdefault(esn, []).append(output.body)
            into.tracks.update(names(output))

    return collect
