"""The routes of API.md: HTTP, server-sent events and WebSockets of one centre."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from litestar import Litestar, Request, Response, asgi, get
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, QueryParameter
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from centre import page
from centre.app import Centre
from centre.desk import routes as desk
from centre.faults import NotWrittenError, UnreadableError
from centre.reader import PAGE_ROWS_MAX, EpisodeFilter, JourneyFilter
from centre.security import Guard
from centre.streams import Streams
from geofence.violation import Grade

PAGE = Path(__file__).parent / "static"

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX)]
Name = Annotated[str | None, QueryParameter(max_length=64)]
Json = Response[bytes]
Handler = ControllerRouterHandler
Handlers = list[Handler]


def build(centre: Centre, directory: Path = PAGE) -> ASGIApp:
    """Return the web interface of one centre behind its guard.

    directory : the built page
    """
    return Guard(routes(centre, directory))


def routes(centre: Centre, directory: Path = PAGE) -> Litestar:
    """Return the app with every route, HTTP and WebSocket, without the guard."""

    async def log_failure(error: Exception, scope: Scope) -> None:
        # the others are the client's mistakes, or faults of the database, which its own parts log
        if not isinstance(error, (HTTPException, UnreadableError, NotWrittenError)):
            centre.log.error("request.failed", reason=scope["path"][:100], exc_info=error)

    return Litestar(
        route_handlers=[
            *_stored(centre),
            *_momentary(centre),
            *_health(centre),
            *_streams(centre),
            *desk.handlers(centre.desk, centre.site.description),
            *page.handlers(directory),
        ],
        openapi_config=None,
        debug=False,
        logging_config=None,
        after_exception=[log_failure],
        exception_handlers={UnreadableError: _unavailable, NotWrittenError: _unavailable},
    )


def _unavailable(
    _request: Request[Any, Any, Any], error: UnreadableError | NotWrittenError
) -> Response[dict[str, Any]]:
    """Answer 503 and name a time to try again: the database fails now, and may work later."""
    verb = "read" if isinstance(error, UnreadableError) else "written"
    detail = f"the database can't be {verb}: {error}"
    return Response({"status_code": 503, "detail": detail}, status_code=503, headers={"retry-after": "1"})


def _stored(centre: Centre) -> Handlers:
    """Return the handlers that read the database."""

    @get("/api/violations")
    async def violations(
        shown: Annotated[Literal["open", "closed", "all"], QueryParameter(name="state")] = "all",
        grade: Annotated[list[Grade] | None, QueryParameter()] = None,
        rule: Name = None,
        esn: Name = None,
        kind: Annotated[Literal["alarm", "record"] | None, QueryParameter()] = None,
        before: Annotated[int | None, QueryParameter(ge=0, le=2**53)] = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        grades = tuple(grade or ())
        wanted = EpisodeFilter(
            state=shown, grades=grades, rule=rule, esn=esn, kind=kind, before=before, limit=limit
        )
        return await centre.database.read(centre.database.reader.episodes, wanted)

    @get("/api/violations/{violation_id:str}")
    async def violation(violation_id: FromPath[str]) -> dict[str, Any]:
        found = await centre.database.read(centre.database.reader.violation, violation_id)
        if found is None:
            raise NotFoundException("no violation of this id")
        return found

    @get("/api/journeys")
    async def journeys(
        shown: Annotated[Literal["open", "closed", "all"], QueryParameter(name="state")] = "open",
        terminal: Name = None,
        before: Annotated[int | None, QueryParameter(ge=0, le=2**53)] = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        wanted = JourneyFilter(state=shown, terminal=terminal, before=before, limit=limit)
        offline = centre.overview.offline()
        return await centre.database.read(centre.database.reader.journeys, wanted, offline)

    @get("/api/quarantine")
    async def quarantine(limit: Limit = 100) -> dict[str, Any]:
        return {"items": await centre.database.read(centre.database.reader.quarantined, limit)}

    @get("/api/summary")
    async def summary() -> dict[str, Any]:
        return await centre.overview.summary()

    return [violations, violation, journeys, quarantine, summary]


def _momentary(centre: Centre) -> Handlers:
    """Return the handlers that read the memory: the site, the units' states, the counters."""

    @get("/api/site", sync_to_thread=False)
    def site() -> Json:
        return Response(centre.site.description, media_type="application/json")

    @get("/api/map", sync_to_thread=False)
    def road_map(request: Request[Any, Any, Any]) -> Json:
        headers = {"etag": centre.site.map_etag, "vary": "accept-encoding", "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == centre.site.map_etag:
            return Response(b"", status_code=304, headers=headers, media_type="application/geo+json")
        body = centre.site.map_plain
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"], body = "gzip", centre.site.map_gzip
        return Response(body, headers=headers, media_type="application/geo+json")

    @get("/api/rsus", sync_to_thread=False)
    def rsus() -> dict[str, Any]:
        return centre.overview.rsu_table()

    @get("/api/counts", sync_to_thread=False)
    def counts() -> dict[str, dict[str, Any]]:
        return centre.overview.counts()

    return [site, road_map, rsus, counts]


def _health(centre: Centre) -> Handlers:
    """Return the handlers for supervisors of processes and for Prometheus."""

    @get(["/healthz", "/readyz", "/metrics"], sync_to_thread=False)
    def health(request: Request[Any, Any, Any]) -> Json:
        status, kind, body = centre.health.answer(request.url.path)
        return Response(body, status_code=status, media_type=kind.decode())

    return [health]


def _streams(centre: Centre) -> Handlers:
    """Return the handlers of the streams: server-sent events and the two WebSockets."""
    streams = Streams(centre)
    return [
        _stream("/api/events", ScopeType.HTTP, streams.events),
        _stream("/api/stream", ScopeType.WEBSOCKET, streams.stream),
        _stream("/api/tracks", ScopeType.WEBSOCKET, streams.tracks),
    ]


def _stream(path: str, kind: ScopeType, serve: Callable[[Scope, Receive, Send], Awaitable[None]]) -> Handler:
    """Return the handler of a stream; a request of the other kind gets 404."""

    @asgi(path, copy_scope=False)
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != kind:
            raise NotFoundException("no such route")
        await serve(scope, receive, send)

    return handler
