"""Child processes that can't be left behind: own group, death signal, a log file each, a named end.

A child dies with its parent even when that is killed (prctl, Linux). A child's end is always reported,
whatever its status: a broker that ends with 0 is as gone as one that crashed.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import address_of

PR_SET_PDEATHSIG = 1
TAIL_BYTES = 8_192
READY_POLL_S = 0.05
_LIBC = ctypes.CDLL(None)  # loaded here: between fork and exec nothing may be loaded


class ChildError(Exception):
    """A child ended that should run; `str()` names it and shows the end of its log."""

    def __init__(self, name: str, status: int, log: Path) -> None:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        text = tail(log)
        super().__init__(f"{name} {how}; the end of {log}:\n{text or '(empty)'}")
        self.name, self.status = name, status


class NotReadyError(Exception):
    """A child runs but did not say in time that it is ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildSpec:
    """A command and the file for its output; `env` is added to this process's environment."""

    name: str
    argv: tuple[str, ...]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Child:
    """A started child."""

    spec: ChildSpec
    process: asyncio.subprocess.Process

    @property
    def running(self) -> bool:
        return self.process.returncode is None

    async def died(self) -> ChildError:
        """Return, once it has ended, how."""
        status = await self.process.wait()
        return ChildError(self.spec.name, status, self.spec.log)

    def signal(self, number: signal.Signals) -> None:
        """Send to the child and its own children; one that is gone is no error."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    async def stop(self, grace_s: float) -> int:
        """End it: asked first, killed after grace_s; returns its status."""
        if self.running:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self.process.wait()
        self.signal(signal.SIGKILL)  # the whole group: also children that it left
        return await self.process.wait()


async def start(spec: ChildSpec) -> Child:
    """Start a child in a group of its own, so that Ctrl-C reaches only who started it."""
    spec.log.parent.mkdir(parents=True, exist_ok=True)
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    with spec.log.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *spec.argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | dict(spec.env),
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    return Child(spec, process)


async def stop_all(children: Iterable[Child], grace_s: float) -> None:
    """End all at the same time."""
    await asyncio.gather(*(child.stop(grace_s) for child in children))


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"({error})"
    return "\n".join(text.splitlines()[-lines:])


async def until_ready(child: Child, address: str, timeout_s: float, needs: Sequence[Child] = ()) -> None:
    """Return when the child's /readyz answers 200; raises NotReadyError, or ChildError (its, a need's)."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await is_ready(address):
                for one in (*needs, child):
                    if not one.running:
                        raise await one.died()
                await asyncio.sleep(READY_POLL_S)
    except TimeoutError:  # it lives, and says no
        log = child.spec.log
        text = f"{child.spec.name} was not ready after {timeout_s:.0f} s; the end of {log}:\n{tail(log)}"
        raise NotReadyError(text) from None


async def is_ready(address: str) -> bool:
    """Ask HOST:PORT once for /readyz."""
    try:
        reader, writer = await asyncio.open_connection(*address_of(address))
    except OSError:  # it does not listen yet
        return False
    try:
        writer.write(f"GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(1.0):
            return b" 200 " in await reader.readline()
    except (OSError, TimeoutError):  # it listens, but is not up
        return False
    finally:
        writer.close()
