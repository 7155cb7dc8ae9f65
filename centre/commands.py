"""The commands that the database's writer accepts, and its answer."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from centre.changes import Change
from centre.inbox import QueuedBatch
from centre.row_limits import RowLimits
from edge.latency import Delivered
from edge.subscriptions import nothing
from geofence.journeys.journey import Journey

EPOCHS_MAX = 1_000  # of one RSU, the newest: each start of an RSU is an epoch, so this lasts for years


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """What the database holds of one batch, as seqs: committed (`stored`), or other bytes (`conflict`)."""

    esn: str
    epoch: int
    stored: tuple[int, ...]
    conflict: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """A status of a unit that differs from the last one stored; `announce` adds it to the feed."""

    kind: str  # rsu, gateway
    id: str
    epoch: int
    connection: int
    since_ns: int
    body: bytes
    announce: bool
    last_seqs: tuple[tuple[int, int], ...] = ()  # (epoch, last_seq) that grew


@dataclass(slots=True)
class CommitResult:
    """What one transaction stored; valid once it is committed."""

    acknowledgements: list[Acknowledgement] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    committed_ns: int = 0
    changes: list[Change] = field(default_factory=list)  # to be announced
    unsettled_n: int | None = None  # the row that notes them; None: there are none
    delivered: list[Delivered] = field(default_factory=list)  # the versions that are new, with their stamps
    refused_journeys: set[str] = field(default_factory=set)  # ids without a row: the RSU sends them again
    limits: RowLimits = field(default_factory=RowLimits)  # the writer's, the same for all its transactions


@dataclass(frozen=True, slots=True)
class StoreBatches:
    """Store the items of violation batches; the writer's thread decodes them."""

    messages: Sequence[QueuedBatch]


@dataclass(frozen=True, slots=True)
class StoreStatuses:
    """Store changed statuses of RSUs and gateways."""

    changes: Sequence[StatusChange]


@dataclass(frozen=True, slots=True)
class ReceivedJourney:
    """One version of a journey, checked, with its bytes as received.

    settle : called once it is stored, or a newer version waits, or nobody will store it
    """

    journey: Journey
    body: bytes
    received_ns: int
    settle: Callable[[], None] = nothing


@dataclass(frozen=True, slots=True)
class StoreJourneys:
    """Store versions of journeys."""

    versions: Sequence[ReceivedJourney]


@dataclass(frozen=True, slots=True)
class StoreAsk:
    """Store that an RSU was asked for all violations since a time."""

    esn: str
    since_ns: int
    times: int
    asked_ns: int


Command = StoreBatches | StoreStatuses | StoreJourneys | StoreAsk


@dataclass(frozen=True, slots=True)
class WriterResult:
    """What the writer did with its commands."""

    committed: CommitResult
    remaining: Sequence[QueuedBatch]  # beyond the limit of items for one transaction; give them again
