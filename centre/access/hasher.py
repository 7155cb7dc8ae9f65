"""Checks passwords in threads of its own: two at once, since each takes memory, and few that wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from centre.access.errors import BusyError
from centre.accounts import passwords

AT_ONCE = 2  # each takes `passwords.MEMORY_KIB`
WAITING_MAX = 16
Result = TypeVar("Result")


class Hasher:
    """Makes and checks hashes; raises BusyError where too many wait already."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "centre.password")
        self._n = 0

    def check_room(self) -> None:
        """Raise BusyError where one more would not be begun."""
        if self._n >= AT_ONCE + WAITING_MAX:
            raise BusyError

    async def digest(self, password: str) -> str:
        """Return the hash of a new password."""
        return await self._run(passwords.digest, password)

    async def fits(self, stored: str | None, password: str) -> bool:
        """Say whether a password is right; an unknown name costs the same time."""
        right = await self._run(passwords.fits, stored or passwords.NOBODYS, password)
        return right and stored is not None

    async def _run(self, work: Callable[..., Result], *words: str) -> Result:
        self.check_room()
        self._n += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *words)
        finally:
            self._n -= 1

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(cancel_futures=True)
