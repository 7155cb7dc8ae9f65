"""The routes of evidence files: ask for one, see how far it is, fetch it."""

from typing import Any

from litestar import Request, Response, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath
from litestar.response import File
from litestar.types import ControllerRouterHandler

from centre.accounts.actor import actor_of
from centre.evidence.jobs import Evidence
from centre.evidence.store import FullError


def handlers(evidence: Evidence) -> list[ControllerRouterHandler]:
    """Return the handlers."""

    @post("/api/violations/{violation_id:str}/evidence", opt={"right": "evidence"}, status_code=202)
    async def ask(violation_id: FromPath[str], request: Request[Any, Any, Any]) -> dict[str, Any]:
        try:
            asked = await evidence.ask(violation_id, actor_of(request.scope))
        except FullError as error:
            detail = "too many evidence files wait already: try again when some are made"
            raise HTTPException(status_code=429, detail=detail) from error
        if asked is None:
            raise NotFoundException("no violation of this id")
        return evidence.shown(asked[0])

    @get("/api/violations/{violation_id:str}/evidence")
    async def of(violation_id: FromPath[str]) -> dict[str, Any]:
        return {"items": await evidence.of(violation_id)}

    @get("/api/evidence/{job:str}")
    async def state(job: FromPath[str]) -> dict[str, Any]:
        return await _row(job)

    @get("/api/evidence/{job:str}/file", opt={"right": "evidence", "media_types": ("application/zip",)})
    async def file(job: FromPath[str], request: Request[Any, Any, Any]) -> File | Response[Any]:
        row = await _row(job)
        path = evidence.shelf.path(row["id"])
        if row["state"] != "ready" or not path.exists():
            raise NotFoundException(f"there is no file: it is {row['state']}" + _why(row["fault"]))
        await evidence.downloaded(row, actor_of(request.scope))
        name = f"evidence-{row['violation'][:8]}-{row['made_ns']}.zip"
        return File(path, filename=name, media_type="application/zip", content_disposition_type="attachment")

    async def _row(job: str) -> dict[str, Any]:
        row = await evidence.row(job)
        if row is None:
            raise NotFoundException("no evidence file of this id")
        return row

    return [ask, of, state, file]


def _why(fault: str | None) -> str:
    return "" if fault is None else f" ({fault})"
