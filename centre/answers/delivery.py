"""How each answer leaves: HEAD as GET without a body, 304 for what the client has, gzip where it helps.

ASGI middleware inside the guard, around the whole app, because the app's own does not see all answers.
"""

import asyncio
import gzip
from collections.abc import Iterable, Mapping
from typing import Any, cast

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send

HEAD_KEY = "petroroad.head"  # of the scope: an endless answer ends after its headers
PACKED_BYTES_MIN = 1_000
THREAD_BYTES_MIN = 65_536  # packing more than this would hold up the event loop
LEVEL = 1  # of gzip: JSON shrinks to a tenth at any level, and this one takes a third of the time
PACKABLE = (b"application/json", b"application/geo+json", b"application/problem+json", b"text/")
KEPT_OF_304 = (b"etag", b"cache-control", b"vary", b"content-location", b"expires", b"last-modified")


class Delivery:
    """Wraps an app; streams pass unchanged."""

    def __init__(self, app: ASGIApp, allowed: Mapping[str, bytes] | None = None) -> None:
        """allowed : the methods of each route by its path; the framework names only some to OPTIONS"""
        self._app, self._allowed = app, allowed or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        is_head = method == "HEAD"
        asked = dict(scope["headers"])
        if is_head:
            scope = cast(Scope, cast(dict[str, Any], scope) | {"method": "GET", HEAD_KEY: True})
        started: Message | None = None
        ended = False  # the answer to a HEAD has left, and the app still sends a long body

        async def deliver(message: Message) -> None:
            nonlocal started, ended
            if message["type"] == "http.response.start":
                if not _is_stream(message):
                    started = message
                    return
                await send(message)  # at once: its client waits for no event to know that it is connected
                return
            if started is None:
                if not ended:
                    await send(message)  # of a stream, or the rest of a long answer
                return
            begin, started = started, None
            if not message.get("more_body"):
                begin, message = await _whole(begin, message, asked)
            if method == "OPTIONS":
                begin = self._with_methods(scope, begin)
            _add_head(begin)
            ended = is_head
            await send(begin)
            body = b"" if is_head else message.get("body", b"")
            more = bool(message.get("more_body")) and not is_head
            await send(cast(Message, {"type": "http.response.body", "body": body, "more_body": more}))

        await self._app(scope, receive, deliver)

    def _with_methods(self, scope: Scope, start: Message) -> Message:
        """Return the answer to OPTIONS with all methods of the route."""
        allow = self._allowed.get(cast(dict[str, Any], scope).get("path_template", ""))
        if allow is None:
            return start
        headers = _with(cast(Any, start).get("headers", ()), {b"allow": allow})
        return cast(Message, dict(start) | {"headers": headers})


def allowed_of(app: Litestar) -> dict[str, bytes]:
    """Return the methods of each route by its path, as Allow has them."""
    return {
        route.path_format: ", ".join(sorted(route.methods)).encode()
        for route in app.routes
        if isinstance(route, HTTPRoute)
    }


async def _whole(start: Message, body: Message, asked: dict[bytes, bytes]) -> tuple[Message, Message]:
    """Return an answer that has come as a whole as it leaves: as 304, packed, or as it is."""
    headers: list[tuple[bytes, bytes]] = list(cast(Any, start).get("headers", ()))
    have = {name.lower(): value for name, value in headers}
    content: bytes = cast(Any, body).get("body", b"")
    packable = have.get(b"content-type", b"").startswith(PACKABLE)
    if packable and b"content-encoding" not in have and len(content) >= PACKED_BYTES_MIN:
        headers = _with(headers, {b"vary": _vary(have.get(b"vary", b""))})
        if accepts_gzip(asked.get(b"accept-encoding", b"").decode("latin-1")):
            content = await _packed(content)
            packed = {b"content-encoding": b"gzip", b"content-length": b"%d" % len(content)}
            headers = _with(headers, packed)
            have |= packed
    if b"etag" in have and have.get(b"content-encoding") == b"gzip":
        have[b"etag"] = _weak(have[b"etag"])  # a strong tag would promise the same bytes, packed or not
        headers = _with(headers, {b"etag": have[b"etag"]})
    fresh = b"etag" in have and matches(asked.get(b"if-none-match"), have[b"etag"])
    status = cast(Any, start)["status"]
    if fresh and status == 200:
        headers = [pair for pair in headers if pair[0].lower() in KEPT_OF_304]
        status, content = 304, b""
    return cast(Message, dict(start) | {"status": status, "headers": headers}), cast(
        Message, dict(body) | {"body": content}
    )


async def _packed(content: bytes) -> bytes:
    if len(content) < THREAD_BYTES_MIN:
        return gzip.compress(content, LEVEL, mtime=0)
    return await asyncio.to_thread(gzip.compress, content, LEVEL, mtime=0)


def accepts_gzip(accepted: str) -> bool:
    """Return whether Accept-Encoding takes gzip: named, or by `*`, and not with q=0."""
    weights: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weights[name.strip()] = parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return weights.get("gzip", weights.get("*", False))


def matches(if_none_match: bytes | None, etag: bytes) -> bool:
    """Return whether a list of tags names this one; weak comparison (RFC 9110, section 13.1.2)."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return tags == [b"*"] or etag.removeprefix(b"W/") in tags


def _is_stream(start: Message) -> bool:
    return (b"content-type", b"text/event-stream; charset=utf-8") in cast(Any, start).get("headers", ())


def _weak(etag: bytes) -> bytes:
    return etag if etag.startswith(b"W/") else b"W/" + etag


def _vary(before: bytes) -> bytes:
    if b"accept-encoding" in before.lower():
        return before
    return before + b", accept-encoding" if before else b"accept-encoding"


def _with(headers: Iterable[tuple[bytes, bytes]], new: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    return [pair for pair in headers if pair[0].lower() not in new] + list(new.items())


def _add_head(start: Message) -> None:
    """Name HEAD in Allow wherever GET is allowed."""
    headers = cast(Any, start).get("headers", ())
    cast(Any, start)["headers"] = [
        (name, value + b", HEAD" if _lacks_head(name, value) else value) for name, value in headers
    ]


def _lacks_head(name: bytes, value: bytes) -> bool:
    methods = {method.strip() for method in value.split(b",")}
    return name.lower() == b"allow" and b"GET" in methods and b"HEAD" not in methods
