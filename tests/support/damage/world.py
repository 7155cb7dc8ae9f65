"""Broker, centre, gateway and two RSUs as processes, of another user than root; their folders, put back."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.delivery_site import make_secure
from edge.config import load_site
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.children import Child, ChildSpec, is_ready, start
from petroroad.processes.ports import kept_port
from tests.support.centre_site import write_site
from tests.support.damage.raised import promised_in

ROOT = Path(__file__).resolve().parents[3]
REAL, LIGHT = (Path(__file__).with_name(name) for name in ("raising_rsu.py", "delivering_rsu.py"))
ESNS = ("RSU20", "RSU21")
UNITS = ("centre", "gateway", *ESNS)
NOBODY = 65_534
READY_S, TEST_S = 90.0, 90.0
HOST = "127.0.0.1"


class World:
    """Use `world`. `state` has all that the processes write; `log` and `raised` lie beside it."""

    def __init__(self, folder: Path, ports: dict[str, int], *, real: bool, tls: bool) -> None:
        """real : with whole RSUs; else with the half of them that delivers.  tls : with all certificates"""
        self.tls = tls
        self.folder, self.ports = folder, ports
        self.unit = REAL if real else LIGHT
        self.state, self.raised = folder / "state", folder / "raised"
        self.children: dict[str, Child] = {}
        self.broker: Child | None = None
        self.kernels = folder / "kernels"  # where another user may read them
        self.prefix = self._prefix()
        self.site = self._write_site()

    def _write_site(self) -> Path:
        """Write the site file: two of the made-up road's RSUs, all on free ports."""
        site = write_site(
            self.folder / "site",
            broker=f"{HOST}:{self.ports['broker']}",
            http=f"{HOST}:{self.ports['centre']}",
        )
        text = site.read_text(encoding="utf-8")
        text = text[: text.index('[[rsu]]\nesn = "RSU22"')]
        text = text.replace(str(site.parent / "centre.sqlite"), str(self.state / "centre" / "centre.sqlite"))
        gateway = (
            f'listeners = ["jt808://{HOST}:{self.ports["jt808"]}"]\nhealth = "{self.address("gateway")}"\n'
        )
        text = text.replace('id = "GW1"\n', f'id = "GW1"\n{gateway}')
        for i, esn in enumerate(ESNS):
            text = text.replace(f'esn = "{esn}"\n', f'esn = "{esn}"\nhealth = "{self.address(esn)}"\n')
            text = text.replace(f"{HOST}:{17_000 + i}", f"{HOST}:{self.ports[f'radar{i}']}")
        text += "[outbox]\nballast_mib = 1\n"
        site.write_text(text, encoding="utf-8")
        if self.tls:
            make_secure(site, "nats", signed=True)
        return site

    def address(self, name: str) -> str:
        return f"{HOST}:{self.ports[name]}"

    def _argv(self, name: str) -> tuple[str, ...]:
        if name in ESNS:
            raised = str(self.raised / name)
            return (str(self.unit), str(self.site), name, str(self.state / name), raised)
        return ("-m", "petroroad", name, "--config", str(self.site))

    def make_folders(self) -> None:
        if self.unit == REAL and not self.kernels.exists():
            shutil.copytree(os.environ["NUMBA_CACHE_DIR"], self.kernels)
        for path in (self.state, self.state / "centre", self.raised, *(self.state / esn for esn in ESNS)):
            path.mkdir(parents=True, exist_ok=True)
        self.hand_over()

    def _prefix(self) -> tuple[str, ...]:
        """Return how to become another user than root, whom no mode binds; () where he may not read us."""
        words = ("setpriv", "--pdeathsig=KILL", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        if os.geteuid() != 0 or shutil.which(words[0]) is None:
            return ()
        look = "import os, sys, msgspec; open(sys.argv[1]); os.listdir(sys.argv[2])"
        places = (str(ROOT / "core" / "__init__.py"), str(self.folder))
        command = (*words, sys.executable, "-c", look, *places)
        tried = subprocess.run(command, capture_output=True, check=False)
        return () if tried.returncode else words

    def hand_over(self) -> None:
        """Give everything that the processes write to their user."""
        if self.prefix:
            for path in (self.folder, *self.folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    async def start_broker(self) -> None:
        tls = server_tls(load_site(self.site), "broker") if self.tls else None
        self.broker = await start_broker("nats", self.folder / "broker", HOST, self.ports["broker"], tls)

    async def stop_broker(self) -> None:
        if self.broker is not None:
            await self.broker.stop(2.0)
            self.broker = None

    async def start(self, *names: str) -> None:
        """Start parts, without waiting for them."""
        for name in names:
            await self._start(name, self._argv(name))

    async def _start(self, name: str, words: tuple[str, ...]) -> None:
        argv = (*self.prefix, sys.executable, *words)
        env = {"PYTHONPATH": str(ROOT), "HOME": str(self.folder), "NUMBA_CACHE_DIR": str(self.kernels)}
        log = self.folder / "log" / f"{name}.log"
        self.children[name] = await start(ChildSpec(name=name, argv=argv, log=log, env=env))

    def copy_unit(self, esn: str, to: Path) -> None:
        """Copy an RSU's folder, as it is now."""
        _copy(self.state / esn, to)

    async def start_copy(self, esn: str, state: Path) -> None:
        """Run a second RSU of a name on a copy of its folder."""
        site = self.site.with_name("copy.toml")
        site.write_text(
            self.site.read_text(encoding="utf-8").replace(self.address(esn), self.address("copy"))
        )
        self.hand_over()
        await self._start("copy", (str(self.unit), str(site), esn, str(state), str(self.raised / "copy")))
        await self.until_ready("copy")

    def ask_copy_to_raise(self) -> None:
        self.children["copy"].process.send_signal(signal.SIGUSR1)

    async def copy_is_empty(self) -> bool:
        """Say whether nothing waits in the copy's outbox."""
        (path,) = (self.folder / "copy" / "outbox").glob("*.sqlite")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            return not db.execute("SELECT count(*) FROM item").fetchone()[0]

    async def end_copy(self, *, ends_well: bool) -> None:
        if ends_well:
            await self.stop("copy")
        else:
            await self.kill("copy")

    async def until_ready(self, *names: str) -> list[str]:
        """Wait until parts are ready; return those that ended instead, or never were."""

        async def one(name: str) -> str | None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(READY_S):
                    while not await is_ready(self.address(name)):
                        if not self.children[name].running:
                            return name
                        await asyncio.sleep(0.05)
                    return None
            return name

        return [name for name in await asyncio.gather(*map(one, names)) if name is not None]

    async def until_answering(self, *names: str) -> None:
        """Wait until parts answer, also that they are not ready, or have ended."""
        async with asyncio.timeout(READY_S):
            for name in names:
                while self.children[name].running and await self.ask("/readyz", name) is None:
                    await asyncio.sleep(0.1)

    async def kill(self, *names: str) -> None:
        for name in names:
            self.children[name].signal(signal.SIGKILL)
            await self.children[name].process.wait()

    async def stop(self, *names: str) -> None:
        await asyncio.gather(*(self.children[name].stop(15.0) for name in names if name in self.children))

    async def raise_(self, *names: str) -> None:
        """Let those of the RSUs that run raise; return once each has committed all of it."""
        names = tuple(name for name in names if self.children[name].running)
        before = {name: len(promised_in(self.raised / name)) for name in names}
        for name in names:
            self.children[name].process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(TEST_S):
            while any(
                self.children[name].running and len(promised_in(self.raised / name)) == before[name]
                for name in names
            ):
                await asyncio.sleep(0.02)

    def promised(self) -> dict[tuple[str, int, str], bytes]:
        """Return all that was promised, by (id, version, esn)."""
        found = {}
        for esn in (*ESNS, "copy"):
            for body in promised_in(self.raised / esn):
                one = msgspec.msgpack.decode(body)
                found[one["id"], one["version"], one["esn"]] = body
        return found

    def stored(self) -> list[tuple[tuple[str, int, str], bytes]]:
        """Return what a stopped centre has."""
        with contextlib.closing(sqlite3.connect(self.state / "centre" / "centre.sqlite")) as db:
            rows = db.execute("SELECT id, version, esn, body FROM violation_version").fetchall()
        return [((row[0], row[1], row[2]), bytes(row[3])) for row in rows]

    async def ask(self, path: str, name: str = "centre") -> Any:
        """Return what a part answers; None where it does not."""
        return await asyncio.to_thread(_get, f"http://{self.address(name)}{path}")

    def shows_older(self) -> list[str]:
        """Return the episodes of which a stopped centre shows another version than the newest that it has."""
        newest = "SELECT max(version) FROM violation_version v WHERE v.id = e.id"
        with contextlib.closing(sqlite3.connect(self.state / "centre" / "centre.sqlite")) as db:
            return [row[0] for row in db.execute(f"SELECT id FROM episode e WHERE version <> ({newest})")]

    async def degraded(self, esn: str) -> list[str]:
        """Return why an RSU says that it is degraded."""
        return (await self.ask("/readyz", esn) or {}).get("degraded", [])

    def log(self, name: str) -> str:
        """Return what a part has logged since the folders were put back."""
        path = self.folder / "log" / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def keep(self, name: str) -> None:
        """Copy all that was written so far."""
        _copy(self.state, self.folder / "kept" / name / "state")
        _copy(self.raised, self.folder / "kept" / name / "raised")

    def put_back(self, name: str) -> None:
        for each in ("state", "raised"):
            shutil.rmtree(self.folder / each)
            _copy(self.folder / "kept" / name / each, self.folder / each)
        shutil.rmtree(self.folder / "log", ignore_errors=True)
        self.children.clear()


def _copy(source: Path, target: Path) -> None:
    """Copy a tree with the times, modes, owners and holes of its files."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    os.sync()
    subprocess.run(["cp", "-a", f"{source}/.", str(target)], check=True)


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=10.0) as answer:
            return msgspec.json.decode(answer.read())
    except urllib.error.HTTPError as error:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(error.read())
        return None
    except OSError:
        return None


@contextlib.asynccontextmanager
async def world(folder: Path, *, real: bool = False, tls: bool = False) -> AsyncIterator[World]:
    """Make a world whose broker runs; at the end no process is left."""
    names = ("broker", "copy", "centre", "gateway", "jt808", "radar0", "radar1", *ESNS)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    with contextlib.ExitStack() as held:
        it = World(folder, {name: held.enter_context(kept_port()) for name in names}, real=real, tls=tls)
        it.make_folders()
        await it.start_broker()
        try:
            yield it
        finally:
            for child in it.children.values():
                child.signal(signal.SIGKILL)
                await child.process.wait()
            if it.broker is not None:
                await it.broker.stop(2.0)
