"""The routes of the search: violations of any time, and what is known of vehicles, carriers and RSUs."""

from typing import Annotated, Any, Literal

from litestar import get
from litestar.exceptions import HTTPException
from litestar.params import FromPath, QueryParameter
from litestar.types import ControllerRouterHandler

from centre.app import Centre
from centre.history.grades import RANGE_NS_MAX, grades
from centre.reader import PAGE_ROWS_MAX, JourneyFilter
from centre.search.counts import by_plate, by_rule
from centre.search.directory import Asked
from centre.search.query import Cursor, Search, cursor_of
from centre.search.un import SOURCE, table
from centre.views.safe_json import json_safe
from core.times import STAMP_NS_MAX
from geofence.violation import Grade

DAY_NS = 86_400 * 10**9
JOURNEYS = 50  # of a vehicle's page, the newest
VEHICLES_MAX = 1_000
Text = Annotated[str | None, QueryParameter(max_length=200)]
Stamp = Annotated[int | None, QueryParameter(ge=0, le=2**63 - 1)]
Station = Annotated[float | None, QueryParameter(ge=-1e7, le=1e7)]


def handlers(centre: Centre) -> list[ControllerRouterHandler]:
    """Return the handlers of the search."""
    read, reader = centre.database.read, centre.database.reader

    @get("/api/search")
    async def search(
        plate: Text = None,
        vehicle: Text = None,
        terminal: Text = None,
        carrier: Text = None,
        un: Text = None,
        rule: Annotated[list[str] | None, QueryParameter(max_items=32)] = None,
        grade: Annotated[list[Grade] | None, QueryParameter(max_items=8)] = None,
        esn: Text = None,
        shown: Annotated[Literal["open", "closed", "all"], QueryParameter(name="state")] = "all",
        kind: Annotated[Literal["alarm", "record"] | None, QueryParameter()] = None,
        since_ns: Stamp = None,
        until_ns: Stamp = None,
        lasted: Annotated[bool, QueryParameter()] = False,
        from_m: Station = None,
        to_m: Station = None,
        lane: Text = None,
        zone: Text = None,
        is_false: Annotated[bool | None, QueryParameter(name="false")] = None,
        handling: Annotated[
            Literal["new", "acknowledged", "handled", "closed"] | None, QueryParameter()
        ] = None,
        before: Text = None,
        after: Text = None,
        limit: Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX)] = 100,
    ) -> dict[str, Any]:
        if before is not None and after is not None:
            raise HTTPException(status_code=400, detail="before and after: a page has one cursor")
        wanted = Search(
            plate=plate, vehicle=vehicle, terminal=terminal, carrier=carrier, un=un, rules=tuple(rule or ()),
            grades=tuple(grade or ()), esn=esn, state=shown, kind=kind, since_ns=since_ns, until_ns=until_ns,
            lasted=lasted, from_m=from_m, to_m=to_m, lane=lane, zone=zone, is_false=is_false,
            handling=handling, before=_cursor("before", before), after=_cursor("after", after), limit=limit,
        )  # fmt: skip
        found: dict[str, Any] = await read(reader.search, wanted)
        return found

    @get("/api/grades")
    async def graded(
        from_ns: Annotated[int, QueryParameter(ge=0, le=STAMP_NS_MAX)],
        to_ns: Annotated[int, QueryParameter(ge=0, le=STAMP_NS_MAX)],
        before: Text = None,
    ) -> dict[str, Any]:
        if not from_ns <= to_ns <= from_ns + RANGE_NS_MAX:
            raise HTTPException(
                status_code=400,
                detail=f"to_ns: from from_ns to {RANGE_NS_MAX // DAY_NS} days later, not {to_ns}",
            )
        found: dict[str, Any] = await read(reader.read, grades, from_ns, to_ns, _cursor("before", before))
        return found

    return [search, graded, *_pages(centre)]


def _pages(centre: Centre) -> list[ControllerRouterHandler]:
    """Return the handlers of the pages of vehicles and carriers, and of the UN table."""
    read, reader = centre.database.read, centre.database.reader

    @get("/api/vehicles", sync_to_thread=False)
    def vehicles(
        name: Text = None,
        carrier: Text = None,
        un: Text = None,
        after: Text = None,
        limit: Annotated[int, QueryParameter(ge=1, le=PAGE_ROWS_MAX)] = 100,
    ) -> dict[str, Any]:
        found: dict[str, Any] = json_safe(centre.directory.page(Asked(name, carrier, un, after, limit)))
        return found

    @get("/api/vehicles/{name:str}")
    async def vehicle(name: FromPath[str]) -> dict[str, Any]:
        known = centre.directory.vehicle(name, centre.now_ns())
        terminal = name if known["registered"] is None else known["registered"]["terminal"]
        plate = None if known["registered"] is None else known["registered"]["plate"]
        counts = await read(reader.read, by_rule, Search(vehicle=plate or name))
        journeys = await read(
            reader.journeys,
            JourneyFilter(state="all", terminal=terminal, limit=JOURNEYS),
            centre.overview.offline(),
        )
        found: dict[str, Any] = json_safe(known | {"name": name, "counts": counts})
        return found | {"journeys": journeys["items"]}

    @get("/api/carriers/{name:str}")
    async def carrier(name: FromPath[str]) -> dict[str, Any]:
        wanted = Search(carrier_is=name)
        found: dict[str, Any] = json_safe(
            {
                "name": name,
                "vehicles": centre.directory.carrier(name)[:VEHICLES_MAX],
                "counts": await read(reader.read, by_rule, wanted),
                "plates": await read(reader.read, by_plate, wanted),
            }
        )
        return found

    @get("/api/un", sync_to_thread=False)
    def un_table() -> dict[str, Any]:
        return {"source": SOURCE, "items": list(table().values())}

    return [vehicles, vehicle, carrier, un_table]


def _cursor(name: str, text: str | None) -> Cursor | None:
    try:
        return None if text is None else cursor_of(text)
    except ValueError as error:
        raise HTTPException(status_code=400, detail=f"{name}: {error}") from error
