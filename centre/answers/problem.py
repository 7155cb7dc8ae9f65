"""Errors as problems (RFC 9457): every refusal and failure of the centre has this one shape."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec
from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap, Message, Scope, Send

from centre.answers.query import written_names
from centre.faults import NotWrittenError, UnreadableError

MEDIA_TYPE = "application/problem+json"
OURS = "the centre failed; its log says why"
DENIAL = "websocket.http.response"  # the server's extension: a refused WebSocket gets a whole HTTP answer
Headers = Iterable[tuple[bytes, bytes]]


def problem(status: int, detail: str, instance: str, members: Mapping[str, Any] | None = None) -> bytes:
    """Return a problem as JSON; `members` are its own, and may name its `type` and `title`."""
    known = {
        "type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail,
        "instance": instance[:200],
    }  # fmt: skip
    return msgspec.json.encode(known | dict(members or {}) | {"status": status})


def handlers() -> ExceptionHandlersMap:
    """Return the app's exception handlers: each error becomes a problem."""
    return {
        HTTPException: _refused, UnreadableError: _unavailable, NotWrittenError: _unavailable, 500: _failed,
    }  # fmt: skip


async def refuse(
    scope: Scope, send: Send, status: int, detail: str, headers: Headers = (), **members: Any
) -> None:
    """Answer a request with a problem outside the app, or refuse a WebSocket that is not yet accepted."""
    body = problem(status, detail, scope["path"], members)
    if scope["type"] == ScopeType.WEBSOCKET:
        if DENIAL not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": detail})
            return
        kind = DENIAL
    else:
        kind = "http.response"
    sent = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body)), *headers]
    start = {"type": f"{kind}.start", "status": status, "headers": sent}
    await send(cast(Message, start))
    await send(cast(Message, {"type": f"{kind}.body", "body": body, "more_body": False}))


def _answer(
    request: Request[Any, Any, Any],
    status: int,
    detail: str,
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    body = problem(status, detail, request.scope["path"], members)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def _refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    members: dict[str, Any] = {}
    detail = error.detail
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        members["errors"] = faults = [_fault(request, dict(each)) for each in error.extra]
        detail = "; ".join(f"{each['name']}: {each['reason']}" for each in faults)
    elif isinstance(error.extra, Mapping):
        members |= error.extra
    elif error.extra:
        members["errors"] = error.extra
    return _answer(request, error.status_code, detail, members, error.headers)


def _fault(request: Request[Any, Any, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what is wrong with one value, by the name that the client wrote."""
    name, _, inner = str(found.get("key", "")).partition(".")
    name = written_names(request).get(name, name)
    source = found.get("source")
    return {
        "name": f"{name}.{inner}" if inner else name or "body",
        "in": str(getattr(source, "value", source or "query")),
        "reason": str(found.get("message", "is not valid")),
    }


def _unavailable(
    request: Request[Any, Any, Any], error: UnreadableError | NotWrittenError
) -> Response[bytes]:
    """Answer 503 and name a time to try again: the database fails now, and may work later."""
    verb = "read" if isinstance(error, UnreadableError) else "written"
    detail = f"the database can't be {verb}: {error}"
    return _answer(request, 503, detail, headers={"retry-after": "1"})


def _failed(request: Request[Any, Any, Any], _error: Exception) -> Response[bytes]:
    return _answer(request, 500, OURS)
