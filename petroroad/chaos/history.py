"""What remains of a run, as plain values: the checker's only input. Nothing of the product is used here."""

from dataclasses import dataclass, field

Key = tuple[str, int, int]  # esn, epoch, seq
Identity = tuple[str, int, str]  # id, version, esn of a violation
Place = tuple[int, int]  # hop, version


@dataclass(frozen=True, slots=True)
class Recorded:
    """A violation in an RSU's recording."""

    identity: Identity
    body: bytes
    log_ns: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A version in the centre's database."""

    identity: Identity
    hop: int
    body: bytes
    waited_ns: int  # from its detection to the commit, by the machine's one clock


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page loaded at `cursor`, and the changes that it received from then on."""

    cursor: int
    loaded: dict[str, Place]
    changes: list[tuple[int, str, Place]]  # number, id of the violation, what it shows


@dataclass(slots=True)
class History:
    """One run."""

    esns: tuple[str, ...]  # RSUs that ran
    last_seqs: dict[tuple[str, int], int] = field(default_factory=dict)  # (esn, epoch): highest seq on a disk
    bodies: dict[Key, bytes] = field(default_factory=dict)  # of violations on an outbox's disk or on the wire
    waiting: list[Key] = field(default_factory=list)  # unacknowledged at the end
    recorded: list[Recorded] = field(default_factory=list)
    ends_ns: dict[str, list[int]] = field(default_factory=dict)  # of an RSU, not on a full disk
    transport: dict[Key, str | None] = field(default_factory=dict)  # at the centre; the reason of a void
    stored: list[Stored] = field(default_factory=list)
    episodes: list[tuple[str, Place, int]] = field(default_factory=list)  # id, what is shown, versions
    feed: list[tuple[int, str]] = field(default_factory=list)  # number, id: changes of violations
    pages: list[Shown] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
