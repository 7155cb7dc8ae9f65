"""Who may use each route of the centre, written down beside the code: a route that is not here fails a test.

`needs` is a right of `centre.accounts.rights`, "own" for whoever has signed in, or "public". `path` is one
that the route answers; an act's body is empty, so that a request that passes changes nothing.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """One route: its method (WS: a WebSocket), as the app has it, and what it needs."""

    method: str
    route: str
    needs: str
    path: str | None = None  # None: the route itself


ROWS = (
    Row("GET", "/", "public"),
    Row("GET", "/{path:path}", "public", "/icon.svg"),
    Row("GET", "/healthz", "public"),
    Row("GET", "/readyz", "public"),
    Row("GET", "/metrics", "public"),
    Row("POST", "/api/sign-in", "public"),
    Row("POST", "/api/sign-out", "own"),
    Row("GET", "/api/me", "own"),
    Row("POST", "/api/me/password", "own"),
    Row("GET", "/api/users", "accounts"),
    Row("POST", "/api/users", "accounts"),
    Row("PATCH", "/api/users/{name:str}", "accounts", "/api/users/nobody"),
    Row("GET", "/api/audit", "audit"),
    Row("GET", "/api/audit/export", "audit"),
    Row("GET", "/api/desk/others", "look"),
    Row("GET", "/api/audit/check", "audit"),
    Row("POST", "/api/audit/check", "audit"),
    Row("GET", "/api/violations", "look"),
    Row("GET", "/api/violations/{violation_id:str}", "look", "/api/violations/x"),
    Row("GET", "/api/journeys", "look"),
    Row("GET", "/api/quarantine", "look"),
    Row("GET", "/api/summary", "look"),
    Row("GET", "/api/site", "look"),
    Row("GET", "/api/map", "look"),
    Row("GET", "/api/rsus", "look"),
    Row("GET", "/api/counts", "look"),
    Row("GET", "/api/openapi.json", "look"),
    Row("GET", "/api/docs", "look"),
    Row("GET", "/api/docs.css", "look"),
    Row("GET", "/api/handling", "look"),
    Row("GET", "/api/alarms/{alarm_id:str}/acts", "look", "/api/alarms/x/acts"),
    Row("POST", "/api/alarms/{alarm_id:str}/acts", "handle", "/api/alarms/x/acts"),
    Row("GET", "/api/desk", "look"),
    Row("GET", "/api/desk/false", "look"),
    Row("GET", "/api/desk/groups", "look"),
    Row("GET", "/api/losses", "look"),
    Row("GET", "/api/shelves", "look"),
    Row("POST", "/api/shelves", "shelve"),
    Row("DELETE", "/api/shelves/{n:int}", "shelve", "/api/shelves/9"),
    Row("GET", "/api/shift", "look"),
    Row("POST", "/api/shift", "handle"),
    Row("GET", "/api/shift/sheet", "look", "/api/shift/sheet?since_ns=0"),
    Row("GET", "/api/away", "look", "/api/away?since_ns=0"),
    Row("GET", "/api/exercise", "look"),
    Row("GET", "/api/exercise/{alarm_id:str}", "look"),
    Row("POST", "/api/exercise", "exercise"),
    Row("DELETE", "/api/exercise", "exercise"),
    Row("GET", "/api/search", "look"),
    Row("GET", "/api/grades", "look"),
    Row("GET", "/api/vehicles", "look"),
    Row("GET", "/api/vehicles/{name:str}", "look", "/api/vehicles/x"),
    Row("GET", "/api/carriers/{name:str}", "look", "/api/carriers/x"),
    Row("GET", "/api/un", "look"),
    Row("GET", "/api/rsus/{esn:str}/history", "look", "/api/rsus/RSU001/history"),
    Row("GET", "/api/statistics", "look"),
    Row("GET", "/api/reports/daily", "look"),
    Row("GET", "/api/history", "look"),
    Row("GET", "/api/history/bounds", "look"),
    Row("GET", "/api/history/vehicle/{terminal:str}", "look", "/api/history/vehicle/x"),
    Row("GET", "/api/violations/{violation_id:str}/clip", "look", "/api/violations/x/clip"),
    Row("GET", "/api/violations/{violation_id:str}/evidence", "look", "/api/violations/x/evidence"),
    Row("POST", "/api/violations/{violation_id:str}/evidence", "evidence", "/api/violations/x/evidence"),
    Row("GET", "/api/evidence/{job:str}", "look", "/api/evidence/x"),
    Row("GET", "/api/evidence/{job:str}/file", "evidence", "/api/evidence/x/file"),
    Row("GET", "/api/violations/{violation_id:str}/warnings", "look", "/api/violations/x/warnings"),
    Row("POST", "/api/violations/{violation_id:str}/warn", "warn", "/api/violations/x/warn"),
    Row("GET", "/api/outreach", "look"),
    Row("GET", "/api/events", "look"),
    Row("WS", "/api/stream", "look"),
    Row("WS", "/api/tracks", "look"),
)
