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
    Row("HEAD", "/", "public"),
    Row("HEAD", "/{path:path}", "public", "/icon.svg"),
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
    Row("GET", "/api/audit/check", "audit"),
    Row("GET", "/api/violations", "look"),
    Row("GET", "/api/violations/{violation_id:str}", "look", "/api/violations/x"),
    Row("GET", "/api/journeys", "look"),
    Row("GET", "/api/quarantine", "look"),
    Row("GET", "/api/summary", "look"),
    Row("GET", "/api/site", "look"),
    Row("GET", "/api/map", "look"),
    Row("GET", "/api/rsus", "look"),
    Row("GET", "/api/counts", "look"),
    Row("GET", "/api/events", "look"),
    Row("WS", "/api/stream", "look"),
    Row("WS", "/api/tracks", "look"),
)
