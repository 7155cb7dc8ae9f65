"""The routes of the audit log: its rows, a file of them, and whether its chain is whole."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from centre.audit.log import head
from centre.audit.queries import EXPORTED, Wanted, exported, page, state
from centre.csv_text import BOM, csv_text

Result = TypeVar("Result")
Read = Callable[..., Awaitable[Any]]
Name = Annotated[str | None, QueryParameter(max_length=64)]
Number = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]


def handlers(engine: sa.Engine, read: Read) -> list[ControllerRouterHandler]:
    """Return the handlers; `read(query)` runs a query in a thread, as `Database.read`."""
    opt = {"right": "audit"}

    async def look(query: Callable[[sa.Connection], Result]) -> Result:
        def work() -> Result:
            with engine.begin() as db:
                return query(db)

        found: Result = await read(work)
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

    @get("/api/audit/export", opt=opt | {"media_types": ("text/csv",)})
    async def export(
        user: Name = None,
        act: Name = None,
        subject: Name = None,
        from_ns: Number = None,
        to_ns: Number = None,
    ) -> Stream:
        wanted = Wanted(user, act, subject, from_ns, to_ns)
        newest, _ = await look(head)  # what is added meanwhile is not part of the file

        async def parts() -> AsyncIterator[str]:
            yield BOM + csv_text([EXPORTED])
            after = 0
            while after < newest:
                rows = await look(partial(exported, wanted=wanted, after=after, to=newest))
                if not rows:
                    return
                yield csv_text(rows)
                after = int(rows[-1][0])

        headers = {"content-disposition": f'attachment; filename="acts-to-{newest}.csv"'}
        return Stream(parts(), media_type="text/csv; charset=utf-8", headers=headers)

    checking: asyncio.Task[dict[str, Any]] | None = None

    @get("/api/audit/check", opt=opt)
    async def check() -> dict[str, Any]:
        nonlocal checking  # it reads the whole log: who asks meanwhile gets the same answer
        if checking is None or checking.done():
            checking = asyncio.create_task(look(state))
        return await asyncio.shield(checking)

    return [audit, export, check]
