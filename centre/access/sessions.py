"""The sessions of one process: looked up for each request, ended at once for what is open. No I/O."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from centre.access.account_rows import Account
from centre.access.session_rows import StoredSession
from centre.accounts.actor import Actor

NS = 1_000_000_000
ENDED = "the session has ended"


class Tie:
    """What ends open streams: a session, or the time in which nobody has an account."""

    def __init__(self) -> None:
        self.ended = False
        self._streams: set[Callable[[], None]] = set()

    def hold(self, end: Callable[[], None]) -> Callable[[], None]:
        """Have `end` called when this ends; return what lets go of it."""
        self._streams.add(end)
        return lambda: self._streams.discard(end)

    @property
    def n_streams(self) -> int:
        return len(self._streams)

    def end(self) -> None:
        """End every stream, once."""
        self.ended = True
        streams, self._streams = self._streams, set()
        for end in streams:
            end()


@dataclass(slots=True, eq=False)
class Session:
    """One browser's session, as this process knows it."""

    stored: StoredSession
    actor: Actor
    seen_ns: int
    written_ns: int  # the `seen_ns` of the database
    tie: Tie = field(default_factory=Tie)


@dataclass(slots=True)
class Sessions:
    """All live sessions and all accounts.

    idle_s : a session that nobody uses ends after this time.  lasts_s : each ends so long after its begin
    """

    idle_s: float
    lasts_s: float
    accounts: dict[str, Account] = field(default_factory=dict)
    _sessions: dict[bytes, Session] = field(default_factory=dict)

    def find(self, token: str, now_ns: int) -> Session | None:
        """Return the session of a browser's token and note its use; None where there is none."""
        found = self._sessions.get(sha256_of(token))
        if found is None or self._is_over(found, now_ns):
            return None
        found.seen_ns = max(found.seen_ns, now_ns)
        return found

    def put(self, stored: StoredSession) -> Session | None:
        """Add what the database has; None for an account that may not come in (any more)."""
        account = self.accounts.get(stored.name)
        if account is None or account.disabled or account.generation != stored.generation:
            return None
        known = self._sessions.get(stored.sha256)
        if known is None:
            actor = Actor(account.name, account.role, stored.desk)
            known = self._sessions[stored.sha256] = Session(stored, actor, stored.seen_ns, stored.seen_ns)
        known.seen_ns = max(known.seen_ns, stored.seen_ns)
        return known

    def replace(self, accounts: Iterable[Account], stored: Iterable[StoredSession]) -> None:
        """Follow the database; a session that it has no more ends here."""
        self.accounts = {each.name: each for each in accounts}
        kept = {each.sha256 for each in stored if self.put(each) is not None}
        for sha256 in self._sessions.keys() - kept:
            self.drop(sha256)

    def drop(self, sha256: bytes) -> None:
        """End a session here."""
        found = self._sessions.pop(sha256, None)
        if found is not None:
            found.tie.end()

    def use_streams(self, now_ns: int) -> None:
        """Note the use of sessions that have a stream open: a screen that is looked at is not idle."""
        for each in self._sessions.values():
            if each.tie.n_streams:
                each.seen_ns = max(each.seen_ns, now_ns)

    def over(self, now_ns: int) -> list[bytes]:
        """Return the sessions whose time is over."""
        return [sha256 for sha256, each in self._sessions.items() if self._is_over(each, now_ns)]

    def unwritten(self) -> dict[bytes, int]:
        """Return when sessions were last used, where the database doesn't know."""
        return {key: each.seen_ns for key, each in self._sessions.items() if each.seen_ns > each.written_ns}

    def wrote(self, seen_ns: Mapping[bytes, int]) -> None:
        for key, at_ns in seen_ns.items():
            if key in self._sessions:
                self._sessions[key].written_ns = at_ns

    def __len__(self) -> int:
        return len(self._sessions)

    def _is_over(self, session: Session, now_ns: int) -> bool:
        return (
            session.tie.ended
            or now_ns - session.stored.created_ns > self.lasts_s * NS
            or now_ns - session.seen_ns > self.idle_s * NS
        )


def new_token() -> str:
    """Draw a token; it is in the browser's cookie only."""
    return secrets.token_urlsafe(32)


def sha256_of(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def csrf_of(token: str) -> str:
    """Return what a page must send beside the cookie: another site's page can't read it."""
    return hashlib.sha256(b"csrf:" + token.encode("utf-8", "surrogateescape")).hexdigest()[:32]
