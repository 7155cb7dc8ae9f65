"""The routes of what the centre says outward: warn a driver, and how the events to other platforms fare."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath, JSONBody
from litestar.types import ControllerRouterHandler
from msgspec import Meta

from centre.accounts.actor import actor_of
from centre.outreach.drivers import Drivers, RefusedError
from centre.outreach.sender import Sender
from centre.outreach.warning import TextError


class Warn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a warning.  text : None: the text of the rule"""

    text: Annotated[str, Meta(max_length=1_000)] | None = None


def handlers(drivers: Drivers, sender: Sender) -> list[ControllerRouterHandler]:
    """Return the handlers."""

    @get("/api/violations/{violation_id:str}/warnings")
    async def warnings(violation_id: FromPath[str]) -> dict[str, Any]:
        found = await drivers.shown(violation_id)
        if found is None:
            raise NotFoundException("no violation of this id")
        return found

    @post("/api/violations/{violation_id:str}/warn", opt={"right": "warn"}, status_code=202)
    async def warn(
        violation_id: FromPath[str], data: JSONBody[Warn], request: Request[Any, Any, Any]
    ) -> dict[str, Any]:
        try:
            return await drivers.warn(violation_id, data.text, actor_of(request.scope))
        except TextError as error:
            raise HTTPException(status_code=422, detail=str(error)) from error
        except RefusedError as error:
            raise HTTPException(status_code=error.status, detail=error.detail, extra=error.more) from error

    @get("/api/outreach")
    async def outreach() -> dict[str, Any]:
        return await sender.figures()

    return [warnings, warn, outreach]
