"""Two centre processes on one broker, `acks = 2`: one dies for ever, the other has what it acknowledged."""

import asyncio
import contextlib
import signal
import sqlite3
import sys
import time
from pathlib import Path

import httpx
import pytest

from edge.outbox import destinations
from edge.outbox.destinations import ONE_CENTRE
from petroroad.processes.children import Child, ChildSpec, start, until_ready
from petroroad.processes.ports import kept_port
from tests.e2e.test_centre_birth import READY_S, ROOT, put
from tests.support.centre_samples import episode_id
from tests.support.centre_site import write_site
from tests.support.delivery import broker, rsu_end

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
# a main centre that dies for ever right after its first acknowledgement has left
DIES_AFTER_ACK = """
import asyncio, os, signal, sys
from centre.ingest import Ingest
acknowledge = Ingest._acknowledge
def once(self, ack):
    acknowledge(self, ack)
    asyncio.get_running_loop().call_later(0.3, os.kill, os.getpid(), signal.SIGKILL)
Ingest._acknowledge = once
from petroroad.__main__ import main
sys.exit(main(["centre", "--config", sys.argv[1]]))
"""


async def test_what_the_dead_one_had_acknowledged_the_other_has(tmp_path, monkeypatch):
    monkeypatch.setattr(destinations, "AWAY_S", 600.0)  # a centre's start may take long here
    with kept_port() as page, kept_port() as second:
        async with (
            broker(tmp_path) as port,
            rsu_end(tmp_path, port, esn="RSU20", wanted=("centre", "standby")) as rsu,
        ):
            main_http, other_http = f"127.0.0.1:{page}", f"127.0.0.1:{second}"
            site = write_site(tmp_path, broker=f"127.0.0.1:{port}", http=main_http)
            database = f"sqlite:///{tmp_path / 'standby.sqlite'}"
            text = site.read_text().replace("[gateway]", "acks = 2\n[gateway]")
            site.write_text(f'{text}[standby]\nhttp = "{other_http}"\ndatabase = "{database}"\n')
            main = await start(spec(tmp_path, "-c", DIES_AFTER_ACK, str(site)))
            await until_ready(main, main_http, READY_S)
            for n in (1, 2, 3):
                put(rsu, n)
            async with asyncio.timeout(READY_S):
                assert (await main.died()).status == -signal.SIGKILL
            held = stored(tmp_path / "centre.sqlite")
            assert held, "the main centre has committed and acknowledged some"
            assert any(one.acked_ns for one in rsu.watch.centres.seen(time.monotonic()))
            assert rsu.outbox.depth == 3, "one of two holds them: the RSU keeps them"
            other = await standby(site, tmp_path, other_http)
            await rsu.until_delivered()
            assert stored(tmp_path / "standby.sqlite") == [episode_id(n) for n in (1, 2, 3)]
            monkeypatch.setattr(destinations, "AWAY_S", 5.0)
            put(rsu, 4)
            await rsu.until_delivered()
            assert rsu.watch.degraded == (ONE_CENTRE,)
            seen = {one.centre: one.state for one in rsu.watch.centres.seen(time.monotonic())}
            assert seen == {"centre": "offline", "standby": "online"}
            assert await other.stop(10.0) == 0
    assert stored(tmp_path / "standby.sqlite") == [episode_id(n) for n in (1, 2, 3, 4)]


async def test_what_was_handled_at_the_dead_one_the_other_says(tmp_path):
    with kept_port() as page, kept_port() as second:
        async with broker(tmp_path) as port, rsu_end(tmp_path, port, esn="RSU20") as rsu:
            main_http, other_http = f"127.0.0.1:{page}", f"127.0.0.1:{second}"
            site = write_site(tmp_path, broker=f"127.0.0.1:{port}", http=main_http)
            database = f"sqlite:///{tmp_path / 'standby.sqlite'}"
            site.write_text(f'{site.read_text()}[standby]\nhttp = "{other_http}"\ndatabase = "{database}"\n')
            main, other = await asyncio.gather(
                start(spec(tmp_path, "-m", "petroroad", "centre", "--config", str(site))),
                standby(site, tmp_path, other_http),
            )
            await until_ready(main, main_http, READY_S)
            put(rsu, 1)
            path, alarm = f"/api/alarms/{episode_id(1)}/acts", None
            async with httpx.AsyncClient() as desk, asyncio.timeout(READY_S):
                while not (await desk.get(f"http://{main_http}/api/handling")).json()["items"]:
                    await asyncio.sleep(0.05)
                answer = await desk.post(f"http://{main_http}{path}", json={"act": "acknowledge"})
                assert answer.status_code == 200, answer.text
                while alarm is None:
                    said = (await desk.get(f"http://{other_http}/api/desk/others")).json()["items"]
                    alarm = next((each for one in said for each in one["alarms"]), None)
                    await asyncio.sleep(0.05)
                main.signal(signal.SIGKILL)
                await main.died()
                assert (await desk.get(f"http://{other_http}/api/desk/others")).json()["items"] == said
            assert (said[0]["centre"], alarm["id"], alarm["state"]) == (
                "centre",
                episode_id(1),
                "acknowledged",
            )
            assert await other.stop(10.0) == 0


def spec(folder: Path, *argv: str) -> ChildSpec:
    return ChildSpec(
        name="centre", argv=(sys.executable, *argv), log=folder / "centre.log", env={"PYTHONPATH": str(ROOT)}
    )


async def standby(site: Path, folder: Path, http: str) -> Child:
    child = await start(spec(folder, "-m", "petroroad", "centre", "--config", str(site), "--standby"))
    await until_ready(child, http, READY_S)
    return child


def stored(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT id FROM violation_version ORDER BY seq")]
