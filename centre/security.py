"""The guard in front of every route until people can log in: loopback only, and security headers."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlsplit

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from centre.accounts.actor import SCOPE_KEY, Actor
from centre.answers.problem import refuse
from core.errors import ConfigError
from edge.config import address_of, is_address

HERE = Actor("local", "administrator")  # until people can log in: whoever sits at this machine
PORTS = {"http": 80, "https": 443}  # where a URL names none
LOOPBACK_HOSTS = frozenset(("127.0.0.1", "::1", "localhost"))
POLICY = (
    "default-src 'self'; script-src 'self'; worker-src 'self' blob:; child-src blob:; "
    "img-src 'self' data: blob:; style-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
NO_STORE = (*HEADERS, (b"cache-control", b"no-store"))


def loopback(address: str, where: str) -> tuple[str, int]:
    """Return (host, port) of `[centre].http`; ConfigError for any address but loopback."""
    if not is_address(address):
        raise ConfigError(where, "centre.http", "must be HOST:PORT", address)
    host, port = address_of(address)
    if host not in LOOPBACK_HOSTS:
        rule = "must be a loopback address (127.0.0.1, [::1], localhost) until people can log in"
        raise ConfigError(where, "centre.http", rule, address)
    return host, port


class Guard:
    """ASGI middleware around the whole app: HTTP, event streams and WebSockets pass the same checks.

    It refuses a request whose Host is not this machine (DNS rebinding) or whose Origin is not: HTTP with 403,
    a WebSocket before it is accepted. It adds the security headers to each HTTP answer. It wraps the
    app, because the app's own middleware does not see paths without a route.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):  # lifespan
            await self._app(scope, receive, send)
            return
        if any(not char.isprintable() for char in scope["path"]):  # no file and no id has such a name
            await refuse(scope, send, 404, "no such path", NO_STORE)
            return
        if not _is_local(dict(scope["headers"])):
            await refuse(scope, send, 403, "another host or origin", NO_STORE)
            return

        cast(dict[str, Any], scope)[SCOPE_KEY] = HERE

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [*message.get("headers", ()), *HEADERS]
                if not any(name.lower() == b"cache-control" for name, _ in kept):
                    kept.append((b"cache-control", b"no-store"))
                message["headers"] = kept
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _is_local(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether Host names this machine, and Origin, where there is one, this very page.

    Another port of this machine is another program's.
    """
    own = _place(b"http://" + headers.get(b"host", b""))
    if own is None or own[0] not in LOOPBACK_HOSTS:
        return False
    if b"origin" not in headers:
        return True
    origin = _place(headers[b"origin"])
    return origin is not None and origin[0] in LOOPBACK_HOSTS and origin[1] == own[1]


def _place(url: bytes) -> tuple[str | None, int] | None:
    """Return host and port; None for no URL."""
    try:
        parts = urlsplit(url.decode("latin-1"))
        return parts.hostname, parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
