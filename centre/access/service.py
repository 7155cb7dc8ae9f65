"""Accounts and sessions of a running centre: sign-in, sign-out, changes, and who sent a request.

All processes on one database see each other's changes within half a second, and so does a command.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa

from centre.access import account_rows, session_rows
from centre.access.account_rows import Account, By
from centre.access.errors import AccountError, BusyError, WaitError, WrongPasswordError
from centre.access.hasher import Hasher
from centre.access.session_rows import StoredSession, Try
from centre.access.sessions import Sessions, Tie, csrf_of, new_token, sha256_of
from centre.accounts.actor import Actor
from centre.accounts.passwords import name_fault, password_fault
from centre.changes import Change
from centre.faults import NotWrittenError, UnreadableError

Result = TypeVar("Result")
POLL_S = 0.5  # between two looks whether accounts or sessions were changed elsewhere
LOOK_AGAIN_S = 0.1  # between two looks because of unknown tokens
WRITE_S = 60.0  # between two writings of when sessions were used
MARGIN_S = 300.0  # sessions that are over are deleted so much later: another process may know of their use
HERE = Actor("local", "administrator")  # without accounts: whoever sits at this machine
NO_NAME = (
    ""  # for what can be no account's name: it may be too long for a column, or no text for the database
)
DEMO = Actor("demo", "administrator")
Read = Callable[..., Awaitable[Any]]
Run = Callable[..., Awaitable[Any]]


class Limits(NamedTuple):
    """How long a session lasts without use, and at most [s]."""

    idle_s: float
    lasts_s: float


class Visit(NamedTuple):
    """Who sent a request. `csrf` is what each of its acts must carry; empty: nothing (no accounts)."""

    actor: Actor
    tie: Tie
    csrf: str = ""
    token: str = ""


class SignedIn(NamedTuple):
    """A new session and its token."""

    token: str
    actor: Actor


@dataclass(slots=True)
class Facts:
    """What a centre has beside its database."""

    now_ns: Callable[[], int]
    cookie: str  # the beginning of its name
    limits: Limits
    is_demo: bool = False
    is_local: bool = True  # only programs of this machine reach the page


class Access:
    """Knows who may come in; `start` first, then `run` while it serves, then `close`."""

    def __init__(self, engine: sa.Engine, read: Read, run: Run, facts: Facts) -> None:
        """`read(query)` and `run(work, *lock_names)`: of `Database` and `Writer`."""
        self._engine, self._read, self._run, self.facts = engine, read, run, facts
        self.counts: Counter[str] = Counter()
        self.sessions = Sessions(facts.limits.idle_s, facts.limits.lasts_s)
        self._hasher = Hasher()
        self._revision = -1
        self._looked_s, self._written_s = float("-inf"), time.monotonic()
        self._looking = asyncio.Lock()
        self._nobody = Tie()  # ends when the first account is made

    # --- who sends a request

    @property
    def has_accounts(self) -> bool:
        return bool(self.sessions.accounts)

    async def visit(self, token: str | None) -> Visit | None:
        """Return who has this token of the cookie; None: nobody who may come in."""
        if not self.has_accounts:
            if not self.facts.is_local:
                return None
            return Visit(DEMO if self.facts.is_demo else HERE, self._nobody)
        if not token:
            return None
        found = self.sessions.find(token, self.facts.now_ns())
        if found is None:
            with contextlib.suppress(UnreadableError):
                await self._look()
            found = self.sessions.find(token, self.facts.now_ns())
        return None if found is None else Visit(found.actor, found.tie, csrf_of(token), token)

    # --- signing in and out

    async def sign_in(
        self, name: str, password: str, address: str, desk: str, before: str | None
    ) -> SignedIn:
        """Begin a session. Raises WrongPasswordError, WaitError, BusyError.

        before : the token that the browser had; its session ends
        """
        tried = await self._checked(name, password, address)
        replaced = None if before is None else sha256_of(before)
        begun = await self._begin(tried, desk, replaced, lambda db, now_ns: tried)
        if replaced is not None:
            self.sessions.drop(replaced)
        return begun

    async def _begin(
        self, tried: Try, desk: str, replaced: bytes | None, change: Callable[[sa.Connection, int], Try]
    ) -> SignedIn:
        """Begin the session of a right sign-in; `change` comes before it, in the same transaction."""
        now_ns, token = self.facts.now_ns(), new_token()

        def work(db: sa.Connection, found: list[Change]) -> tuple[StoredSession, Actor]:
            ready = change(db, now_ns)
            return session_rows.begin_session(db, ready, sha256_of(token), desk, now_ns, replaced)

        try:
            stored, actor = await self._run(work, account_rows.LOCK)
        except WrongPasswordError:
            await self._note_refused(tried)
            raise
        await self._look(force=True)
        self.sessions.put(stored)
        self.counts["sign_in.done"] += 1
        return SignedIn(token, actor)

    async def _checked(self, name: str, password: str, address: str) -> Try:
        """Return the sign-in whose password is right; raises as `sign_in`."""
        if name_fault(name) is not None:
            name = NO_NAME
        now_ns = self.facts.now_ns()
        try:
            with self._hasher.place():
                tried = await self._begun(name, address, now_ns)
                is_right = await self._hasher.fits(tried.hash, password)
        except (WaitError, BusyError) as error:
            self.counts["sign_in.waits" if isinstance(error, WaitError) else "sign_in.busy"] += 1
            raise
        if not is_right:
            await self._note_refused(tried)
            raise WrongPasswordError
        return tried

    async def _begun(self, name: str, address: str, now_ns: int) -> Try:
        await self._look_up(lambda db: session_rows.check_wait(db, name, address, now_ns))
        tried: Try = await self._run(
            lambda db, found: session_rows.begin_try(db, name, address, now_ns), account_rows.LOCK
        )
        return tried

    async def _note_refused(self, tried: Try) -> None:
        self.counts["sign_in.refused"] += 1
        now_ns = self.facts.now_ns()
        await self._run(lambda db, found: session_rows.note_refused(db, tried, now_ns), account_rows.LOCK)

    async def sign_out(self, visit: Visit) -> None:
        """End the session of a request."""
        key, by = sha256_of(visit.token), By(visit.actor, self.facts.now_ns())
        await self._run(lambda db, found: session_rows.end_session(db, by, key), account_rows.LOCK)
        self.sessions.drop(key)

    async def change_own(self, visit: Visit, old: str, new: str, address: str) -> SignedIn:
        """Change one's own password: all sessions end, one begins. Raises as `sign_in`, and AccountError."""
        check_password(new)
        tried = await self._checked(visit.actor.name, old, address)
        digest = await self._hasher.digest(new)

        def change(db: sa.Connection, now_ns: int) -> Try:
            return session_rows.change_own(db, By(visit.actor, now_ns), tried, digest)

        return await self._begin(tried, visit.actor.desk, None, change)

    # --- accounts

    async def add(self, actor: Actor, name: str, display: str, role: str, password: str) -> Account:
        """Add an account; AccountError."""
        check_password(password)
        digest, by = await self._hasher.digest(password), By(actor, self.facts.now_ns())

        def work(db: sa.Connection, found: list[Change]) -> Account:
            return account_rows.add(db, by, name=name, display=display, role=role, digest=digest)

        return await self._changed(work)

    async def change(
        self, actor: Actor, name: str, *, password: str | None = None, display: str | None = None,
        role: str | None = None, disabled: bool | None = None,
    ) -> Account:  # fmt: skip
        """Change what is given of an account; AccountError."""
        digest = None
        if password is not None:
            check_password(password)
            digest = await self._hasher.digest(password)
        by = By(actor, self.facts.now_ns())

        def work(db: sa.Connection, found: list[Change]) -> Account:
            return account_rows.change(
                db, by, name, display=display, role=role, disabled=disabled, digest=digest
            )

        return await self._changed(work)

    async def _changed(self, work: Callable[[sa.Connection, list[Change]], Account]) -> Account:
        changed: Account = await self._run(work, account_rows.LOCK)
        await self._look(force=True)
        return changed

    # --- following the database

    async def start(self) -> None:
        """Read accounts and sessions; raises UnreadableError."""
        await self._look(force=True)

    async def run(self) -> None:
        """Follow the changes of other processes, end what is over, until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            with contextlib.suppress(UnreadableError, NotWrittenError):  # what is known holds meanwhile
                await self._look()
                await self._end_what_is_over()
                if time.monotonic() - self._written_s > WRITE_S:
                    self._written_s = time.monotonic()
                    await self._write_use()

    async def _end_what_is_over(self) -> None:
        now_ns = self.facts.now_ns()
        self.sessions.use_streams(now_ns)
        if not self.sessions.over(now_ns):
            return
        await self._look(force=True)  # another process may know of its use
        for sha256 in self.sessions.over(self.facts.now_ns()):
            self.sessions.drop(sha256)

    async def _write_use(self) -> None:
        if not self.has_accounts:
            return
        now_ns, limits = self.facts.now_ns(), self.facts.limits
        seen_ns = self.sessions.unwritten()
        created_before_ns = now_ns - int((limits.lasts_s + MARGIN_S) * 1e9)
        seen_before_ns = now_ns - int((limits.idle_s + MARGIN_S) * 1e9)

        def work(db: sa.Connection, found: list[Change]) -> None:
            session_rows.touch(db, seen_ns)
            session_rows.purge(db, created_before_ns, seen_before_ns, now_ns)

        await self._run(work, account_rows.LOCK)
        self.sessions.wrote(seen_ns)

    async def _look(self, *, force: bool = False) -> None:
        """Read accounts and sessions again where they were changed; rarely, unless it is forced."""
        if not force and time.monotonic() - self._looked_s < LOOK_AGAIN_S:
            return
        async with self._looking:
            self._looked_s = time.monotonic()
            revision = await self._look_up(account_rows.revision)
            if revision == self._revision and not force:
                return
            accounts, stored = await self._look_up(
                lambda db: (account_rows.accounts(db), session_rows.sessions(db))
            )
            self.sessions.replace(accounts, stored)
            self._revision = revision
            if self.has_accounts:
                self._nobody.end()
            elif self._nobody.ended:  # another database took the place of the one with accounts
                self._nobody = Tie()

    async def _look_up(self, query: Callable[[sa.Connection], Result]) -> Result:
        def look() -> Result:
            with self._engine.begin() as db:
                return query(db)

        found: Result = await self._read(look)
        return found

    def close(self) -> None:
        """End the threads."""
        self._hasher.close()


def check_password(password: str) -> None:
    """Raise AccountError for a new password that is too short or too long."""
    fault = password_fault(password)
    if fault is not None:
        raise AccountError("password", fault, 400)
