"""Checks passwords in threads of its own: two at once, since each takes memory, and few that wait."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from centre.access.errors import BusyError
from centre.accounts import passwords

AT_ONCE = 2  # each takes `passwords.MEMORY_KIB`
WAITING_MAX = 16
Result = TypeVar("Result")


class Hasher:
    """Makes and checks hashes."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "centre.password")
        self._n = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Keep a place for one sign-in from its begin on; raises BusyError where all are taken."""
        if self._n >= AT_ONCE + WAITING_MAX:
            raise BusyError
        self._n += 1
        try:
            yield
        finally:
            self._n -= 1

    async def digest(self, password: str) -> str:
        """Return the hash of a new password; raises BusyError."""
        with self.place():
            return await self._run(passwords.digest, password)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Say whether a password is right, at a place; an unknown name costs the same time."""
        right = await self._run(passwords.fits, stored or passwords.NOBODYS, password)
        return right and stored is not None

    async def _run(self, work: Callable[..., Result], *words: str) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *words)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)
