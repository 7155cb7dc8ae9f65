"""Names of what a transaction reads and changes, for the locks between several writing processes. Pure."""

from collections.abc import Sequence

from centre.batch_decoder import Batch
from centre.commands import ReceivedJourney, StatusChange, StoreAsk

SEQS_OF_A_LOCK = 32  # one lock covers so many keys of an RSU: a batch has as many items at most


def names_of(
    batches: Sequence[Batch],
    statuses: Sequence[StatusChange],
    journeys: Sequence[ReceivedJourney],
    asks: Sequence[StoreAsk],
) -> set[str]:
    """Return the names of all that a transaction of these reads and changes."""
    names: set[str] = set()
    for batch in batches:
        for item in batch.items:
            names.add(f"key {batch.esn} {batch.epoch} {item.seq // SEQS_OF_A_LOCK}")
            if item.violation is not None:
                names.add(episode_name(item.violation.id))
    names.update(f"status {change.kind} {change.id}" for change in statuses)
    for received in journeys:
        names.update((f"journey {received.journey.id}", f"terminal {received.journey.terminal}"))
    names.update(f"ask {ask.esn}" for ask in asks)
    return names


def episode_name(violation_id: str) -> str:
    return f"episode {violation_id}"
