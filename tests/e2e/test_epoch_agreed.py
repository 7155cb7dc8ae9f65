"""A board that boots in 2020 with a new disk, and a cloned card, at the real centre on a real broker."""

import asyncio
import contextlib
import time

import httpx
import pytest

from edge import topics, wire
from edge.outbox import outbox as outbox_module
from petroroad.processes.ports import kept_port
from tests.e2e.test_centre_birth import put, serving_centre
from tests.support.centre_samples import status
from tests.support.centre_site import write_site
from tests.support.delivery import TEST_S, broker, rsu_end

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
ESN = "RSU20"
YEAR_2020_NS = 1_606_631_616 * 10**9


async def test_a_board_of_2020_is_agreed_with_and_a_cloned_card_is_named(tmp_path, monkeypatch):
    with kept_port() as page:
        async with broker(tmp_path) as port:
            http = f"127.0.0.1:{page}"
            site = write_site(tmp_path, broker=f"127.0.0.1:{port}", http=http)
            centre = await serving_centre(site, tmp_path, http)
            async with rsu_end(tmp_path / "before", port, esn=ESN) as rsu, beating(rsu):
                put(rsu, 1)
                await rsu.until_delivered()
                await until_row(http, lambda row: row["stored"] == 1)  # a heartbeat has counted it
                before = rsu.outbox.epoch
            monkeypatch.setattr(outbox_module.time, "time_ns", lambda: YEAR_2020_NS)
            async with rsu_end(tmp_path / "new-disk", port, esn=ESN) as rsu:
                monkeypatch.undo()
                assert rsu.outbox.epoch == YEAR_2020_NS // 10**9
                async with beating(rsu):
                    async with asyncio.timeout(TEST_S):
                        while rsu.outbox.epoch <= before:
                            await asyncio.sleep(0.02)
                    put(rsu, 2)
                    await rsu.until_delivered()
                    row = await until_row(http, lambda row: row["epoch"] > before and row["stored"] == 2)
                    assert (row["state"], row["degraded"], row["missing"]) == ("online", [], 0)
                    assert rsu.counts["epoch.raised"] == 1
                    async with rsu_end(tmp_path / "clone", port, esn=ESN) as clone, beating(clone):
                        row = await until_row(http, lambda row: "twin" in row["degraded"])
                        assert row["twin_n"] >= 2
                        async with asyncio.timeout(3.0 * TEST_S):  # nats-server slows them down
                            while not (rsu.watch.degraded or clone.watch.degraded):
                                await asyncio.sleep(0.05)
            assert await centre.stop(10.0) == 0


@contextlib.asynccontextmanager
async def beating(rsu):
    """Report as an RSU does, more often than it: a birth with each connection, and heartbeats."""

    async def beat():
        while True:
            word = status(
                epoch=rsu.outbox.epoch, connection=rsu.link.connection, last_seq=rsu.outbox.last_seq
            )
            rsu.link.publish(topics.status(ESN), wire.encode(word), retain=True)
            await asyncio.sleep(0.3)  # the centre reads four a second

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def until_row(http, wanted) -> dict:
    """Return the RSU's row of the page once it is as wanted."""
    async with httpx.AsyncClient(base_url=f"http://{http}", timeout=30.0, verify=False) as client:
        last_s = time.monotonic() + TEST_S
        while True:
            rows = (await client.get("/api/rsus")).json()["rsus"]
            row = next(row for row in rows if row["esn"] == ESN)
            if wanted(row):
                return row
            assert time.monotonic() < last_s, str(row)
            await asyncio.sleep(0.1)
