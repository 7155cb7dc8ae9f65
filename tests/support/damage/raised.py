"""What the RSUs of these tests raise, and the record of what they promised; no test itself."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import msgspec

from core.errors import ConfigError, UsageError
from edge.outbox.outbox import Outbox
from geofence.violation import Violation
from tests.support.centre_samples import episode_id, violation


def episode(esn: str, epoch: int, n: int) -> list[Violation]:
    """Return the versions of the n-th episode of a run; each second one is closed at once."""
    first = violation(n, id=episode_id(f"{esn} {epoch} {n}"), esn=esn)
    if n % 2:
        return [first]
    changed = {"version": 2, "phase": "close", "end_ns": first.start_ns + 10**9}
    return [first, msgspec.structs.replace(first, **changed)]


async def note(path: Path, outbox: Outbox, bodies: Sequence[bytes]) -> None:
    """Note violations as promised once the outbox has committed them."""
    while outbox._n_putting:
        await asyncio.sleep(0.01)
    with path.open("ab") as file:
        file.write(b"".join(len(body).to_bytes(4, "big") + body for body in bodies))


async def requests() -> AsyncIterator[None]:
    """Yield once for each SIGUSR1: the test asks for violations."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    while True:
        await asked.wait()
        asked.clear()
        yield


@contextlib.contextmanager
def exiting_by_name() -> Iterator[None]:
    """Exit with 2 on what an operator got wrong, as the command does."""
    try:
        yield
    except* (ConfigError, UsageError) as errors:
        sys.stderr.write(f"petroroad: {errors.exceptions[0]}\n")
        sys.exit(2)


def promised_in(path: Path) -> list[bytes]:
    """Return the bytes of each violation that was noted, in order."""
    raw, at, found = path.read_bytes() if path.exists() else b"", 0, list[bytes]()
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        found.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return found
