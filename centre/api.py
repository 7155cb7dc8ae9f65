"""The routes of API.md: HTTP, server-sent events and WebSockets of one centre."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from litestar import HttpMethod, Litestar, Request, Response, asgi, get
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.params import FromPath, QueryParameter
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from centre import page, search_routes, statistics_routes
from centre.access import routes as access_routes
from centre.access.rules import authorize, check_routes
from centre.answers import description, problem
from centre.answers.delivery import Delivery, accepts_gzip, allowed_of
from centre.answers.query import refuse_unknown
from centre.app import Centre
from centre.audit import routes as audit_routes
from centre.desk import routes as desk
from centre.evidence import routes as evidence
from centre.faults import NotWrittenError, UnreadableError
from centre.history import routes as history
from centre.outreach import routes as outreach
from centre.reader import PAGE_ROWS_MAX, EpisodeFilter, JourneyFilter
from centre.security import Door, Guard
from centre.streams import Streams
from geofence.violation import Grade

PAGE = Path(__file__).parent / "static"

ALLOW = {"allow": "GET, OPTIONS"}  # of the streams
MAP = {"cached": True, "media_types": ("application/geo+json",)}  # for the description, as `answer`
HEALTH = {"statuses": (503,)}
METRICS = {"media_types": ("text/plain",)}

Limit = Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX)]
Name = Annotated[str | None, QueryParameter(max_length=64)]
Before = Annotated[int | None, QueryParameter(ge=0, le=2**53)]
Json = Response[bytes]
Handler = ControllerRouterHandler
Handlers = list[Handler]


LOCAL = Door()


def build(centre: Centre, directory: Path = PAGE, door: Door = LOCAL) -> ASGIApp:
    """Return the web interface of one centre behind its guard.

    directory : the built page.  door : where it is served
    """
    app = routes(centre, directory, door)
    return Guard(Delivery(app, allowed_of(app)), centre.access, door)


def routes(centre: Centre, directory: Path = PAGE, door: Door = LOCAL) -> Litestar:
    """Return the app with every route, HTTP and WebSocket, without the guard."""
    cookies = access_routes.Cookies(door.cookie(centre.access), door.tls)

    async def log_failure(error: Exception, scope: Scope) -> None:
        # the others are the client's mistakes, or faults of the database, which its own parts log
        if not isinstance(error, (HTTPException, UnreadableError, NotWrittenError)):
            centre.log.error("request.failed", reason=scope["path"][:100], exc_info=error)

    app = Litestar(
        route_handlers=[
            *_stored(centre),
            *_momentary(centre),
            *search_routes.handlers(centre),
            *statistics_routes.handlers(centre),
            *_health(centre),
            *_streams(centre),
            *desk.handlers(centre.desk, centre.site.description),
            *access_routes.handlers(centre.access, cookies),
            *audit_routes.handlers(centre.database.engine, centre.database.read, centre.log_checks),
            *description.handlers(),
            *evidence.handlers(centre.outward.evidence),
            *outreach.handlers(centre.outward.drivers, centre.outward.sender),
            *history.handlers(centre.history),
            *page.handlers(directory),
        ],
        openapi_config=None,  # answers.openapi describes the streams and the problems too
        debug=False,
        logging_config=None,
        after_exception=[log_failure],
        guards=[authorize],
        before_request=refuse_unknown,
        exception_handlers=problem.handlers(),
    )
    check_routes(app)
    return app


def _stored(centre: Centre) -> Handlers:
    """Return the handlers that read the database."""

    @get("/api/violations", opt={"answer": "EpisodePage"})
    async def violations(
        shown: Annotated[Literal["open", "closed", "all"], QueryParameter(name="state")] = "all",
        grade: Annotated[list[Grade] | None, QueryParameter()] = None,
        rule: Name = None,
        esn: Name = None,
        kind: Annotated[Literal["alarm", "record"] | None, QueryParameter()] = None,
        before: Before = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Episodes, newest opened on top."""
        grades = tuple(grade or ())
        wanted = EpisodeFilter(
            state=shown, grades=grades, rule=rule, esn=esn, kind=kind, before=before, limit=limit
        )
        return await centre.database.read(centre.database.reader.episodes, wanted)

    @get("/api/violations/{violation_id:str}", opt={"answer": "EpisodeDetail"})
    async def violation(violation_id: FromPath[str]) -> dict[str, Any]:
        """One episode with all its versions and their evidence."""
        found = await centre.database.read(centre.database.reader.violation, violation_id)
        if found is None:
            raise NotFoundException("no violation of this id")
        return found

    @get("/api/journeys", opt={"answer": "JourneyPage"})
    async def journeys(
        shown: Annotated[Literal["open", "closed", "all"], QueryParameter(name="state")] = "open",
        terminal: Name = None,
        before: Before = None,
        limit: Limit = 100,
    ) -> dict[str, Any]:
        """Journeys of registered trucks, newest begun on top."""
        wanted = JourneyFilter(state=shown, terminal=terminal, before=before, limit=limit)
        offline = centre.overview.offline()
        return await centre.database.read(centre.database.reader.journeys, wanted, offline)

    @get("/api/quarantine", opt={"answer": "QuarantinePage"})
    async def quarantine(before: Before = None, limit: Limit = 100) -> dict[str, Any]:
        """What was not stored, and why; newest first"""
        return await centre.database.read(centre.database.reader.quarantined, limit, before)

    @get("/api/summary", opt={"answer": "Summary"})
    async def summary() -> dict[str, Any]:
        """The present state in figures."""
        return await centre.overview.summary()

    return [violations, violation, journeys, quarantine, summary]


def _momentary(centre: Centre) -> Handlers:
    """Return the handlers that read the memory: the site, the units' states, the counters."""

    @get("/api/site", opt={"answer": "SiteBody", "cached": True}, sync_to_thread=False)
    def site() -> Json:
        """Axis, lanes, places and units of the site."""
        headers = {"etag": centre.site.description_etag, "cache-control": "no-cache"}
        return Response(centre.site.description, media_type="application/json", headers=headers)

    @get("/api/map", opt=MAP, sync_to_thread=False)
    def road_map(request: Request[Any, Any, Any]) -> Json:
        """The map as loaded, byte for byte."""
        headers = {"etag": centre.site.map_etag, "vary": "accept-encoding", "cache-control": "no-cache"}
        body = centre.site.map_plain
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            headers["content-encoding"], body = "gzip", centre.site.map_gzip
        return Response(body, headers=headers, media_type="application/geo+json")

    @get("/api/rsus", opt={"answer": "RsuTable"}, sync_to_thread=False)
    def rsus() -> dict[str, Any]:
        """The state of each RSU and gateway."""
        return centre.overview.rsu_table()

    @get("/api/counts", opt={"answer": "Counts"}, sync_to_thread=False)
    def counts() -> dict[str, dict[str, Any]]:
        """All counters by part and reason."""
        return centre.overview.counts()

    @get("/api/desk/others", sync_to_thread=False)
    def other_desks() -> dict[str, Any]:
        """What was handled at the site's other centre, as it said last."""
        return {"items": centre.ingest.peers.desks()}

    return [site, road_map, rsus, counts, other_desks]


def _health(centre: Centre) -> Handlers:
    """Return the handlers for supervisors of processes and for Prometheus."""

    def answer(path: str) -> Json:
        status, kind, body = centre.health.answer(path)
        return Response(body, status_code=status, headers={"content-type": kind.decode()})

    @get(["/healthz", "/readyz"], opt=HEALTH | {"public": True}, sync_to_thread=False)
    def health(request: Request[Any, Any, Any]) -> Json:
        """Whether it lives, whether it can work"""
        return answer(request.url.path)

    @get("/metrics", opt=METRICS | {"public": True}, sync_to_thread=False)
    def metrics() -> Json:
        """Figures for Prometheus"""
        return answer("/metrics")

    return [health, metrics]


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
        if scope["type"] == ScopeType.HTTP and scope["method"] != HttpMethod.GET:
            if scope["method"] != HttpMethod.OPTIONS:
                raise MethodNotAllowedException(headers=ALLOW)
            await Response(None, status_code=204, headers=ALLOW).to_asgi_response(None, Request(scope))(
                scope, receive, send
            )
            return
        if scope["type"] != kind:
            raise NotFoundException("no such route")
        await serve(scope, receive, send)

    return handler
