"""What each route needs, and whether a request has it: applied by the app to every route.

A route says in `opt` who may use it: `right` names a right of `centre.accounts.rights`, `own` is for whoever
has signed in, `public` for everybody. One that reads and says nothing needs the right to look; one that
changes something must say.
"""

import hmac
from collections.abc import Mapping
from typing import Any, Literal, get_args

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import ASGIRoute, HTTPRoute, WebSocketRoute

from centre.access.service import Visit
from centre.accounts.rights import Right, may

VISIT_KEY = "petroroad.visit"  # of the ASGI scope: who sent the request
TOKEN_KEY = "petroroad.token"  # noqa: S105  the token that came with it, be it of a session or not
READING = frozenset(("GET", "HEAD", "OPTIONS"))
CSRF = "x-csrf"
Needs = Right | Literal["own", "public"]
RIGHT_NAMES: dict[str, Right] = {right: right for right in get_args(Right)}


def needs_of(handler: BaseRouteHandler) -> Needs:
    """Return what a route needs; KeyError where that is no right."""
    if handler.opt.get("public"):
        return "public"
    return "own" if handler.opt.get("own") else RIGHT_NAMES[handler.opt.get("right", "look")]


def check_routes(app: Litestar) -> None:
    """Refuse, at the start, a route that changes something and names no right, or one that isn't."""
    for route in app.routes:
        for handler in _handlers(route):
            right = handler.opt.get("right", "look")
            assert right in RIGHT_NAMES, f"{route.path}: no such right: {right}"
            methods = set(getattr(handler, "http_methods", ())) - READING
            named = handler.opt.keys() & {"right", "own", "public"}
            assert named or not methods, f"{route.path}: {sorted(methods)} must name a right in `opt`"


def visit_of(scope: Mapping[str, Any]) -> Visit | None:
    """Return who sent a request, as the guard found out; None: nobody who may come in."""
    found: Visit | None = scope.get(VISIT_KEY)
    return found


def token_in(scope: Mapping[str, Any]) -> str | None:
    """Return the token that came with a request, be it of a session or not."""
    found: str | None = scope.get(TOKEN_KEY)
    return found


def authorize(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request pass that may: 401 without a session, 403 without the right or the page's token."""
    needs = needs_of(handler)
    if needs == "public":
        return
    visit = visit_of(connection.scope)
    if visit is None:
        raise NotAuthorizedException("sign in first", extra={"accounts": True})
    method = connection.scope.get("method", "GET")
    if visit.csrf and method not in READING:
        given = connection.headers.get(CSRF, "")
        if not hmac.compare_digest(given.encode(), visit.csrf.encode()):
            raise PermissionDeniedException("x-csrf is not the token of /api/me", extra={"reason": "csrf"})
    if needs != "own" and not may(visit.actor.role, needs):
        raise PermissionDeniedException(
            f"the role {visit.actor.role} has no right to this ({needs})",
            extra={"reason": "right", "right": needs, "role": visit.actor.role},
        )


def _handlers(route: Any) -> list[BaseRouteHandler]:
    if isinstance(route, HTTPRoute):
        return list(route.route_handlers)
    assert isinstance(route, ASGIRoute | WebSocketRoute), "there is no other kind"
    return [route.route_handler]
