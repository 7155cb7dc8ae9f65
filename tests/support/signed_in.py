"""A centre with accounts that serves over real sockets, and browsers' sessions in it; no test itself."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import httpx

from centre.access import account_rows
from centre.access.account_rows import By
from centre.accounts import passwords
from centre.accounts.actor import Actor, Role
from centre.store import exclusive

PASSWORD = "correct horse battery"
DIGEST = passwords.digest(PASSWORD)
NAMES: dict[str, Role] = {
    "ada": "administrator", "sun": "supervisor", "ola": "operator", "vera": "viewer", "aud": "auditor",
}  # fmt: skip
CONSOLE = Actor("console", "administrator")


class Browser(NamedTuple):
    """One browser that has signed in."""

    http: httpx.AsyncClient
    me: dict[str, Any]

    @property
    def cookie(self) -> str:
        ((name, value),) = self.http.cookies.items()
        return f"{name}={value}"

    async def act(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Send an act with the page's token."""
        headers = {"x-csrf": self.me["csrf"]}
        return await self.http.request(method, path, json=body or {}, headers=headers)


def add_accounts(engine: Any, names: Sequence[str] = tuple(NAMES), now_ns: int = 10**18) -> None:
    """Add accounts beside a running centre, as the command does."""
    with exclusive(engine) as db:
        for name in names:
            by = By(CONSOLE, now_ns)
            account_rows.add(db, by, name=name, display="", role=NAMES[name], digest=DIGEST)


async def sign_in(port: int, name: str, password: str = PASSWORD, **kept: Any) -> Browser:
    """Sign in with a new browser, which the caller closes."""
    http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30.0, verify=False, **kept)
    answer = await http.post("/api/sign-in", json={"name": name, "password": password, "desk": "席 2"})
    assert answer.status_code == 200, answer.text
    return Browser(http, answer.json())
