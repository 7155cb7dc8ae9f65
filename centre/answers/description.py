"""Serves the description of the interface: for programs as OpenAPI, for people as a page without scripts."""

import functools
import hashlib
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, get
from litestar.types import ControllerRouterHandler

from centre.answers.openapi import describe
from centre.answers.viewer import STYLE, page_of

CACHE = "no-cache"
JSON = "application/json"
HTML = "text/html"  # the framework adds the charset


@functools.lru_cache(maxsize=1)
def _made(app: Litestar) -> dict[str, tuple[bytes, str]]:
    """Return body and tag of each answer; made when first asked for, since most centres are never asked."""
    document = describe(app)
    bodies = {
        "json": msgspec.json.encode(document),
        "html": page_of(document).encode(),
        "css": STYLE.encode(),
    }
    return {name: (body, f'"{hashlib.sha256(body).hexdigest()[:32]}"') for name, body in bodies.items()}


def handlers() -> list[ControllerRouterHandler]:
    """Return the handlers of the description."""

    def answer(request: Request[Any, Any, Any], name: str, kind: str) -> Response[bytes]:
        body, etag = _made(request.app)[name]
        return Response(body, media_type=kind, headers={"etag": etag, "cache-control": CACHE})

    @get("/api/openapi.json", sync_to_thread=False, opt={"cached": True})
    def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The interface as OpenAPI 3.1"""
        return answer(request, "json", JSON)

    @get("/api/docs", sync_to_thread=False, opt={"cached": True, "media_types": ("text/html",)})
    def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The interface as a page to read"""
        return answer(request, "html", HTML)

    @get("/api/docs.css", sync_to_thread=False, opt={"cached": True, "media_types": ("text/css",)})
    def style(request: Request[Any, Any, Any]) -> Response[bytes]:
        """The style of that page"""
        return answer(request, "css", "text/css")

    return [openapi, docs, style]
