"""Does what a plan says: one task for each fault, which also heals it."""

import asyncio
import contextlib
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edge import topics
from petroroad.chaos.hostile import Hostile
from petroroad.chaos.page import Page
from petroroad.chaos.plan import DELAY_S, THROTTLE_BYTES_PER_S, Fault
from petroroad.chaos.spy import Spy
from petroroad.chaos.stage import Stage
from petroroad.chaos.waiting import until

SHARP = 0.5  # kills with a higher figure wait for the part's next message, for so long at most
SHARP_S = 10.0
FILL_AGAIN_S = 0.1
UP_S = 10.0
COMES_UP_S = 30.0
BACKUP_SHARE = 0.5  # of the new centres begin with a backup, the others with nothing


@dataclass(slots=True)
class Actions:
    """Carries out faults on a stage; `done` counts what took place, by kind."""

    stage: Stage
    spy: Spy
    hostile: Hostile
    page: Page
    chance: np.random.Generator
    done: Counter[str] = field(default_factory=Counter)

    async def carry_out(self, faults: tuple[Fault, ...], seconds: float) -> None:
        """Return when the seconds are over and every fault is healed."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(asyncio.sleep(seconds), name="chaos.traffic")
            for fault in faults:
                tasks.create_task(self._at(fault), name=f"chaos.{fault.kind}")

    async def _at(self, fault: Fault) -> None:
        if fault.kind == "new_centre":
            await self._new_centre(fault)
            return
        await asyncio.sleep(fault.at_s)
        fault = fault._replace(part=await self.stage.named(fault.part))
        match fault.kind:
            case "kill":
                await self._kill(fault)
            case "full" | "full_kill" | "full_restart":
                await self._full(fault)
            case "freeze":
                self.done["freeze"] += 1
                async with self.stage.fleet.frozen([fault.part]):
                    await asyncio.sleep(fault.hold_s)
            case "repeat":
                self.done["repeat"] += 1
                await self.spy.repeat(self.chance)
            case "hostile":
                self.done["hostile"] += 1
                await self.hostile.say(self.chance)
            case "page":
                self.done["page"] += 1
                self.page.drop()
            case _:
                await self._link(fault)

    async def _kill(self, fault: Fault) -> None:
        """Kill -9; a sharp one comes when the part has just sent or acknowledged a violation."""
        part = self.stage.fleet.parts[fault.part]
        await until(lambda: part.pid is not None and not part.is_asked, COMES_UP_S)
        if fault.figure > SHARP:
            if fault.part in self.stage.site.esns:
                await self.spy.until(topics.violation_up(fault.part), SHARP_S)
            elif fault.part in self.stage.acknowledging:
                acks = [self.spy.until(topics.violation_ack(esn), SHARP_S) for esn in self.stage.site.esns]
                waits = [asyncio.create_task(ack) for ack in acks]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for wait in waits:
                    wait.cancel()
        if fault.part not in self.stage.full:  # it would start on a full disk: that is `full_kill`
            self.done["kill"] += self.stage.end(fault.part, signal.SIGKILL, fault.hold_s)

    async def _link(self, fault: Fault) -> None:
        proxy = self.stage.proxies[fault.part]
        self.done[fault.kind] += 1
        match fault.kind:
            case "cut":
                proxy.cut()
                return
            case "hole":
                wrong: contextlib.AbstractContextManager[Any] = proxy.hole("up", "down")
            case "half_hole":
                wrong = proxy.hole("up" if fault.figure > 0.5 else "down")
            case "delay":
                wrong = proxy.delay(_between(DELAY_S, fault.figure))
            case _:
                wrong = proxy.throttle(_between(THROTTLE_BYTES_PER_S, fault.figure))
        with wrong:
            await asyncio.sleep(fault.hold_s)

    async def _full(self, fault: Fault) -> None:
        """Fill an RSU's disk; `full_kill` and `full_restart` also end it: it starts on the full disk.

        One that is still starting is left alone: it would start on a full disk by accident.
        """
        fleet, esn = self.stage.fleet, fault.part
        if not await self._comes_up(esn):
            return
        self.done[fault.kind] += 1
        with self.stage.full_disk(esn) as disk:
            filling = asyncio.create_task(self._keep_full(disk, esn), name="chaos.fill")
            try:
                if fault.kind == "full":
                    await asyncio.sleep(fault.hold_s)
                    return
                await asyncio.sleep(0.5 * fault.hold_s)
                n_ended = fleet.parts[esn].n_ended
                number = signal.SIGKILL if fault.kind == "full_kill" else signal.SIGTERM
                if fleet.end(esn, number, 0.1):
                    await fleet.until_up(esn, n_ended, UP_S)
                await asyncio.sleep(fault.hold_s)
            finally:
                filling.cancel()

    async def _comes_up(self, name: str) -> bool:
        """Give a part that is starting the time for it, so that a busy machine's runs have all faults too."""
        end_s = time.monotonic() + COMES_UP_S
        while not await self.stage.listens(name):
            if time.monotonic() > end_s:
                return False
            await asyncio.sleep(FILL_AGAIN_S)
        return True

    async def _keep_full(self, disk: Any, esn: str) -> None:
        """The outbox gives its ballast up: that room is taken too."""
        while True:
            await asyncio.sleep(FILL_AGAIN_S)
            disk.fill(self.stage.fleet.parts[esn].pid)

    async def _new_centre(self, fault: Fault) -> None:
        """The centre goes for good; another one comes with an older backup, or with an empty database."""
        await asyncio.sleep(0.4 * fault.at_s)
        backup = None
        if fault.figure < BACKUP_SHARE:
            backup = await asyncio.to_thread(self.stage.back_up_centre)
        await asyncio.sleep(0.6 * fault.at_s)
        await self._comes_up("centre")
        self.done["new_centre.empty" if backup is None else "new_centre.backup"] += self.stage.fleet.end(
            "centre", signal.SIGKILL, fault.hold_s, lambda: self.stage.replace_centre(backup)
        )


def _between(bounds: tuple[float, float], share: float) -> float:
    return bounds[0] + share * (bounds[1] - bounds[0])
