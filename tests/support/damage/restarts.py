"""Kills during starts, in the order that a seed draws, and two copies of one RSU; no test itself."""

import asyncio
import contextlib
import shutil
import time

from tests.support.damage.case import Verdict, chance_of, finish, settled
from tests.support.damage.world import ESNS, UNITS, World

START_S = 2.0  # within it a part is killed again


async def run_restarts(it: World, seed: int) -> Verdict:
    """Kill parts within their first seconds, twice or more in a row, then let all serve."""
    chance = chance_of(seed)
    verdict, begun_s = Verdict(seed), time.monotonic()
    it.put_back("now")
    steps: list[str] = []
    broker_down = chance.random() < 0.3
    if broker_down:
        await it.stop_broker()
        steps.append("broker away")
    for _ in range(int(chance.integers(2, 5))):
        names = [name for name in UNITS if chance.random() < 0.7] or ["centre"]
        due = {name: float(chance.uniform(0.0, START_S)) for name in names}
        steps.append(", ".join(f"{name} {at_s:.2f}" for name, at_s in due.items()))
        await asyncio.gather(*(_start_and_kill(it, name, at_s) for name, at_s in due.items()))
    await it.start(*(UNITS[i] for i in chance.permutation(len(UNITS))))
    if broker_down:
        await asyncio.sleep(float(chance.uniform(0.0, 4.0)))
        await it.start_broker()
    verdict.damage = "starts: " + "; ".join(steps)
    await finish(it, verdict)
    verdict.took_s = round(time.monotonic() - begun_s, 1)
    return verdict


async def _start_and_kill(it: World, name: str, after_s: float) -> None:
    await it.start(name)
    await asyncio.sleep(after_s)
    await it.kill(name)


async def run_copies(it: World, seed: int) -> Verdict:
    """Run a copy of an RSU's folder beside it, as of a cloned card, while both raise; then end one."""
    chance = chance_of(seed)
    verdict, begun_s, esn = Verdict(seed), time.monotonic(), ESNS[0]
    it.put_back("now")
    copy = it.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    at_once = chance.random() < 0.5
    if not at_once:
        await it.start(*UNITS)
        await it.until_ready(*UNITS)
        await it.raise_(*ESNS)
    it.copy_unit(esn, copy)
    if at_once:
        await it.start(*UNITS)
    await it.start_copy(esn, copy)
    await it.until_ready(*UNITS)
    for _ in range(3):
        it.ask_copy_to_raise()
        await it.raise_(*ESNS)
        await asyncio.sleep(float(chance.uniform(0.0, 3.0)))
    verdict.damage = f"copy of {esn}, {'from the start' if at_once else 'while it runs'}"
    if not await settled(it):
        verdict.notes.append("not settled while both ran")
    await it.end_copy(ends_well=chance.random() < 0.5)
    await it.raise_(*ESNS)
    await settled(it)
    await it.kill(esn)
    await it.start_copy(esn, copy)  # the copy alone: what only its outbox has is delivered
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(60.0):
            while not await it.copy_is_empty():
                await asyncio.sleep(0.5)
    await it.end_copy(ends_well=True)
    await it.start(esn)
    await finish(it, verdict)
    verdict.took_s = round(time.monotonic() - begun_s, 1)
    return verdict


async def run_twins(it: World, seed: int) -> Verdict:
    """Start an RSU twice by mistake, on one folder, while both raise; one of them is killed."""
    chance = chance_of(seed)
    verdict, begun_s, esn = Verdict(seed), time.monotonic(), ESNS[0]
    it.put_back("now")
    await it.start(*UNITS)
    if chance.random() < 0.5:
        await it.until_ready(*UNITS)
    await it.start_copy(esn, it.state / esn)
    await it.until_ready(*UNITS)
    for _ in range(2):
        if it.children["copy"].running:
            it.ask_copy_to_raise()
        await it.raise_(*ESNS)
        await asyncio.sleep(float(chance.uniform(0.0, 3.0)))
    verdict.damage = f"twice {esn}: the second {'runs' if it.children['copy'].running else 'ended'}"
    first = "copy" if chance.random() < 0.5 else esn
    await it.kill(first)
    if first == esn:
        await asyncio.sleep(float(chance.uniform(0.0, 3.0)))
        await it.kill("copy")
        await it.start(esn)
        await it.until_ready(esn)
    await it.raise_(*ESNS)
    await finish(it, verdict)
    verdict.took_s = round(time.monotonic() - begun_s, 1)
    return verdict
