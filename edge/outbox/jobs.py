"""What the event loop and the reader of recordings ask of the outbox's keeper, and what it answers."""

from dataclasses import dataclass, field
from typing import NamedTuple

from edge.ask import ViolationAsk
from edge.outbox.changes import Key, Row
from edge.outbox.mending import Mended


class Put(NamedTuple):
    """A violation (or a void in its place), and the episode it leaves open (None: closed)."""

    detected_ns: int | None
    violation: bytes | None
    void: str | None
    episode_id: str | None
    episode: bytes | None


class Episode(NamedTuple):
    """The open state of an episode, without a violation (None: a neighbour continues it)."""

    episode_id: str
    state: bytes | None


class JourneyKept(NamedTuple):
    """The newest version of a journey (None: a neighbour continues it, or the centre has all of it)."""

    journey_id: str
    state: bytes | None


class Acked(NamedTuple):
    """Keys of items that the centre has acknowledged."""

    keys: tuple[Key, ...]


class Conflict(NamedTuple):
    """Rows whose keys the centre knows with other bytes."""

    rows: tuple[Row, ...]


class Raise(NamedTuple):
    """A new epoch: the centre knows a higher one than ours."""

    epoch_min: int


class Load(NamedTuple):
    """Ask for rows that are not in memory."""

    n_rows: int
    known: frozenset[Key]


class Restore(NamedTuple):
    """Rows of the memory, for a new file in place of a damaged one."""

    rows: tuple[Row, ...]


class Suspect(NamedTuple):
    """A row of the memory that is not what it was."""

    row: Row


class Asked(NamedTuple):
    """The centre asks again."""

    ask: ViolationAsk


class Found(NamedTuple):
    """What a damaged file, or a recording, gives back."""

    mended: Mended


class Failed(NamedTuple):
    """Our own bug in the thread that reads recordings."""

    error: BaseException


class Close(NamedTuple):
    """The last job."""


Job = (
    Put
    | Episode
    | JourneyKept
    | Acked
    | Conflict
    | Raise
    | Load
    | Restore
    | Suspect
    | Asked
    | Found
    | Failed
    | Close
)


@dataclass(slots=True)
class Done:
    """The result of a round, for the event loop."""

    epoch: int
    last_seqs: dict[int, int]
    rows: list[Row] = field(default_factory=list)  # new, to be sent
    moved: list[tuple[Key, Row]] = field(default_factory=list)  # old key, new row
    loaded: list[Row] | None = None
    lost: bool = False  # the file was damaged: memory is asked to restore
    found: dict[int, int] = field(default_factory=dict)  # items by epoch of a file that was unread so far
    restored: list[tuple[Row, bool]] = field(default_factory=list)  # again, or as it was; whether it is new
    gone: list[Key] = field(default_factory=list)  # rows that were none
    due: list[Key] = field(default_factory=list)  # to be sent at once
    episodes: list[bytes] = field(default_factory=list)  # open ones that a damaged file lacked
    ended: dict[str, int] = field(default_factory=dict)  # that an older file has open, and when they ended
    journeys: list[bytes] = field(default_factory=list)  # ended ones that it lacked
    n_unsaved: int = 0  # rows that the disk has refused so far
    degraded: tuple[str, ...] = ()
