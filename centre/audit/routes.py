"""The routes of the audit log: its rows, a file of them, and whether its chain is whole."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from litestar import Request, get, post
from litestar.params import QueryParameter
from litestar.response import Stream
from litestar.types import ControllerRouterHandler

from centre.accounts.actor import actor_of
from centre.audit.log import head
from centre.audit.proofs import LogChecks
from centre.audit.queries import EXPORTED, Wanted, exported, page, unreadable
from centre.csv_text import BOM, csv_text
from centre.faults import UnreadableError

Result = TypeVar("Result")
Read = Callable[..., Awaitable[Any]]
Name = Annotated[str | None, QueryParameter(max_length=64)]
Number = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]


def handlers(engine: sa.Engine, read: Read, checks: LogChecks) -> list[ControllerRouterHandler]:
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
            lacking: list[int] = []
            after, broke_off = 0, None
            while after < newest:
                try:
                    found = await look(partial(exported, wanted=wanted, after=after, to=newest))
                except UnreadableError as error:  # the head is sent: only the file itself can say so
                    broke_off = f"after row {after} the database could not be read: {error}"
                    break
                if not found:
                    break
                yield csv_text(cells for _, cells in found if cells is not None)
                lacking += [n for n, cells in found if cells is None]
                after = found[-1][0]
            if lacking or broke_off is not None:
                yield csv_text([unreadable(lacking, broke_off)])

        headers = {"content-disposition": f'attachment; filename="acts-to-{newest}.csv"'}
        return Stream(parts(), media_type="text/csv; charset=utf-8", headers=headers)

    @get("/api/audit/check", opt=opt)
    async def check() -> dict[str, Any]:
        return await checks.state()

    @post("/api/audit/check", opt=opt, status_code=200)
    async def look_through(request: Request[Any, Any, Any]) -> dict[str, Any]:
        return await checks.look_through(actor_of(request.scope))

    return [audit, export, check, look_through]
