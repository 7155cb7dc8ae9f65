"""One seed from start to verdict: processes, traffic and faults, healing, draining, judging."""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge import topics
from petroroad.chaos import evidence
from petroroad.chaos.actions import Actions
from petroroad.chaos.checker import RAISED_MIN, Verdict, check
from petroroad.chaos.cluster_stage import Broker, ClusterStage
from petroroad.chaos.fleet import copy_outbox
from petroroad.chaos.history import History, Shown
from petroroad.chaos.hostile import Hostile
from petroroad.chaos.page import Page
from petroroad.chaos.plan import draw
from petroroad.chaos.spy import Spy
from petroroad.chaos.stage import PROGRAM, Stage
from petroroad.demo.live import ask
from petroroad.operators import USUAL
from petroroad.processes.broker import BrokerMissingError
from petroroad.processes.children import ChildError, NotReadyError

EXPECTED = (BrokerMissingError, ChildError, NotReadyError, OSError)  # a part's end, not a fault of ours
DRAIN_S = 60.0
SETTLE_S = 2.5  # a heartbeat of each RSU: the centre knows what it lacks
HARD_SETTLE_S = 15.0  # a centre that lost its database asks the RSUs for what it lacks
POLL_S = 0.25
PAGE_S = 10.0
MORE_S, SPARE = 60.0, 20  # of traffic beyond what was asked, until so many more than RAISED_MIN are stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one run is to be; `program` starts a part when its words follow."""

    seed: int
    broker: Broker = "nats"
    hard: bool = False
    tls: bool = False
    seconds: float = 25.0
    rsus: int = 2
    drain_s: float = DRAIN_S
    folder: Path | None = None  # to keep; None: kept only where a run fails
    has_mounts: bool = False
    program: tuple[str, ...] = PROGRAM


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one seed."""

    line: dict[str, Any]
    verdict: Verdict | None

    @property
    def ok(self) -> bool:
        return self.verdict is not None and self.verdict.ok


async def run(asked: Asked) -> Outcome:
    """Run one seed; a part that does not come up is the result's `error`. Cancelled, it leaves nothing."""
    folder = _folder(asked)
    try:
        return await _run(asked, folder)
    except asyncio.CancelledError:
        if asked.folder is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


async def _run(asked: Asked, folder: Path) -> Outcome:
    begun_s = time.monotonic()
    stage = _stage(asked, folder)
    line: dict[str, Any] = {"seed": asked.seed, "broker": asked.broker, "hard": asked.hard, "tls": stage.tls}
    verdict = None
    try:
        await stage.open()
        verdict = await _play(stage, asked, line)
    except (*EXPECTED, ExceptionGroup) as failed:
        line["error"] = _reason_of(failed)
    finally:
        await stage.close()
    line |= {} if verdict is None else verdict.as_dict()
    line["ok"] = verdict is not None and verdict.ok
    line |= {"seconds": round(time.monotonic() - begun_s, 1), "load": round(os.getloadavg()[0], 1)}
    if line["ok"] and asked.folder is None:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    else:
        line["kept"] = str(folder)
        (folder / "verdict.json").write_text(json.dumps(line, indent=1), encoding="utf-8")
    return Outcome(line, verdict)


def _stage(asked: Asked, folder: Path) -> Stage:
    if asked.broker == "cluster":
        return ClusterStage(folder, asked.seed, "nats", asked.rsus, asked.program, asked.has_mounts, tls=True)
    return Stage(folder, asked.seed, asked.broker, asked.rsus, asked.program, asked.has_mounts, asked.tls)


def _reason_of(failed: Exception) -> str:
    """Return the first failure of several: the others follow from it."""
    while isinstance(failed, ExceptionGroup):
        failed = failed.exceptions[0]
    if not isinstance(failed, EXPECTED):
        raise failed  # ours, not a part's
    return str(failed)


def _folder(asked: Asked) -> Path:
    if asked.folder is None:
        return Path(tempfile.mkdtemp(prefix=f"petroroad-chaos-{asked.broker}-{asked.seed}-"))
    kinds = f"{'-hard' if asked.hard else ''}{'-tls' if asked.tls else ''}"
    folder = asked.folder / f"{asked.broker}-{asked.seed}{kinds}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder.resolve()


async def _play(stage: Stage, asked: Asked, line: dict[str, Any]) -> Verdict:
    spy, page = _spy(stage), Page(stage.site.http)
    # with certificates it is a stolen RSU: it may say much in that RSU's name, and nothing in another's
    hostile = Hostile(
        stage.outsider("chaos-hostile", "rsu", stage.site.esns[0]), stage.site.esns, stage.gateway
    )
    chance = np.random.Generator(np.random.Philox(key=np.array([asked.seed % 2**64, 0x5A1D], np.uint64)))
    actions = Actions(stage, spy, hostile, page, chance)
    line["disk"] = stage.disks[stage.site.esns[0]].kind
    await stage.bring_up()
    async with _beside(*(link.run() for link in spy.links), hostile.link.run(), page.run()):
        await stage.drive()
        faults = draw(asked.seed, stage.site.esns, asked.seconds, hard=asked.hard, cast=stage.cast)
        await actions.carry_out(faults, asked.seconds)
        await hostile.must_say(chance)
        await _until_enough(stage)
        await spy.repeat(chance)  # whatever has been said comes once more, late
        await stage.stop_traffic()
        history = History(stage.site.esns)
        await asyncio.sleep(HARD_SETTLE_S if asked.hard else SETTLE_S)
        line["drained_s"] = await _drain(stage, page, history, asked.drain_s)
    await stage.bring_down()
    line |= {
        "faults": dict(sorted(actions.done.items())),
        "repeated": spy.n_repeated,
        "hostile": hostile.n_said,
    }
    history.died = stage.fleet.died
    await asyncio.to_thread(_gather, stage, spy, page, history)
    return await asyncio.to_thread(check, history)


def _spy(stage: Stage) -> Spy:
    """Return the client that repeats; with certificates it has those of the parts that it repeats."""
    voices = {}
    for esn in stage.site.esns if stage.tls else ():
        voices[topics.violation_up(esn)] = stage.outsider(f"chaos-{esn}", "rsu", esn)
        voices[topics.violation_ack(esn)] = stage.outsider(f"chaos-ack-{esn}", "centre", stage.centre)
    reader = stage.outsider("chaos-spy", "operator", USUAL)
    return Spy(reader, stage.clock.now_ns, voices)


@contextlib.asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> Any:
    tasks = [asyncio.create_task(one) for one in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_enough(stage: Stage) -> None:
    """Let the traffic go on where a busy machine has raised too little to prove anything."""
    end_s = time.monotonic() + MORE_S
    while time.monotonic() < end_s and stage.sim is not None and stage.sim.running:
        if await asyncio.to_thread(evidence.n_stored, stage.ledger) >= RAISED_MIN + SPARE:
            return
        await asyncio.sleep(POLL_S)


async def _drain(stage: Stage, page: Page, history: History, limit_s: float) -> float:
    """Wait until nothing waits and the page shows all; return the time, and leave copies of the outboxes.

    The RSUs stand still while they are copied, and end so: what they would raise later no page would see.
    """
    begun_s = time.monotonic()
    while True:
        is_late = time.monotonic() - begun_s > limit_s
        if is_late or await _is_drained(stage):
            async with stage.fleet.frozen(stage.site.esns):
                waiting = await asyncio.to_thread(_copy_last, stage, history)
                if is_late or not waiting:
                    history.waiting = waiting
                    await stage.end_units()
                    await _until_shown(stage, page)
                    return round(time.monotonic() - begun_s, 1)
        await asyncio.sleep(POLL_S)


async def _is_drained(stage: Stage) -> bool:
    """Say whether all RSUs serve and wait for nothing, and the centre lacks nothing that it knows of."""
    if not all([await stage.listens(esn) for esn in stage.site.esns]):  # one that starts may find more
        return False
    depths = [await asyncio.to_thread(evidence.n_waiting, stage.outbox(esn)) for esn in stage.site.esns]
    summary = await asyncio.to_thread(ask, stage.site.http, "/api/summary")
    is_whole = summary is not None and not summary["missing"] and not summary["outbox_depth"]
    return is_whole and not any(depth is None or depth for depth in depths)


def _copy_last(stage: Stage, history: History) -> list[tuple[str, int, int]]:
    """Copy the outboxes of RSUs that stand still; return what waits there."""
    waiting: list[tuple[str, int, int]] = []
    for esn in stage.site.esns:
        to = stage.evidence / esn / "last"
        shutil.rmtree(to, ignore_errors=True)
        copy_outbox(stage.outbox_folder(esn), to)
        waiting += evidence.read_outbox(to / f"{esn}.sqlite", esn, history)
    return waiting


async def _until_shown(stage: Stage, page: Page) -> None:
    """Give the page the time to receive what the centre has committed."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PAGE_S):
            while True:
                newest = await asyncio.to_thread(evidence.newest_change, stage.ledger)
                if newest is not None and page.cursor >= newest and page.sessions:
                    return
                await asyncio.sleep(POLL_S)


def _gather(stage: Stage, spy: Spy, page: Page, history: History) -> None:
    for esn in stage.site.esns:
        for copy in sorted((stage.evidence / esn).glob("*/*.sqlite")):
            evidence.read_outbox(copy, esn, history)
        for path in sorted((stage.folder / esn / "recordings").rglob("*.mcap")):
            evidence.read_recording(path, history)
    history.ends_ns = stage.ends_ns
    evidence.read_wire(spy.heard, history)
    evidence.read_centre(stage.ledger, history)
    history.pages = [Shown(one.cursor, one.loaded, one.shown) for one in page.sessions]
