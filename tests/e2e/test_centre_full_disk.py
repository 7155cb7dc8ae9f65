"""A centre that starts on a full disk serves what it holds, acknowledges nothing, and heals."""

import asyncio
import contextlib
import sqlite3
import sys
from pathlib import Path

import httpx
import pytest

from centre.refused_disk import FULL
from petroroad.processes.children import ChildSpec, start
from tests.e2e.test_centre import ROOT, STOP_S, TEST_S, stage
from tests.e2e.test_centre_storage import recording_rsu, until
from tests.support.centre_samples import episode_id
from tests.support.small_disk import small_disk

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


def _stored(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return [row[0] for row in db.execute("SELECT id FROM violation_version ORDER BY seq")]


async def test_started_on_a_full_disk_it_serves_and_heals(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        path = disk.folder / "centre.sqlite"
        async with stage(tmp_path / "site") as it, recording_rsu(it) as rsu:
            text = it.site.read_text(encoding="utf-8")
            it.site.write_text(text.replace(str(it.folder / "centre.sqlite"), str(path)), encoding="utf-8")
            centre = await it.centre()
            rsu.raise_(range(1, 21))
            await rsu.until_acked()
            assert await centre.stop(STOP_S) == 0  # a kill leaves `-shm`: with that SQLite needs no room
            filler = disk.fill()

            argv = (sys.executable, "-m", "petroroad", "centre", "--config", str(it.site))
            log = it.folder / "refused.log"
            centre = await start(ChildSpec(name="centre", argv=argv, log=log, env={"PYTHONPATH": str(ROOT)}))
            rsu.raise_(range(21, 41))
            await until(it, "/api/summary", total=20)
            async with httpx.AsyncClient(base_url=f"http://{it.http}", timeout=30.0, verify=False) as http:
                page = (await http.get("/api/violations")).json()
                assert len(page["items"]) == 20, "what was acknowledged is shown"
                ready = await http.get("/readyz")
                assert (ready.status_code, FULL in ready.text) == (503, True), ready.text
                summary = (await http.get("/api/summary")).json()
                assert FULL in summary["database"]["fault"]
            await asyncio.sleep(2.0)  # the RSU sends again meanwhile
            assert sorted(it.owed) == list(range(21, 41)), "nothing is acknowledged that is not stored"

            filler.unlink()
            disk.remount("size=24m")
            async with asyncio.timeout(TEST_S):
                await rsu.until_acked()
            assert _stored(path) == [episode_id(n) for n in range(1, 41)]
            await until(it, "/readyz", database="open")
            assert await centre.stop(STOP_S) == 0, "the same process all the time"
