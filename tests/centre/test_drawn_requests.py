"""Requests that nobody thought of, as each role and as nobody: all are answered as the description says."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
import websockets.asyncio.client as ws

from tests.centre.test_roles import page
from tests.support.centre_samples import episode_id, violation
from tests.support.route_rights import ROWS, Row
from tests.support.serving_centre import Running, running
from tests.support.signed_in import NAMES, Browser, add_accounts, sign_in

pytestmark = pytest.mark.anyio
STREAMS = ("/api/events", "/api/stream", "/api/tracks")
# they end the sessions that are drawn from
ENDING = ("/api/sign-out", "/api/me/password", "/api/users", "/api/users/{name:str}")
TEXTS = (
    "", "x", "a\0b", "\u202e", "\ud7ff", "辽L·A0001", "😀" * 9, "a" * 5_000, "null", "-1", "0", "1", "9" * 30,
    "1e308", "NaN", "Infinity", "-0", "1.5", "0x10", "true", "[]", "../..", "%zz", "'; DROP TABLE episode;--",
    "2026-02-30", "0000-01-01", "9999-12-31", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "253402300800000000000", "١٢٣", "1_000", "open", "csv", "violation",
    "lane_departure", episode_id(1), "RSU001", "loss-1", "loss-99999999999999999999", "exercise-1", "ada",
    "13900000001", "1790000000000000000." + episode_id(1), "~", '"', "\ufeff", "a/b", "*", 'W/"', "bytes=0-",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**53, 2**63 - 1, 2**63, 10**30, 1.5, -0.0, 1e308, [], {}, [[]], {"a": 1}, *TEXTS,
)  # fmt: skip
KEYS = (
    "act", "version", "reason", "text", "to", "plate", "whole_case", "name", "password", "desk", "until_ns",
    "terminal", "esn", "rule", "from_m", "to_m", "script", "other",
)  # fmt: skip
ACTS = ("acknowledge", "handle", "close", "reopen", "note", "assign", "correct", "end", "begin", "hand_over")
RAW = (
    b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"act":"note","act":"close"}', b'{"act":NaN}',
    b'{"text":"\\ud800"}', b'{"version":1e999}', b'{"version":' + b"9" * 5_000 + b"}",
)  # fmt: skip
HEADERS = (
    "if-none-match",
    "accept-encoding",
    "accept",
    "x-csrf",
    "x-desk",
    "origin",
    "content-type",
    "range",
)
FRAMES = (
    "", "\0", "{", "[]", "null", '{"view": 1}', '{"view": [[1e400, 2]]}', '{"view": [[NaN, 1]]}', "a" * 9_999,
    '{"view": ' + "[" * 50_000, '{"shown": [' + "9" * 500 + "]}", '{"view": [[1, 0]]}', b"\xff" * 100,
)  # fmt: skip


class Draw:
    """Draws that a seed decides."""

    def __init__(self, seed: int) -> None:
        self._chance = np.random.Generator(np.random.Philox(seed))

    def random(self) -> float:
        return float(self._chance.random())

    def randrange(self, n: int) -> int:
        return int(self._chance.integers(n))

    def choice(self, of: Sequence[Any]) -> Any:
        return of[self.randrange(len(of))]

    def sample(self, of: Sequence[Any], n: int) -> list[Any]:
        return [of[i] for i in self._chance.permutation(len(of))[:n]]


def _body(draw: Draw) -> bytes:
    if draw.random() < 0.1:
        return draw.choice(RAW)
    made = {key: draw.choice(VALUES) for key in draw.sample(KEYS, draw.randrange(5))}
    if draw.random() < 0.7:
        made["act"] = draw.choice(ACTS)
    return json.dumps(made).encode()


def _request(draw: Draw, row: Row, names: list[str], browser: Browser | None) -> httpx.Request:
    """Return a request of a browser, or of nobody, at a route whose query has these parameters."""
    path = re.sub(r"\{[^}]*\}", lambda _: quote(draw.choice(TEXTS), safe="") or "x", row.route)
    query = [
        f"{quote(draw.choice(names or ['x']))}={quote(draw.choice(TEXTS)) if draw.random() < 0.9 else '%FF'}"
        for _ in range(draw.randrange(4))
    ]
    headers = {"content-type": b"application/json"}
    if browser is not None:
        headers |= {"cookie": browser.cookie.encode(), "x-csrf": browser.me["csrf"].encode()}
    for name in draw.sample(HEADERS, draw.randrange(3)):
        headers[name] = draw.choice(TEXTS).replace("\0", "").encode()[:2_000]
    body = _body(draw) if row.method in ("POST", "PATCH", "DELETE") else None
    url = path + ("?" + "&".join(query) if query else "")
    return httpx.Request(row.method, f"http://127.0.0.1{url}", headers=headers, content=body)


def _is_as_described(row: Row, answer: httpx.Response, declared: set[str]) -> bool:
    """Say whether an answer is one of its route's, or a problem that blames the request."""
    status = answer.status_code
    if (status, row.route) == (503, "/readyz"):  # there is no broker
        return True
    if status < 400:
        return str(status) in declared or (status, row.route) in (
            (200, "/"),
            (200, "/{path:path}"),
            (304, row.route),
        )
    return status < 500 and answer.headers["content-type"] == "application/problem+json"


async def _people(centre: Running) -> list[Browser]:
    """Sign all accounts in."""
    add_accounts(centre.app.database.engine)
    await centre.app.access.start()
    return [await sign_in(centre.port, name) for name in NAMES]


@pytest.mark.parametrize(("seed", "n_requests"), [(1, 150), pytest.param(2, 3_000, marks=pytest.mark.long)])
async def test_what_nobody_thought_of_is_answered_as_described(
    tmp_path: Path, seed: int, n_requests: int
) -> None:
    draw = Draw(seed)
    page(tmp_path)
    async with running(tmp_path) as centre:
        for n in range(1, 6):
            centre.send(n, violation(n))
        await centre.until_sent(5)
        people = await _people(centre)
        described = (await people[0].http.get("/api/openapi.json")).json()["paths"]
        rows = [row for row in ROWS if row.method != "WS" and row.route not in (*STREAMS, *ENDING)]
        wrong = []
        for _ in range(n_requests):
            row, browser = draw.choice(rows), draw.choice([None, *people])
            known = described.get(re.sub(r":\w+\}", "}", row.route), {}).get(row.method.lower(), {})
            names = [each["name"] for each in known.get("parameters", ()) if each["in"] == "query"]
            request = _request(draw, row, names, browser)
            request.url = request.url.copy_with(port=centre.port)
            request.headers["host"] = f"127.0.0.1:{centre.port}"
            answer = await centre.http.send(request)
            centre.http.cookies.clear()
            if not _is_as_described(row, answer, set(known.get("responses", ()))):
                wrong.append((row.method, str(request.url)[:200], request.content[:200], answer.status_code))
        assert wrong == []
        await _frames(centre, people[0])
        counts = (await people[0].http.get("/api/counts")).json()["centre"]
        assert {name: n for name, n in counts.items() if name.startswith("bug.")} == {}
        for each in people:
            await each.http.aclose()


async def _frames(centre: Running, browser: Browser | None) -> None:
    """Send frames that mean nothing: each connection lives on, and the centre serves."""
    assert browser is not None
    for path in ("/api/stream", "/api/tracks"):
        for frame in FRAMES:
            url = f"ws://127.0.0.1:{centre.port}{path}"
            async with ws.connect(url, additional_headers={"cookie": browser.cookie}) as socket:
                await socket.send(frame)
                async with asyncio.timeout(10.0):
                    await (await socket.ping())
    assert (await browser.http.get("/api/summary")).status_code == 200
