"""What was proven of the log of acts, kept in the log itself, so that who opens it verifies what came since.

A look through the whole log is an act too (`SEALED`): it names the newest row that it read, and that row's
digest. Later looks begin there. They find a later row that was changed, and a chain that was computed anew
from an earlier row on. An earlier row that was changed alone is found by the next look through all, which the
centre makes each day and anybody may ask for. Who computes all digests anew, and those in the seals with
them, is found by nobody but who wrote number and digest down elsewhere. Blocking, but for `LogChecks`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from centre import postgresql
from centre.accounts.actor import Actor
from centre.audit.log import (
    LOCK,
    RAW,
    ROWS_AT_ONCE,
    START,
    Act,
    Fault,
    Proven,
    append,
    bytes_of,
    each_row,
    verify,
)
from centre.audit.tables import AUDIT
from centre.faults import NotWrittenError, UnreadableError

SEALED = "log_checked"
SUBJECT = "log"
FIRST_S = 60.0  # after the centre's start: what it shows first comes first
DAY_NS = 86_400 * 10**9
LOOK_S = 600.0  # between two looks at whether a day is over
REST_S = 0.05  # after each part of the daily look: no page waits for it


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a seal."""

    n: Annotated[int, Meta(ge=0)]
    sha256: str
    fault_n: int | None = None
    fault: str | None = None


_decode = msgspec.json.Decoder(_Body).decode


class Seal(NamedTuple):
    """A look through the whole log.  fault : what it found first; None: the log was whole up to `proven`"""

    at_ns: int
    proven: Proven
    fault: Fault | None


def newest_seal(db: sa.Connection) -> Seal | None:
    """Return the newest look through all; None: there was none, or its row can't be read."""
    query = sa.select(*RAW).where(AUDIT.c.subject == SUBJECT, AUDIT.c.act == SEALED)
    for _, row in each_row(db, query.order_by(AUDIT.c.n.desc()).limit(1)):
        return None if row is None else _seal_in(row)
    return None


def _seal_in(row: sa.Row[Any]) -> Seal | None:
    """Return the seal of a row; None: somebody changed it, then nothing is proven."""
    try:
        body = _decode(bytes_of(row.body) or b"")
        proven = Proven(body.n, bytes.fromhex(body.sha256))
    except (msgspec.DecodeError, ValueError):
        return None
    # one that names itself or a later row would be believed without its own digest being looked at
    if body.n >= row.n or not isinstance(row.at_ns, int):
        return None
    return Seal(row.at_ns, proven, None if body.fault_n is None else Fault(body.fault_n, body.fault or ""))


def seal(db: sa.Connection, now_ns: int, actor: Actor | None, found: Proven | Fault) -> int:
    """Write down what a look through all has found; a fault stays the answer until the next one."""
    if isinstance(found, Fault):
        body = _Body(n=0, sha256="", fault_n=found.n, fault=found.reason)
    else:
        body = _Body(n=found.n, sha256=found.sha256.hex())
    return append(db, Act(now_ns, actor, SEALED, SUBJECT, msgspec.to_builtins(body)))


def state(db: sa.Connection, *, whole: bool = False) -> dict[str, Any]:
    """Return whether the chain is whole, up to which row, its digest, and when all of it was looked through.

    whole : look through all of it, whatever was proven before
    """
    last = newest_seal(db)
    if last is not None and last.fault is not None and not whole:
        found: Proven | Fault = last.fault
    else:
        found = verify(db, START if last is None or whole else last.proven)
    fault = found if isinstance(found, Fault) else None
    n, digest = found if isinstance(found, Proven) else (0, b"")
    return {
        "whole": fault is None, "n": n, "sha256": digest.hex(),
        "fault": None if fault is None else {"n": fault.n, "reason": fault.reason},
        "full": None if last is None else {"n": last.proven.n, "at_ns": str(last.at_ns)},
    }  # fmt: skip


class LogChecks:
    """Looks through the whole log: once a day, and whenever somebody asks."""

    def __init__(
        self,
        engine: sa.Engine,
        read: Callable[..., Awaitable[Any]],
        write: Callable[..., Awaitable[Any]],
        now_ns: Callable[[], int],
    ) -> None:
        """`read(query, …)`: in a reader's thread, as `Database.read`; `write(work)`: as `Writer.run`."""
        self._read, self._write, self._now_ns = read, write, now_ns
        self._snapshots = postgresql.snapshots(engine)
        self._looking: asyncio.Task[None] | None = None

    async def state(self) -> dict[str, Any]:
        """Return what is known now; only rows since the last look through all are read."""
        found: dict[str, Any] = await self._ask(state)
        return found

    async def look_through(self, actor: Actor | None, rest_s: float = 0.0) -> dict[str, Any]:
        """Look through all of it and write that down; who asks meanwhile waits for the same look."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_through(actor, rest_s))
        await asyncio.shield(self._looking)
        return await self.state()

    async def run(self) -> None:
        """Look through all of it once a day, until cancelled: then a look that was asked for ends, too."""
        try:
            await self._run()
        except asyncio.CancelledError:  # the database is closed next
            if self._looking is not None:
                self._looking.cancel()
            raise

    async def _run(self) -> None:
        await asyncio.sleep(FIRST_S)
        while True:
            last: Seal | None = None
            try:
                last = await self._ask(newest_seal)
                # a seal of the future: the clock was set back, or somebody changed it
                if last is None or not 0 <= self._now_ns() - last.at_ns < DAY_NS:
                    await self.look_through(None, REST_S)
            except (NotWrittenError, UnreadableError):
                pass  # the database says so itself; the next look comes
            await asyncio.sleep(LOOK_S)

    async def _look_through(self, actor: Actor | None, rest_s: float) -> None:
        found: Proven | Fault = START
        is_more = True
        while is_more and isinstance(found, Proven):
            before = found.n
            found = await self._ask(verify, found, ROWS_AT_ONCE)
            is_more = isinstance(found, Proven) and found.n == before + ROWS_AT_ONCE
            await asyncio.sleep(rest_s)
        await self._write(lambda db, _found: seal(db, self._now_ns(), actor, found), LOCK)

    async def _ask(self, query: Callable[..., Any], *args: object) -> Any:
        def work() -> Any:
            with self._snapshots.begin() as db:
                return query(db, *args)

        return await self._read(work)
