"""The guard in front of every route: host and origin, who sends it, security headers, ends of streams."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from centre.access.page_tls import PageTls, page_tls
from centre.access.rules import TOKEN_KEY, VISIT_KEY
from centre.access.service import Access, Visit
from centre.access.sessions import ENDED
from centre.accounts.actor import SCOPE_KEY
from centre.accounts.tables import DESK_CHARS_MAX
from centre.answers.problem import refuse
from core.errors import ConfigError
from edge.config import Site, address_of, is_address, is_loopback

PORTS = {"http": 80, "https": 443}  # where a URL names none
LOOPBACK_HOSTS = frozenset(("127.0.0.1", "::1", "localhost"))
POLICY = (
    "default-src 'self'; script-src 'self'; worker-src 'self' blob:; child-src blob:; "
    "img-src 'self' data: blob:; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
)
HEALTH = frozenset(("/healthz", "/readyz", "/metrics"))  # beyond the loopback at `[centre] health` alone
TOKEN_CHARS_MAX = 100
END_S = 1.0  # for the last frame of a stream whose session ended
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE = (*HEADERS, (b"cache-control", b"no-store"))


class Door(NamedTuple):
    """Where the page is served.

    hosts : the names by which browsers reach it, beside those of the loopback and of the certificate
    certificate : of TLS; None: served without it, on the loopback only
    open_health : whether health and metrics are served there, too
    """

    hosts: frozenset[str] = frozenset()
    certificate: PageTls | None = None
    open_health: bool = True

    @property
    def tls(self) -> bool:
        return self.certificate is not None

    def is_for(self, host: str | None) -> bool:
        """Say whether a Host names us."""
        if host is None:
            return False
        named = host in LOOPBACK_HOSTS or host in self.hosts
        return named or (self.certificate is not None and self.certificate.covers(host))

    def cookie(self, access: Access) -> str:
        """Return the cookie's name; another centre of the same host has another one."""
        return f"__Host-{access.facts.cookie}" if self.tls else access.facts.cookie


def door_of(site: Site, section: str = "centre") -> Door:
    """Return where a centre's page is served; ConfigError where its address or certificate can't be used."""
    config = site.config.centre
    if not is_address(config.http):
        raise ConfigError(site.where, f"{section}.http", "must be HOST:PORT", config.http)
    certificate = page_tls(site, section)
    hosts = frozenset(host.lower() for host in config.hosts)
    if certificate is not None and not (certificate.names or hosts):
        rule = "the certificate names no host: set hosts, or issue one with --host"
        raise ConfigError(site.where, f"{section}.certificate", rule, str(certificate.certificate))
    return Door(hosts, certificate, open_health=is_loopback(address_of(config.http)[0]))


def loopback(address: str, where: str) -> tuple[str, int]:
    """Return (host, port) of an address for this machine alone; ConfigError for any other."""
    if not is_address(address):
        raise ConfigError(where, "centre.http", "must be HOST:PORT", address)
    host, port = address_of(address)
    if host not in LOOPBACK_HOSTS:
        rule = "must be a loopback address (127.0.0.1, [::1], localhost)"
        raise ConfigError(where, "centre.http", rule, address)
    return host, port


class Guard:
    """ASGI middleware around the whole app: HTTP, event streams and WebSockets pass the same checks.

    It refuses a request whose Host is not ours (DNS rebinding) or whose Origin is not: HTTP with 403, a
    WebSocket before it is accepted. It finds out who sends it, for the app to judge (`access.rules`), ends
    streams with their session, and adds the security headers. It wraps the app, because the app's own
    middleware does not see paths without a route.
    """

    def __init__(self, app: ASGIApp, access: Access, door: Door) -> None:
        self._app, self._access, self._door = app, access, door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):  # lifespan
            await self._app(scope, receive, send)
            return
        if any(not char.isprintable() for char in scope["path"]):  # no file and no id has such a name
            await refuse(scope, send, 404, "no such path", NO_STORE)
            return
        headers = dict(scope["headers"])
        if not self._is_ours(scope, headers):
            await refuse(scope, send, 403, "another host or origin", NO_STORE)
            return
        if scope["path"] in HEALTH and not self._door.open_health:
            await refuse(scope, send, 403, "health and metrics are served at [centre] health", NO_STORE)
            return
        stored = cast(dict[str, Any], scope)
        token = token_of(headers, self._door.cookie(self._access))
        visit = await self._access.visit(token)
        stored[TOKEN_KEY] = token
        if visit is not None:
            desk = _desk(headers) or visit.actor.desk
            stored[VISIT_KEY] = visit
            stored[SCOPE_KEY] = visit.actor._replace(desk=desk)
        await _Stream(self._app, visit).serve(scope, receive, send)

    def _is_ours(self, scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether Host is a name of ours, and Origin, where there is one, this very page.

        Another port of this machine is another program's.
        """
        scheme = b"https" if self._door.tls else b"http"
        own = _place(scheme + b"://" + headers.get(b"host", b""))
        if own is None or not self._door.is_for(own[1]):
            return False
        if b"origin" not in headers:
            return True
        origin = _place(headers[b"origin"])
        return (
            origin is not None
            and origin[0] == own[0]
            and self._door.is_for(origin[1])
            and origin[2] == own[2]
        )


class _Stream:
    """One request with its answer: a stream of it (SSE, WebSocket) ends when its session does."""

    def __init__(self, app: ASGIApp, visit: Visit | None) -> None:
        self._app, self._visit = app, visit
        self._is_open, self._is_cut = False, False
        self._task = asyncio.current_task()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer."""
        let_go = None

        async def send_and_watch(message: Message) -> None:
            nonlocal let_go
            if message["type"] == "http.response.start":
                message["headers"] = _with_headers(message)
            is_stream = message["type"] == "websocket.accept" or message.get("more_body")
            if is_stream and not self._is_open and self._visit is not None:
                self._is_open = True
                let_go = self._visit.tie.hold(self._end)
                if self._visit.tie.ended:
                    self._end()
            await send(message)

        try:
            await self._app(scope, receive, send_and_watch)
        except asyncio.CancelledError:
            if not self._is_cut or self._task is None:
                raise
            self._task.uncancel()
            await self._send_end(scope, send)
        finally:
            if let_go is not None:
                let_go()

    def _end(self) -> None:
        if self._task is not None and not self._is_cut:
            self._is_cut = True
            self._task.cancel()

    async def _send_end(self, scope: Scope, send: Send) -> None:
        """Send the end of a stream; a client that reads nothing does not receive it."""
        last: Message = {"type": "http.response.body", "body": b"", "more_body": False}
        if scope["type"] == ScopeType.WEBSOCKET:
            last = {"type": "websocket.close", "code": 1008, "reason": ENDED}
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(END_S):
                await send(last)


def _with_headers(message: Any) -> list[tuple[bytes, bytes]]:
    kept = [*message.get("headers", ()), *HEADERS]
    if not any(name.lower() == b"cache-control" for name, _ in kept):
        kept.append((b"cache-control", b"no-store"))
    return kept


def token_of(headers: Mapping[bytes, bytes], cookie: str) -> str | None:
    """Return the session's token of a request; None where there is none."""
    for part in headers.get(b"cookie", b"").decode("latin-1").split(";"):
        name, _, value = part.strip().partition("=")
        if name == cookie:
            return value if 0 < len(value) <= TOKEN_CHARS_MAX else None
    return None


def _desk(headers: Mapping[bytes, bytes]) -> str:
    """Return the desk that a page names; empty where it names none, or nothing that could be one."""
    text = headers.get(b"x-desk", b"").decode("utf-8", "replace").strip()
    return text if len(text) <= DESK_CHARS_MAX and text.isprintable() else ""


def _place(url: bytes) -> tuple[str, str | None, int] | None:
    """Return scheme, host and port; None for no URL."""
    try:
        parts = urlsplit(url.decode("latin-1"))
        return parts.scheme, parts.hostname, parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
