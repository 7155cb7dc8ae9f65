"""What a transaction changed and a page has to receive, noted until the feed announces it. Pure.

The note is committed with the change itself, in one row for the whole transaction. So a change is announced
although the process that made it is killed right after its commit: by the next one, or by another process.
"""

from collections.abc import Iterable, Sequence

import msgspec


class Change(msgspec.Struct, array_like=True):
    """What the feed has to say of an episode, or of a unit: then one row.

    is_new : the episode's first version is among these.  has_sample : its latency has to be computed again
    sample : (decided_ns, esn) of the version from which a new episode has its latency
    versions : (version, esn) of those that have no time of their commit yet
    shown : (version, esn) that the episode's row showed after each of them: a row of the feed each
    """

    kind: str  # violation, rsu, gateway
    key: str  # the violation's id, the esn, the gateway's id
    is_new: bool = False
    has_sample: bool = False
    versions: list[tuple[int, str]] = []
    shown: list[tuple[int, str]] = []
    sample: tuple[int, str] | None = None

    def join(self, other: "Change") -> None:
        """Add what another change of the same episode or unit notes."""
        self.is_new |= other.is_new
        self.has_sample |= other.has_sample
        self.sample = self.sample or other.sample
        self.versions += other.versions
        self.shown += other.shown

    @property
    def n_rows(self) -> int:
        """How many rows of the feed announce this."""
        return len(self.shown) if self.kind == "violation" else 1


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Change]).decode


def encode(changes: Sequence[Change]) -> bytes:
    """Return changes as the bytes that are kept in the database."""
    return _encode(changes)


def decode(body: bytes) -> list[Change]:
    """Return the changes in `body`; msgspec.MsgspecError where it can't be read."""
    return _decode(body)


def joined(changes: Iterable[Change]) -> list[Change]:
    """Return one change for each episode or unit, in the order in which each was first changed."""
    found: dict[tuple[str, str], Change] = {}
    for change in changes:
        before = found.get((change.kind, change.key))
        if before is None:
            found[change.kind, change.key] = change
        else:
            before.join(change)
    return list(found.values())
