"""What the database's writer is asked to do, and what it answers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from centre.inbox import Message

EPOCHS_MAX = 1_000  # of one RSU, the newest: an epoch is a start of it, so years of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the database holds committed of one batch."""

    esn: str
    epoch: int
    stored: tuple[int, ...]
    conflict: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A reporter's status worth keeping; `announce` puts it into the feed."""

    kind: str  # rsu, gateway
    id: str
    epoch: int
    connection: int
    since_ns: int
    body: bytes
    announce: bool
    last_seqs: tuple[tuple[int, int], ...] = ()  # (epoch, last_seq) that grew


@dataclass(slots=True)
class Committed:
    """The outcome of one transaction, known only after it."""

    answers: list[Answer] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    committed_ns: int = 0
    keys: list[tuple[str, int, str]] = field(default_factory=list)  # (id, version, esn) that are new
    feed_n: int = 0  # the newest row of the feed, this transaction's included


@dataclass(frozen=True, slots=True)
class CommitBatches:
    """Store the items of violation batches; they are decoded in the writer's thread."""

    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class KeepStatuses:
    """Store what reporters said of themselves."""

    changes: Sequence[StatusChange]


Command = CommitBatches | KeepStatuses


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one transaction did; `left` are messages beyond its bound of items, to be given again."""

    done: Committed
    left: Sequence[Message]
