"""The processes of a run, and who restarts them: an end that nobody asked for is noted."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from petroroad.chaos.waiting import until
from petroroad.processes.children import Child, ChildError, NotReadyError, tail

RESTART_S = 1.0  # after an end that nobody asked for
Starter = Callable[[], Awaitable[Child]]


@dataclass(slots=True)
class Part:
    """One process that is started again whenever it ends."""

    name: str
    start: Starter
    on_end: Callable[[int], None] = lambda _: None  # blocking; given how often it has ended
    child: Child | None = None
    n_ended: int = 0
    down_s: float = RESTART_S
    is_asked: bool = False  # to end
    between: Callable[[], None] | None = None  # done once while it is down

    @property
    def pid(self) -> int | None:
        """Its process; None while it is down."""
        return self.child.process.pid if self.child is not None and self.child.running else None


@dataclass(slots=True)
class Fleet:
    """All parts. `bring_up` starts one and keeps it; `bring_down` ends all, whatever they do."""

    parts: dict[str, Part] = field(default_factory=dict)
    died: list[str] = field(default_factory=list)  # who ended without being asked, and how
    _tending: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _is_ending: bool = False

    async def bring_up(self, part: Part) -> Child:
        """Start a part; raises what its start raises."""
        part.child = await part.start()
        self.parts[part.name] = part
        self._tending[part.name] = asyncio.create_task(self._tend(part), name=f"chaos.{part.name}")
        return part.child

    async def _tend(self, part: Part) -> None:
        while True:
            assert part.child is not None, "it was started"
            status = await part.child.process.wait()
            if self._is_ending:
                return
            part.child.signal(signal.SIGKILL)  # what it left behind
            if not part.is_asked:
                self.died.append(f"{part.name} ended with {status}:\n{tail(part.child.spec.log)}")
            part.n_ended += 1
            await asyncio.to_thread(part.on_end, part.n_ended)
            await asyncio.sleep(part.down_s)
            if part.between is not None:
                await asyncio.to_thread(part.between)
            part.is_asked, part.between, part.down_s = False, None, RESTART_S
            await self._start_again(part)

    async def _start_again(self, part: Part) -> None:
        while not self._is_ending:
            try:
                part.child = await part.start()
            except NotReadyError:  # a busy machine; one that never comes leaves violations waiting
                await asyncio.sleep(RESTART_S)
            except (ChildError, OSError) as error:
                self.died.append(f"{part.name} does not start again: {error}")
                await asyncio.sleep(RESTART_S)
            else:
                return

    def end(
        self,
        name: str,
        number: signal.Signals,
        down_s: float,
        between: Callable[[], None] | None = None,
    ) -> bool:
        """End a part that runs, and have it started again after down_s; returns whether it ran."""
        part = self.parts[name]
        if part.child is None or part.pid is None or part.is_asked:
            return False
        part.is_asked, part.down_s, part.between = True, down_s, between
        part.child.signal(number)
        part.child.signal(signal.SIGCONT)  # one that is frozen would not hear SIGTERM
        return True

    @contextlib.asynccontextmanager
    async def frozen(self, names: Iterable[str]) -> AsyncIterator[None]:
        """Stop these processes as a scheduler might, and let them go on."""
        children = [child for name in names if (child := self.parts[name].child) is not None]
        for child in children:
            child.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for child in children:
                child.signal(signal.SIGCONT)

    async def until_up(self, name: str, n_ended: int, seconds: float) -> bool:
        """Return whether a part that has ended n_ended times runs again within the time."""
        part = self.parts[name]
        return await until(lambda: part.n_ended > n_ended and part.pid is not None, seconds)

    async def bring_down(self, names: Iterable[str], grace_s: float) -> None:
        """End these parts for good: asked first, killed after grace_s."""
        self._is_ending = True
        children = [child for name in names if name in self.parts and (child := self.parts[name].child)]
        await asyncio.gather(*(child.stop(grace_s) for child in children))

    async def abandon(self) -> None:
        """Kill whatever is left, and stop tending."""
        self._is_ending = True
        for task in self._tending.values():
            task.cancel()
        await asyncio.gather(*self._tending.values(), return_exceptions=True)
        for part in self.parts.values():
            if part.child is not None:
                part.child.signal(signal.SIGKILL)
                await part.child.process.wait()


def copy_outbox(folder: Path, to: Path) -> None:
    """Copy the files of an outbox whose process does not run now."""
    to.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.sqlite*"):
        if "ballast" not in path.name:
            shutil.copyfile(path, to / path.name)
