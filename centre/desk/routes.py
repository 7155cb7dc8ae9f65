"""The desk's routes of API.md."""

from collections.abc import Awaitable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import sqlalchemy as sa
from litestar import Request, delete, get, post
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.types import ControllerRouterHandler

from centre.accounts.actor import actor_of
from centre.changes import Change
from centre.desk import exercise, figures, health, loss_rows, people, rows, shelving, shifts
from centre.desk.acts import Wanted
from centre.desk.desk import Desk, seconds_by_priority
from centre.desk.faults import RefusedError
from centre.desk.film import Ground, ground_of
from centre.desk.radars import Radars
from centre.desk.reasons import reasons
from centre.desk.shelving import WantedShelf
from centre.desk.shifts import WantedShift

Handlers = list[ControllerRouterHandler]
AnyRequest = Request[Any, Any, Any]
FLOOD = {"n": health.FLOOD_N, "minutes": health.WINDOW_NS // health.MINUTE_NS}
SHIFT_NS = 8 * 3_600 * 10**9
Before = Annotated[int | None, QueryParameter(ge=0, le=2**53)]
STAMP_MAX = 2**63 - 1  # of a column
Since = Annotated[str | None, QueryParameter(pattern=r"^\d{1,19}$")]
Result = TypeVar("Result")


def handlers(desk: Desk, described: bytes) -> Handlers:
    """Return the handlers of the desk; `described`: the answer of `/api/site`."""
    site = msgspec.json.decode(described)

    @get("/api/handling")
    async def handling() -> dict[str, Any]:
        return await desk.ask(rows.worklist, desk.now_ns())

    @post("/api/alarms/{alarm_id:str}/acts", opt={"right": "handle"}, status_code=200)
    async def act(request: AnyRequest, alarm_id: FromPath[str], data: JSONBody[Wanted]) -> dict[str, Any]:
        return {"items": await answered(desk.act(alarm_id, data, actor_of(request.scope)))}

    @get("/api/alarms/{alarm_id:str}/acts")
    async def acts(alarm_id: FromPath[str], before: Before = None) -> dict[str, Any]:
        return await desk.ask(rows.acts_page, alarm_id, before)

    @get("/api/desk")
    async def description() -> dict[str, Any]:
        return {
            "reasons": [msgspec.to_builtins(each) for each in reasons().values()],
            "why": desk.policy.words,
            "deadlines_s": seconds_by_priority(desk.policy),
            "escalate_s": desk.policy.escalate_s,
            "users": await desk.ask(people.users),
            "flood": FLOOD,
        }

    return [
        handling,
        act,
        acts,
        description,
        *_view(desk),
        *_shelves(desk),
        *_shift(desk),
        *_health(desk, Radars(site)),
        *_exercise(desk, ground_of(site)),
    ]


def _view(desk: Desk) -> Handlers:
    """Return the handlers of the losses of view."""

    @get("/api/losses")
    async def losses(
        shown: Annotated[Literal["open", "all"], QueryParameter(name="state")] = "open",
        limit: Annotated[int, QueryParameter(ge=1, le=loss_rows.LISTED_MAX)] = 100,
        before: Before = None,
    ) -> dict[str, Any]:
        unwritten = desk.watching.unwritten() if before is None else []
        found, cursor = await desk.ask(loss_rows.losses_page, shown, limit, before)
        written = {each["id"] for each in found}  # a write can end between the two
        unwritten = [each for each in unwritten if each["id"] not in written]
        if shown == "open":
            unwritten = [each for each in unwritten if each["end_ns"] is None]
        return {"items": [*unwritten, *found], "next": cursor}

    return [losses]


def _shelves(desk: Desk) -> Handlers:
    """Return the handlers of the shelves."""

    @get("/api/shelves")
    async def listed(before: Before = None) -> dict[str, Any]:
        return await desk.ask(shelving.page, before)

    @post("/api/shelves", opt={"right": "shelve"}, status_code=201)
    async def add(request: AnyRequest, data: JSONBody[WantedShelf]) -> dict[str, Any]:
        actor = actor_of(request.scope)

        def work(db: sa.Connection, found: list[Change]) -> dict[str, Any]:
            return shelving.add_shelf(db, found, data, actor, desk.policy, desk.now_ns())

        return await answered(desk.write(work))

    @delete("/api/shelves/{n:int}", opt={"right": "shelve"}, status_code=200)
    async def remove(request: AnyRequest, n: FromPath[int]) -> dict[str, Any]:
        actor = actor_of(request.scope)
        if n > STAMP_MAX:
            raise HTTPException(f"no shelf {n}", status_code=404)

        def work(db: sa.Connection, found: list[Change]) -> dict[str, Any]:
            return shelving.remove_shelf(db, found, n, actor, desk.policy, desk.now_ns())

        return await answered(desk.write(work))

    return [listed, add, remove]


def _shift(desk: Desk) -> Handlers:
    """Return the handlers of shifts and absences."""

    @get("/api/shift")
    async def shift() -> dict[str, Any]:
        return await desk.ask(shifts.shift)

    @post("/api/shift", opt={"right": "handle"}, status_code=200)
    async def change(request: AnyRequest, data: JSONBody[WantedShift]) -> dict[str, Any]:
        actor = actor_of(request.scope)

        def work(db: sa.Connection, found: list[Change]) -> dict[str, Any]:
            return shifts.change_shift(db, found, data, actor, desk.now_ns())

        return await answered(desk.write(work))

    @get("/api/shift/sheet")
    async def sheet(since_ns: Since = None) -> dict[str, Any]:
        now_ns = desk.now_ns()
        return await desk.ask(shifts.sheet, since_of(since_ns, now_ns), now_ns)

    @get("/api/away")
    async def away(request: AnyRequest, since_ns: Since = None) -> dict[str, Any]:
        user, now_ns = actor_of(request.scope).name, desk.now_ns()
        since = None if since_ns is None else since_of(since_ns, now_ns)
        return await desk.ask(figures.away, since, user, now_ns)

    return [shift, change, sheet, away]


def _health(desk: Desk, radars: Radars) -> Handlers:
    """Return the handlers of the reports on alarms."""

    @get("/api/desk/false")
    async def false_alarms(days: Annotated[int, QueryParameter(ge=1, le=366)] = 7) -> dict[str, Any]:
        return await desk.ask(figures.false_report, days, desk.now_ns(), radars)

    @get("/api/desk/groups")
    async def groups() -> dict[str, Any]:
        return await desk.ask(figures.groups)

    return [false_alarms, groups]


def _exercise(desk: Desk, ground: Ground) -> Handlers:
    """Return the handlers of exercises."""

    @get("/api/exercise")
    async def described() -> dict[str, Any]:
        return await desk.ask(exercise.described, desk.policy.exercises, desk.now_ns())

    @get("/api/exercise/{alarm_id:str}")
    async def alarm(alarm_id: FromPath[str]) -> dict[str, Any]:
        found = await desk.ask(exercise.alarm, alarm_id, desk.now_ns())
        if found is None:
            raise HTTPException(f"no alarm {alarm_id!r} of an exercise", status_code=404)
        return found

    @post("/api/exercise", opt={"right": "exercise"}, status_code=201)
    async def begin(request: AnyRequest, data: JSONBody[exercise.WantedExercise]) -> dict[str, Any]:
        actor, script = actor_of(request.scope), desk.policy.exercises.get(data.script)
        if script is None:
            raise HTTPException(f"no script {data.script!r}", status_code=404)

        def work(db: sa.Connection, found: list[Change]) -> dict[str, Any]:
            return exercise.begin(db, found, script, actor, ground, desk.now_ns())

        return await answered(desk.write(work))

    @delete("/api/exercise", opt={"right": "exercise"}, status_code=200)
    async def end(request: AnyRequest) -> dict[str, Any]:
        actor = actor_of(request.scope)
        await desk.write(lambda db, found: exercise.end(db, found, actor, desk.now_ns()))
        return await desk.ask(exercise.described, desk.policy.exercises, desk.now_ns())

    return [described, alarm, begin, end]


def since_of(since_ns: str | None, now_ns: int) -> int:
    """Return the time of a query, the last eight hours where it names none."""
    return now_ns - SHIFT_NS if since_ns is None else min(int(since_ns), STAMP_MAX)


async def answered(work: Awaitable[Result]) -> Result:
    """Await what the desk does; what it refuses becomes an answer."""
    try:
        return await work
    except RefusedError as refused:
        raise answer_of(refused) from refused


def answer_of(refused: RefusedError) -> HTTPException:
    """Return the answer to a request that the desk refuses."""
    return HTTPException(refused.detail, status_code=refused.status, extra=refused.extra or None)
