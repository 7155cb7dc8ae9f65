"""The routes of the audit log: its rows, and whether its chain is whole."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import sqlalchemy as sa
from litestar import get
from litestar.params import QueryParameter
from litestar.types import ControllerRouterHandler

from centre.audit.queries import Wanted, page, state

Read = Callable[..., Awaitable[Any]]
Name = Annotated[str | None, QueryParameter(max_length=64)]
Number = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]


def handlers(engine: sa.Engine, read: Read) -> list[ControllerRouterHandler]:
    """Return the handlers; `read(query)` runs a query in a thread, as `Database.read`."""
    opt = {"right": "audit"}

    async def look(query: Callable[[sa.Connection], dict[str, Any]]) -> dict[str, Any]:
        def work() -> dict[str, Any]:
            with engine.begin() as db:
                return query(db)

        found: dict[str, Any] = await read(work)
        return found

    @get("/api/audit", opt=opt)
    async def audit(
        user: Name = None,
        act: Name = None,
        subject: Name = None,
        from_ns: Number = None,
        to_ns: Number = None,
        before: Number = None,
        limit: Annotated[int, QueryParameter(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        wanted = Wanted(user, act, subject, from_ns, to_ns, before, limit)
        return await look(lambda db: page(db, wanted))

    @get("/api/audit/check", opt=opt)
    async def check() -> dict[str, Any]:
        return await look(state)

    return [audit, check]
