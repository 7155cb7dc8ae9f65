"""kill -9 of one part while traffic runs: what was raised is at the centre in the end, once."""

import asyncio
import signal
import time
from contextlib import ExitStack

import pytest

from edge.clock import Clock
from petroroad.demo.live import ask
from petroroad.demo.parts import Parts, RunDir, TrafficAsked
from petroroad.demo.site import SHIPPED, make_site
from petroroad.demo.summary import summarise
from petroroad.processes.children import start, until_ready

pytestmark = [pytest.mark.e2e, pytest.mark.paced, pytest.mark.anyio]

DURATION_S = 30.0


pytestmark += [pytest.mark.long]  # `petroroad chaos`, which each run of the tests does once, kills parts, too


@pytest.mark.parametrize("victims", [("gateway", "broker", "centre"), ("rsu",)], ids="-".join)
async def test_nothing_is_lost_or_told_twice(victims, run_folder):
    folder = run_folder(f"kill-{'-'.join(victims)}")
    folder.mkdir(parents=True)
    held = ExitStack()
    site = make_site(SHIPPED, folder, rsus=2, http=None, broker="nats", held=held)
    parts = Parts(site, RunDir(folder), Clock.paced(time.time_ns()))
    traffic = TrafficAsked(scenario="panjin", seed=7, noise=1.0, vehicles=None, duration_s=DURATION_S)
    try:
        await parts.bring_up()
        await parts.drive(traffic)
        for victim in victims:  # one after another, each while what the last one held up is under way
            await until_another_alarm(site.http)
            await kill_and_restart(parts, site.esns[0] if victim == "rsu" else victim)
        assert parts.sim is not None
        assert (await parts.sim.died()).status == 0
        await until_delivered(site.http)
    finally:
        await parts.bring_down(patience=5.0)
        held.close()
    found = summarise(RunDir(folder), site.esns)
    assert found["violations_raised"] > 0
    assert found["lost"] == 0, found
    if "rsu" not in victims:  # a truck that crosses meanwhile starts fresh (docs/design.md section 9)
        assert found["duplicates"] == 0, found


async def until_another_alarm(http: str) -> None:
    """Return when an alarm came that was not there before, the first one at the start."""
    before = (await summary(http))["last_alarm_ns"]
    async with asyncio.timeout(DURATION_S):
        while (await summary(http))["last_alarm_ns"] in (None, before):
            await asyncio.sleep(0.1)


async def until_delivered(http: str) -> None:
    """Outboxes empty and no gap known, as the heartbeats after the end tell."""
    async with asyncio.timeout(15.0):
        await asyncio.sleep(2.5)  # a heartbeat of each RSU
        while (now := await summary(http))["outbox_depth"] or now["missing"]:
            await asyncio.sleep(0.2)


async def summary(http: str) -> dict:
    return await asyncio.to_thread(ask, http, "/api/summary") or {
        "last_alarm_ns": None,
        "outbox_depth": 0,
        "missing": 1,
    }


async def kill_and_restart(parts: Parts, name: str) -> None:
    i_child = next(i for i, child in enumerate(parts.rest) if child.spec.name == name)
    killed = parts.rest[i_child]
    killed.signal(signal.SIGKILL)
    await killed.process.wait()
    parts.rest[i_child] = again = await start(killed.spec)
    if name in parts.site.health:
        await until_ready(again, parts.site.health[name], 20.0)
