"""The routes of the statistics, the daily report and their files."""

from typing import Annotated, Any, Literal

from litestar import Response, get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from centre.app import Centre
from centre.statistics import store
from centre.statistics.days import day_of, period_of
from centre.statistics.figures import Period, statistics
from centre.statistics.report import report
from centre.statistics.sheets import csv_bytes, sheets, xlsx_bytes
from centre.views.safe_json import json_safe
from centre.words import Lang

PERIOD_NS_MAX = 800 * 86_400_000_000_000
Stamp = Annotated[int, QueryParameter(ge=0, le=2**63 - 1)]
Language = Annotated[Lang, QueryParameter()]
Day = Annotated[str, QueryParameter(max_length=10)]
Format = Annotated[Literal["json", "csv", "xlsx"], QueryParameter(name="format")]
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FILES = {"media_types": ("application/json", "text/csv", TYPES["xlsx"])}
HISTORY_NS = 30 * 86_400_000_000_000  # of an RSU's hours
Before = Annotated[int | None, QueryParameter(ge=0, le=2**53)]
Limit = Annotated[int, QueryParameter(ge=1, le=500)]


def handlers(centre: Centre) -> list[ControllerRouterHandler]:
    """Return the handlers of the statistics."""
    read, reader = centre.database.read, centre.database.reader

    @get("/api/statistics", opt=FILES)
    async def figures(
        since_ns: Stamp, until_ns: Stamp, kind: Format = "json", lang: Language = "zh"
    ) -> Response[Any]:
        if not since_ns < until_ns <= since_ns + PERIOD_NS_MAX:
            raise HTTPException(
                status_code=400, detail="until_ns: must be later than since_ns, 800 days at most"
            )
        found = await read(reader.read, statistics, Period(since_ns, until_ns))
        return await _answer(found, kind, lang, f"statistics-{day_of(since_ns)}")

    @get("/api/reports/daily", opt=FILES)
    async def daily(day: Day, kind: Format = "json", lang: Language = "zh") -> Response[Any]:
        try:
            period = period_of(day)
        except ValueError as error:
            raise HTTPException(status_code=400, detail=f"day: {error}") from error
        found = await read(report, reader, period)
        return await _answer(found | {"day": day}, kind, lang, f"report-{day}")

    async def _answer(found: dict[str, Any], kind: str, lang: Lang, name: str) -> Response[Any]:
        if kind == "json":
            return Response(json_safe(found), media_type="application/json")
        write = csv_bytes if kind == "csv" else xlsx_bytes
        body = await read(lambda: write(sheets(found, lang)))
        headers = {"content-disposition": f'attachment; filename="{name}.{kind}"'}
        return Response(body, media_type=TYPES[kind], headers=headers)

    @get("/api/rsus/{esn:str}/history")
    async def history(esn: FromPath[str], limit: Limit = 100, before: Before = None) -> dict[str, Any]:
        found: dict[str, Any] = json_safe(
            {
                "esn": esn,
                **await read(reader.read, store.states, esn, limit, before),
                "lost": await centre.database.read(centre.database.reader.lost_items, esn, limit),
                "hours": await read(reader.read, store.hours_of, esn, centre.now_ns() - HISTORY_NS),
            }
        )
        return found

    return [figures, daily, history]
