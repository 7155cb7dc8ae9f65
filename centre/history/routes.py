"""The routes of the history: `/api/history`, and the clips of violations."""

import gzip
import hashlib
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple, TypeVar

import zstandard
from litestar import Request, Response, get
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from centre.history.keeper import BusyError, History
from centre.history.reader import Wanted
from core.times import NS, STAMP_NS_MAX
from edge.wire import NONE_S_DM

Result = TypeVar("Result")
Handlers = list[ControllerRouterHandler]
Stamp = Annotated[int, QueryParameter(ge=0, le=STAMP_NS_MAX)]
Metres = Annotated[float | None, QueryParameter(ge=-NONE_S_DM, le=NONE_S_DM)]
SETTLED_NS = 30 * NS  # what is older is written, and stays as it is
KEEP_S = 600  # a browser keeps it for so long: not much longer than the history itself is kept
VEHICLE_NS_MAX = 24 * 3_600 * NS  # of one answer about one vehicle
PACKED = "application/vnd.msgpack"


class _Packed(NamedTuple):
    """An answer's body.  encoding : of HTTP; empty: none"""

    body: bytes
    etag: str
    encoding: str


def handlers(history: History | None) -> Handlers:
    """Return the handlers of the history; None: this centre keeps none, and says so."""

    @get("/api/history", opt={"media_types": (PACKED,), "cached": True})
    async def page(
        request: Request[Any, Any, Any],
        from_ns: Stamp,
        to_ns: Stamp,
        esn: Annotated[str | None, QueryParameter(max_length=64)] = None,
        from_m: Metres = None,
        to_m: Metres = None,
    ) -> Response[bytes]:
        if to_ns < from_ns or (from_m is None) != (to_m is None):
            raise HTTPException(
                status_code=400, detail="to_ns is before from_ns, or one of from_m and to_m is missing"
            )
        stations = None if from_m is None or to_m is None else (min(from_m, to_m), max(from_m, to_m))
        at_ns = 0 if history is None else history.now_ns()
        wanted = Wanted(from_ns=min(from_ns, at_ns), to_ns=min(to_ns, at_ns), esn=esn, stations=stations)
        accepted = request.headers.get("accept-encoding", "")
        found = await _read(history, lambda it: _packed(it.reader.page(wanted), accepted))
        return _answer(request, found, settled=wanted.to_ns < at_ns - SETTLED_NS)

    @get("/api/history/bounds")
    async def bounds() -> dict[str, Any]:
        return await _read(history, lambda it: it.reader.bounds(it.now_ns()))

    @get("/api/history/vehicle/{terminal:str}")
    async def vehicle(
        terminal: FromPath[str],
        from_ns: Annotated[int, QueryParameter(name="from", ge=0, le=STAMP_NS_MAX)],
        to_ns: Annotated[int, QueryParameter(name="to", ge=0, le=STAMP_NS_MAX)],
    ) -> dict[str, Any]:
        if not from_ns <= to_ns <= from_ns + VEHICLE_NS_MAX:  # each hour is a file to open
            hours = VEHICLE_NS_MAX // (3_600 * NS)
            raise HTTPException(
                status_code=400, detail=f"to: from `from` to {hours} hours later, not {to_ns}"
            )
        return await _read(history, lambda it: it.reader.vehicle(terminal, from_ns, to_ns))

    @get("/api/violations/{violation_id:str}/clip", opt={"media_types": (PACKED,)})
    async def clip(request: Request[Any, Any, Any], violation_id: FromPath[str]) -> Response[bytes]:
        def read(it: History) -> _Packed | None:
            body = it.reader.clip(violation_id)
            return None if body is None else _packed(body, request.headers.get("accept-encoding", ""))

        found = await _read(history, read)
        if found is None:
            raise NotFoundException("no clip of this violation: /api/history may have its time")
        return _answer(request, found, settled=False)

    return [page, bounds, vehicle, clip]


async def _read(history: History | None, query: Callable[[History], Result]) -> Result:
    if history is None:
        raise HTTPException(
            status_code=404,
            detail="this centre keeps no history: [centre] history names no folder",
            extra={"reason": "history_off"},
        )
    try:
        return await history.read(query, history)
    except BusyError:
        raise HTTPException(
            status_code=503, detail="too many read the history at once", headers={"retry-after": "1"}
        ) from None


def _packed(body: bytes, accepted: str) -> _Packed:
    """Compress a body as the client can. Blocking: the reader's thread does it."""
    etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    if "zstd" in accepted:
        return _Packed(zstandard.compress(body, 3), etag, "zstd")
    if "gzip" in accepted:
        return _Packed(gzip.compress(body, 1, mtime=0), etag, "gzip")
    return _Packed(body, etag, "")


def _answer(request: Request[Any, Any, Any], found: _Packed, *, settled: bool) -> Response[bytes]:
    """Answer with MessagePack; what will not change any more may be kept by a browser."""
    headers = {"vary": "accept-encoding", "cache-control": "no-store"}
    if settled:
        headers |= {"cache-control": f"private, max-age={KEEP_S}, immutable", "etag": found.etag}
        if request.headers.get("if-none-match") == found.etag:
            return Response(b"", status_code=304, headers=headers, media_type=PACKED)
    if found.encoding:
        headers["content-encoding"] = found.encoding
    return Response(found.body, headers=headers, media_type=PACKED)
