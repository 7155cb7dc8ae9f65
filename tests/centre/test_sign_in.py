"""Signing in and what ends it, over real sockets: cookies, tokens, waits, streams, other processes."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
import websockets.asyncio.client as ws
from websockets.exceptions import ConnectionClosed

from centre.access import account_rows, hasher, service
from centre.access.account_rows import By
from centre.accounts.tables import ATTEMPT, SESSION
from centre.audit.log import check, head
from centre.audit.tables import AUDIT
from centre.storage import mend
from centre.store import exclusive, open_database
from edge import log
from tests.support.serving_centre import Running, running
from tests.support.signed_in import CONSOLE, PASSWORD, Browser, add_accounts, sign_in

pytestmark = pytest.mark.anyio
WRONG = "not the password"


@contextlib.asynccontextmanager
async def with_accounts(folder: Path, *names: str) -> AsyncIterator[Running]:
    async with running(folder) as centre:
        add_accounts(centre.app.database.engine, names or ("ada", "ola"))
        await centre.app.access.start()
        yield centre


async def tried(centre: Running, name: str, password: str) -> httpx.Response:
    body = {"name": name, "password": password}
    return await centre.http.post("/api/sign-in", json=body, timeout=60.0)


async def test_a_session_is_a_cookie_that_no_script_and_no_other_site_gets(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        answer = await tried(centre, " Ola ", PASSWORD)
        flags = answer.headers["set-cookie"]
        name, _, rest = flags.partition("=")
        token = rest.partition(";")[0]
        assert name == "petroroad-centre"
        assert {"HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in flags.split(";")}
        assert "Domain" not in flags
        assert "expires" not in flags.lower()
        assert "max-age" not in flags.lower()
        assert len(token) >= 43, "256 bits"
        with centre.app.database.engine.begin() as db:
            stored = b"".join(bytes(str(row), "utf-8") for row in db.execute(sa.select(SESSION)))
        assert token.encode() not in stored, "only its digest is stored"
        assert answer.headers["cache-control"] == "no-store"
        me = answer.json()
        assert (me["name"], me["role"], me["accounts"], me["demo"]) == ("ola", "operator", True, False)
        assert me == (await centre.get("/api/me"))


async def test_why_a_sign_in_failed_is_not_said(tmp_path: Path) -> None:
    """A wrong password, an unknown name and a disabled account get one answer, in about one time."""
    async with with_accounts(tmp_path, "ada", "ola", "vera") as centre:
        await centre.app.access.change(CONSOLE, "vera", disabled=True)
        await tried(centre, "ada", WRONG)
        answers, cpu_s = [], []
        for name, password in (("ola", WRONG), ("nobody", PASSWORD), ("vera", PASSWORD), ("\x00", WRONG)):
            begun_s = time.process_time()
            answers.append(await tried(centre, name, password))
            cpu_s.append(time.process_time() - begun_s)
        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.text for answer in answers}) == 1
        assert "set-cookie" not in answers[0].headers
        assert max(cpu_s) < 4 * min(cpu_s), cpu_s


async def test_a_session_is_new_with_each_sign_in(tmp_path: Path) -> None:
    """A token that was planted in the browser, or an earlier one, is worth nothing afterwards."""
    async with with_accounts(tmp_path) as centre:
        centre.http.cookies.set("petroroad-centre", "planted", domain="127.0.0.1", path="/")
        assert (await centre.http.get("/api/me")).status_code == 401
        centre.http.cookies.clear()
        first = await sign_in(centre.port, "ola")
        old = first.cookie
        answer = await first.http.post("/api/sign-in", json={"name": "ola", "password": PASSWORD})
        assert answer.status_code == 200
        assert first.cookie != old
        assert (await first.http.get("/api/me")).status_code == 200
        assert (await centre.http.get("/api/me", headers={"cookie": old})).status_code == 401
        planted = {"cookie": "petroroad-centre=planted; " + first.cookie}
        assert (await centre.http.get("/api/me", headers=planted)).status_code == 401
        await first.http.aclose()


async def test_an_act_needs_the_pages_token_and_its_origin(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        ada, ola = await sign_in(centre.port, "ada"), await sign_in(centre.port, "ola")
        body = {"name": "new", "role": "viewer", "password": PASSWORD}
        for headers in (
            {}, {"x-csrf": ""}, {"x-csrf": "x" * 32}, {"x-csrf": ola.me["csrf"]}, {"x-csrf": "é".encode()},
            {"x-csrf": ada.me["csrf"], "origin": "http://evil.example"},
            {"x-csrf": ada.me["csrf"], "origin": "http://127.0.0.1:1"},
        ):  # fmt: skip
            answer = await ada.http.post("/api/users", json=body, headers=headers)
            assert answer.status_code == 403, headers
        forged = await ada.http.post("/api/sign-in", json=body, headers={"origin": "http://evil.example"})
        assert forged.status_code == 403, "nobody is signed in as another by another's page"
        own = {"origin": f"http://127.0.0.1:{centre.port}", "x-csrf": ada.me["csrf"]}
        assert (await ada.http.post("/api/users", json=body, headers=own)).status_code == 201
        for each in (ada, ola):
            await each.http.aclose()


async def test_after_failures_a_sign_in_waits_also_with_the_right_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_accounts(tmp_path) as centre:
        for _ in range(5):
            assert (await tried(centre, "ola", WRONG)).status_code == 401
        answer = await tried(centre, "ola", PASSWORD)
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert answer.json()["reason"] == "wait"
        assert (await tried(centre, "ada", PASSWORD)).status_code == 200, "another person of this address"
        now_ns = centre.app.access.facts.now_ns
        monkeypatch.setattr(centre.app.access.facts, "now_ns", lambda: now_ns() + 2 * 10**9)
        assert (await tried(centre, "ola", PASSWORD)).status_code == 200
        with centre.app.database.engine.begin() as db:
            refusals = db.scalars(sa.select(AUDIT.c.subject).where(AUDIT.c.act == "sign_in_refused")).all()
        assert refusals == ["ola"] * 5
        assert centre.app.access.counts["sign_in.refused"] == 5


async def test_tries_at_once_count_each(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        answers = await asyncio.gather(*(tried(centre, "ola", WRONG) for _ in range(12)))
        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7


async def test_many_at_once_are_refused_before_they_cost_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_accounts(tmp_path) as centre:
        monkeypatch.setattr(hasher, "WAITING_MAX", 2)
        answers = await asyncio.gather(*(tried(centre, f"n{i}", WRONG) for i in range(30)))
        assert {answer.status_code for answer in answers} <= {401, 429, 503}
        assert sum(answer.status_code == 503 for answer in answers) >= 10
        with centre.app.database.engine.begin() as db:
            at = db.execute(sa.select(ATTEMPT.c.n).where(ATTEMPT.c.key == "a:127.0.0.1")).scalar()
        n_checked = sum(answer.status_code == 401 for answer in answers)
        assert at == n_checked, "what was refused was not begun"
        assert centre.app.access.counts["sign_in.busy"] >= 10


async def test_an_ended_session_ends_its_streams_within_a_second(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre, contextlib.AsyncExitStack() as opened:
        ola, ada = await sign_in(centre.port, "ola"), await sign_in(centre.port, "ada")
        streams = [
            await opened.enter_async_context(
                ws.connect(
                    f"ws://127.0.0.1:{centre.port}/api/{name}", additional_headers={"cookie": each.cookie}
                )
            )
            for each in (ola, ada)
            for name in ("stream", "tracks")
        ]
        events = await opened.enter_async_context(ola.http.stream("GET", "/api/events", timeout=10.0))

        async def end_of_events() -> float:
            async for _ in events.aiter_bytes():
                pass
            return time.monotonic()

        ended = [
            asyncio.create_task(end_of_events()),
            *(asyncio.create_task(_closed(s)) for s in streams[:2]),
        ]
        begun_s = time.monotonic()
        with exclusive(centre.app.database.engine) as db:  # as another process does
            account_rows.change(db, By(CONSOLE, 10**18), "ola", disabled=True)
        took_s = [at - begun_s for at in await asyncio.gather(*ended)]
        assert max(took_s) < 2.0, took_s  # a second, on a busy machine
        assert streams[0].close_code == 1008
        assert streams[0].close_reason == "the session has ended"
        assert streams[2].close_code is None, "another one's goes on"
        assert (await ola.http.get("/api/me")).status_code == 401
        assert (await ada.http.get("/api/me")).status_code == 200
        for each in (ola, ada):
            await each.http.aclose()


async def _closed(stream: ws.ClientConnection) -> float:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await stream.recv()
    return time.monotonic()


async def test_one_changes_the_own_password_and_other_sessions_end(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        ola, elsewhere = await sign_in(centre.port, "ola"), await sign_in(centre.port, "ola")
        new = "another long password"
        for body, status in (
            ({"old": WRONG, "new": new}, 403), ({"old": PASSWORD, "new": "short"}, 400),
            ({"old": PASSWORD, "new": new}, 200),
        ):  # fmt: skip
            answer = await ola.act("POST", "/api/me/password", body)
            assert answer.status_code == status, answer.text
        assert (await ola.http.get("/api/me")).json() == answer.json()
        assert (await elsewhere.http.get("/api/me")).status_code == 401
        assert (await tried(centre, "ola", PASSWORD)).status_code == 401
        assert (await tried(centre, "ola", new)).status_code == 200
        for each in (ola, elsewhere):
            await each.http.aclose()


async def test_a_password_changed_after_typing_errors_begins_its_session(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        ola, new = await sign_in(centre.port, "ola"), "another long password"
        for _ in range(4):
            assert (await tried(centre, "ola", WRONG)).status_code == 401
        answer = await ola.act("POST", "/api/me/password", {"old": PASSWORD, "new": new})
        assert answer.status_code == 200, answer.text
        assert (await ola.http.get("/api/me")).status_code == 200
        await ola.http.aclose()


async def test_what_can_be_no_name_is_counted_under_none(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        for name in ("\x00", "İ" * 64):
            assert (await tried(centre, name, WRONG)).status_code == 401
        with centre.app.database.engine.begin() as db:
            assert set(db.scalars(sa.select(ATTEMPT.c.key)).all()) == {"n:", "a:127.0.0.1"}


async def test_a_session_ends_without_use_and_after_its_longest_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with with_accounts(tmp_path) as centre:
        facts = centre.app.access.facts
        real = facts.now_ns
        ola, ada = await sign_in(centre.port, "ola"), await sign_in(centre.port, "ada")

        async def at(hours: float, browser: Browser) -> int:
            monkeypatch.setattr(facts, "now_ns", lambda: real() + int(hours * 3_600e9))
            return (await browser.http.get("/api/me")).status_code

        assert await at(0.9, ola) == 200
        assert await at(1.8, ola) == 200
        assert await at(1.8, ada) == 401, "unused for more than an hour"
        async with ws.connect(
            f"ws://127.0.0.1:{centre.port}/api/tracks", additional_headers={"cookie": ola.cookie}
        ):
            for hours in (2.7, 3.6, 4.5, 12.5):  # an open page is in use
                monkeypatch.setattr(facts, "now_ns", lambda hours=hours: real() + int(hours * 3_600e9))
                await centre.app.access._end_what_is_over()
            assert await at(12.9, ola) == 200
        assert await at(13.1, ola) == 401, "a shift is over"
        for each in (ola, ada):
            await each.http.aclose()


async def test_a_session_outlives_the_centre_and_accounts_made_elsewhere_are_seen(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        ola = await sign_in(centre.port, "ola")
        cookie = ola.cookie
        await ola.http.aclose()
    async with running(tmp_path) as centre:
        assert (await centre.http.get("/api/me", headers={"cookie": cookie})).status_code == 200
        with exclusive(centre.app.database.engine) as db:
            account_rows.change(db, By(CONSOLE, 10**18), "ola", role="viewer")
        async with asyncio.timeout(30.0):
            while (await centre.http.get("/api/me", headers={"cookie": cookie})).status_code != 401:
                await asyncio.sleep(0.05)


async def test_the_first_account_closes_what_was_open_to_whoever_sat_here(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        async with ws.connect(f"ws://127.0.0.1:{centre.port}/api/stream") as stream:
            body = {"name": "ola", "role": "operator", "password": PASSWORD}
            answer = await centre.http.post("/api/users", json=body)
            assert answer.status_code == 409, "the first one must be an administrator"
            answer = await centre.http.post("/api/users", json=body | {"role": "administrator"})
            assert answer.status_code == 201
            await asyncio.wait_for(_closed(stream), 5.0)
            assert stream.close_code == 1008
        assert (await centre.http.get("/api/summary")).status_code == 401


async def test_beyond_this_machine_nobody_passes_without_accounts(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.app.access.facts.is_local = False
        assert (await centre.http.get("/api/summary")).status_code == 401


NO_SIGN_INS: list[object] = [
    {}, {"name": "ola"}, {"name": "ola", "password": 1}, {"name": "x" * 65, "password": WRONG},
    {"name": "ola", "password": "x" * 513}, {"name": "ola", "password": WRONG, "more": 1},
    {"name": "ola", "password": WRONG, "desk": "a\nb"}, [], None,
]  # fmt: skip


async def test_a_body_that_is_no_sign_in_is_refused_without_its_words(tmp_path: Path) -> None:
    async with with_accounts(tmp_path) as centre:
        for body in NO_SIGN_INS:
            answer = await centre.http.post("/api/sign-in", json=body)
            assert answer.status_code == 400, body
            assert WRONG not in answer.text


async def test_secrets_are_in_no_log_and_no_row(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "WRITE_S", 0.0)
    async with with_accounts(tmp_path) as centre:
        ada = await sign_in(centre.port, "ada")
        token = ada.cookie.partition("=")[2]
        new = "another long password"
        await tried(centre, WRONG, WRONG)  # typed into the wrong field
        await ada.act("POST", "/api/users", {"name": "new", "role": "viewer", "password": new})
        await ada.act("PATCH", "/api/users/new", {"password": PASSWORD})
        await ada.act("PATCH", "/api/users/new", {"role": "king", "password": new})
        await centre.http.get("/api/me", headers={"cookie": "petroroad-centre=" + "x" * 200})
        await ada.http.aclose()
        await asyncio.sleep(1.2)
        engine = centre.app.database.engine
        with engine.begin() as db:
            rows = [dict(row) for row in db.execute(sa.select(AUDIT)).mappings()]
    said = capfd.readouterr()
    kept = "\n".join(path.read_bytes().decode("latin-1") for path in tmp_path.glob("centre.sqlite*"))
    for secret in (PASSWORD, new, token):
        assert secret not in said.out + said.err
        assert secret not in kept
    assert WRONG not in json.dumps([row["body"].decode() for row in rows]) + said.err


async def test_a_command_and_the_centre_write_one_file_at_once(tmp_path: Path) -> None:
    """`petroroad centre user` on a live database: no transaction of the centre is lost to it."""
    script = (
        "import sys, time\n"
        "from centre.store import open_database, exclusive\n"
        "from centre.access import account_rows\n"
        "from tests.support.signed_in import CONSOLE\n"
        "engine = open_database(sys.argv[1])\n"
        "for i in range(15):\n"
        "    with exclusive(engine) as db:\n"
        "        by = account_rows.By(CONSOLE, 10**18 + i)\n"
        "        account_rows.change(db, by, 'ola', display=f'Ola {i}')\n"
        "    time.sleep(0.001)\n"
    )
    async with with_accounts(tmp_path) as centre:
        url = f"sqlite:///{tmp_path / 'centre.sqlite'}"
        command = subprocess.Popen([sys.executable, "-c", script, url])
        n = 0
        while command.poll() is None:
            await centre.app.access.change(CONSOLE, "ada", display=f"Ada {n}")
            n += 1
            await asyncio.sleep(0.002)
        assert command.returncode == 0
        assert n > 3
        assert centre.app.writer.counts["commit.failed"] == 0
        with centre.app.database.engine.begin() as db:
            assert check(db) is None
            changes = sa.select(sa.func.count()).where(AUDIT.c.subject.in_(("ada", "ola")))
            assert db.scalar(changes) == 2 + 15 + n


async def test_the_demos_user_is_labelled(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.app.access.facts.is_demo = True
        me = await centre.get("/api/me")
        assert (me["name"], me["role"], me["demo"]) == ("demo", "administrator", True)


def test_a_mended_database_keeps_accounts_and_acts(tmp_path: Path) -> None:
    path = tmp_path / "centre.sqlite"
    engine = open_database(f"sqlite:///{path}")
    add_accounts(engine, ["ada", "ola"])
    engine.dispose()
    mend(path, "for the test", log.setup(part="test"), 10**18)
    engine = open_database(f"sqlite:///{path}")
    with engine.begin() as db:
        assert [each.name for each in account_rows.accounts(db)] == ["ada", "ola"]
        assert check(db) is None
        assert head(db)[0] == 2
    engine.dispose()
