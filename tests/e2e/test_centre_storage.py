"""The database under a real centre: deleted, damaged, restored; nothing that was acknowledged is lost."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from centre.database_file import SUFFIXES, beside
from edge import topics, wire
from edge.clock import Clock
from tests.e2e.test_centre import ROOT, STOP_S, TEST_S, Stage, stage
from tests.support.centre_samples import episode_id, item, payload, status, violation

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]


class RecordingRsu:
    """An RSU that forgets what is acknowledged and has it in its recordings: it answers asks from there."""

    def __init__(self, it: Stage) -> None:
        self.it, self.recorded, self.n_answered = it, list[int](), 0

    def raise_(self, seqs: range) -> None:
        for seq in seqs:
            self.recorded.append(seq)
            self.it.owe(seq)

    async def run(self) -> None:
        """Beat, deliver what is owed and answer asks, until cancelled."""
        while True:
            beat = status(epoch=10, last_seq=len(self.recorded), stamp_ns=Clock.wall().now_ns())
            self.it.link.publish(topics.status("RSU20"), wire.encode(beat))
            for ask in self.it.asks[self.n_answered :]:
                for seq in ask.seqs or self.recorded:
                    body = payload(10, item(seq, violation(seq, esn="RSU20")))
                    self.it.link.publish(topics.violation_up("RSU20"), body)
            self.n_answered = len(self.it.asks)
            for body in list(self.it.owed.values())[:20]:
                self.it.link.publish(topics.violation_up("RSU20"), body)
            await asyncio.sleep(0.2)

    async def until_acked(self) -> None:
        async with asyncio.timeout(2 * TEST_S):
            while self.it.owed:
                await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def recording_rsu(it: Stage) -> Any:
    rsu = RecordingRsu(it)
    running = asyncio.create_task(rsu.run())
    try:
        yield rsu
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def until(it: Stage, path: str, **wanted: Any) -> dict[str, Any]:
    """Ask the page until these values are there."""
    said: dict[str, Any] = {}
    async with (
        asyncio.timeout(3 * TEST_S),
        httpx.AsyncClient(base_url=f"http://{it.http}", timeout=30.0, verify=False) as http,
    ):
        while not said or not wanted.items() <= said.items():
            with contextlib.suppress(httpx.HTTPError):
                said = (await http.get(path)).json()
            await asyncio.sleep(0.1)
    return said


def petroroad(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "petroroad", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)


async def test_a_database_deleted_and_then_damaged_while_the_centre_runs_loses_nothing(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path) as it, recording_rsu(it) as rsu:
        centre = await it.centre()
        path = it.folder / "centre.sqlite"
        rsu.raise_(range(1, 41))
        await rsu.until_acked()
        for suffix in SUFFIXES:
            beside(path, suffix).unlink()
        rsu.raise_(range(41, 81))
        await rsu.until_acked()
        assert it.stored() == [episode_id(n) for n in range(1, 81)], "what is acknowledged lies at the path"
        with path.open("rb+") as file:  # all but the first page, or the log would mend a page that it has
            file.seek(4_096)
            file.write(bytes(path.stat().st_size - 4_096))
        rsu.raise_(range(81, 121))
        await until(it, "/api/summary", total=120, missing=0)
        said = await until(it, "/readyz", database="open")
        assert any("centre.sqlite.damaged-" in notice for notice in said["notices"])
        assert it.stored() == [episode_id(n) for n in range(1, 121)]
        assert await centre.stop(STOP_S) == 0, "the same process all the time"


async def test_a_backup_restored_after_a_loss_is_completed_from_the_rsus_recordings(tmp_path: Path) -> None:
    async with stage(tmp_path) as it, recording_rsu(it) as rsu:
        centre = await it.centre()
        path, to = it.folder / "centre.sqlite", tmp_path / "backup.sqlite"
        rsu.raise_(range(1, 41))
        await rsu.until_acked()
        rsu.raise_(range(41, 141))  # while the backup is taken
        taken = await asyncio.to_thread(
            petroroad, "centre", "backup", "--config", str(it.site), "--to", str(to)
        )
        assert taken.returncode == 0, taken.stderr
        rsu.raise_(range(141, 181))
        await rsu.until_acked()
        refused = await asyncio.to_thread(
            petroroad, "centre", "restore", "--config", str(it.site), "--from", str(to)
        )
        assert (refused.returncode, "stop it first" in refused.stderr) == (1, True)
        centre.signal(signal.SIGKILL)
        await centre.died()
        for suffix in SUFFIXES:
            beside(path, suffix).unlink(missing_ok=True)
        restored = await asyncio.to_thread(
            petroroad, "centre", "restore", "--config", str(it.site), "--from", str(to)
        )
        assert restored.returncode == 0, restored.stderr
        assert 40 <= len(it.stored()) < 180
        again = await it.centre()
        await until(it, "/api/summary", total=180, missing=0)
        assert it.stored() == [episode_id(n) for n in range(1, 181)]
        assert await again.stop(STOP_S) == 0
