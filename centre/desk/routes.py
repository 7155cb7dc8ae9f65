"""The desk's routes of API.md."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler

from centre.accounts.actor import actor_of
from centre.desk.acts import Wanted
from centre.desk.desk import Desk, seconds_by_priority
from centre.desk.faults import RefusedError
from centre.desk.reasons import reasons

Handlers = list[ControllerRouterHandler]
AnyRequest = Request[Any, Any, Any]
FLOOD = {"n": 10, "minutes": 10}  # EEMUA 191


def handlers(desk: Desk) -> Handlers:
    """Return the handlers of the worklist and its acts."""

    @get("/api/handling")
    async def handling() -> dict[str, Any]:
        return await desk.read(desk.reader.worklist, desk.now_ns())

    @post("/api/alarms/{alarm_id:str}/acts", opt={"right": "handle"}, status_code=200)
    async def act(request: AnyRequest, alarm_id: FromPath[str], data: JSONBody[Wanted]) -> dict[str, Any]:
        try:
            return {"items": await desk.act(alarm_id, data, actor_of(request.scope))}
        except RefusedError as refused:
            raise answer_of(refused) from refused

    @get("/api/alarms/{alarm_id:str}/acts")
    async def acts(alarm_id: FromPath[str]) -> dict[str, Any]:
        return {"items": await desk.read(desk.reader.acts_of, alarm_id)}

    @get("/api/desk")
    async def description() -> dict[str, Any]:
        return {
            "reasons": [msgspec.to_builtins(each) for each in reasons().values()],
            "why": desk.policy.words,
            "deadlines_s": seconds_by_priority(desk.policy),
            "escalate_s": desk.policy.escalate_s,
            "users": [],
            "flood": FLOOD,
        }

    return [handling, act, acts, description]


def answer_of(refused: RefusedError) -> HTTPException:
    """Return the answer to a request that the desk refuses."""
    return HTTPException(refused.detail, status_code=refused.status, extra=refused.extra or None)
