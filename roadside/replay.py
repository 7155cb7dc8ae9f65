"""Recorded inputs through the pipeline again: a plain loop, the same bytes as live.

A recording of one RSU feeds one pipeline; one of a whole site (`/site` without an esn) feeds every RSU's,
routes the fixes by stretch and computes the handovers (docs/design.md section 6).
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.times import TICK_NS
from edge.wire import decode_handover, decode_handover_ack
from fusion.observations import Observation
from geofence.map.frames import SiteFrame
from roadside.arrivals import Arrival, Block, LoggedMessage, decoded
from roadside.compare import digest
from roadside.inputs import (
    ClockStep,
    EpisodesFound,
    HandedOver,
    HandoverAnswered,
    Input,
    Start,
    is_raw,
)
from roadside.outputs import HandoverOffer, OfferAck, Output, Raised, Snapshot
from roadside.pipeline import Pipeline

# counters of refused inputs, or parts of them, and of withheld violations
REFUSALS = (
    "radar.", "gnss.late", "gnss.clock", "gnss.duplicate", "gnss.future", "gnss.unusable", "gnss.outlier",
    "gnss.implausible", "gnss.odd_speed", "tracks.full", "terminals.full", "gate.full", "handover.misfit",
    "handover.refused", "handover.undecodable", "handover.unknown_answer", "handover.full",
    "handover.no_room", "violation.implausible.",
)  # fmt: skip


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
    arrivals: Iterable[Arrival],
    on_output: OnOutput,
    seam_ns: Callable[[], int | None] = lambda: None,
) -> Iterator[int]:
    """Feed one RSU's own recording; yield each message's log time before it is fed, for pacing.

    seam_ns : asked at the end: the tick after which another file continues, None where none does
    """
    esn = pipeline.setup.esn
    last_ns = 0
    for log_ns, _, item in arrivals:
        yield log_ns
        last_ns = log_ns if isinstance(item, ClockStep) else max(last_ns, log_ns)
        if item is not None:
            for output in pipeline.step(log_ns, item):
                on_output(esn, log_ns, output)
    end_ns = seam_ns()
    if end_ns is None:
        end_ns = last_ns
    for output in pipeline.step(end_ns, None):
        on_output(esn, last_ns, output)


def arrivals_of(
    blocks: Iterable[Block],
    wanted: Container[str],
    frame: SiteFrame,
    unread: Counter[str],
    copy: Callable[[LoggedMessage], None] | None = None,
) -> Iterator[Arrival]:
    """Yield the messages of blocks, with the inputs that the wanted RSUs get.

    unread : counts the messages that can't be read
    copy : gets the messages that were kept as they are and are no input
    """

    def input_of(message: LoggedMessage) -> Input | None:
        if not is_raw(message.topic):
            if copy is not None:
                copy(message)
            return None
        return decoded(message, frame, unread)

    for block in blocks:
        yield from block.arrivals(wanted, input_of)


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
        self.number = 0  # of the process among those that share the RSUs
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
    pipelines: Mapping[str, Pipeline], arrivals: Iterable[Arrival], share: Share
) -> Iterator[int]:
    """Feed a whole site's recording to every RSU's pipeline; yield each log time before it is fed."""
    order, posts = share.esns, dict[str, list[Post]]()
    next_tick_ns = 0

    def run(esn: str, now_ns: int, item: Input | None) -> None:
        for output in pipelines[esn].step(now_ns, item):
            share.emit(esn, now_ns, output)
            if isinstance(output, (HandoverOffer, OfferAck)):
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
    for log_ns, esns, item in arrivals:
        yield log_ns
        if isinstance(item, Observation) and last_ns <= log_ns < next_tick_ns and esns is not None:  # most
            last_ns = log_ns
            for esn in esns:
                share.step += 1
                if esn in pipelines:
                    run(esn, log_ns, item)
            continue
        stepped = item if isinstance(item, ClockStep) else None
        last_ns = log_ns if stepped else max(last_ns, log_ns)
        if esns is None or isinstance(item, HandedOver | HandoverAnswered):
            continue  # handovers are computed anew
        if not next_tick_ns:
            next_tick_ns = (log_ns // TICK_NS + 1) * TICK_NS
        if next_tick_ns <= log_ns or stepped:
            ticks(stepped.from_ns if stepped else log_ns)
        for esn in order if isinstance(item, Start | EpisodesFound) else esns:
            share.step += 1
            if item is not None and esn in pipelines:
                run(esn, log_ns, item)
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
