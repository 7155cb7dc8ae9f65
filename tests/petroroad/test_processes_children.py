"""Real children: what they leave, how their end is shown, and that none outlives its parent."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from petroroad.processes.children import (
    ChildError,
    ChildSpec,
    NotReadyError,
    is_ready,
    start,
    stop_all,
    until_ready,
)

pytestmark = pytest.mark.anyio

SLEEPER = "import signal; signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
)


def spec(tmp_path, code, name="part", **env):
    return ChildSpec(name=name, argv=(sys.executable, "-c", code), log=tmp_path / f"{name}.log", env=env)


async def until_logged(child, text):
    async with asyncio.timeout(10.0):
        while text not in child.spec.log.read_text():
            await asyncio.sleep(0.01)


async def test_an_end_names_the_part_and_shows_its_log(tmp_path):
    child = await start(
        spec(tmp_path, "import os; print('why', os.environ['X']); raise SystemExit(3)", X="y")
    )
    died = await child.died()
    assert (died.name, died.status) == ("part", 3)
    assert "part ended with status 3" in str(died)
    assert "why y" in str(died)


async def test_an_end_by_signal_is_reported(tmp_path):
    child = await start(spec(tmp_path, SLEEPER))
    child.signal(signal.SIGKILL)
    assert "was killed by SIGKILL" in str(await child.died())


async def test_stop_asks_first(tmp_path):
    child = await start(spec(tmp_path, SLEEPER))
    assert await child.stop(5.0) == -signal.SIGTERM


async def test_stop_kills_what_does_not_listen(tmp_path):
    children = [await start(spec(tmp_path, STUBBORN, name=f"p{i}")) for i in range(2)]
    for child in children:
        await until_logged(child, "up")
    await stop_all(children, 0.1)
    assert [child.process.returncode for child in children] == [-signal.SIGKILL] * 2


async def test_what_a_child_started_ends_with_it(tmp_path):
    code = f"""
import subprocess, sys
process = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
print(process.pid, flush=True)
process.wait()
"""
    child = await start(spec(tmp_path, code))
    await until_logged(child, "\n")
    grandchild = int(child.spec.log.read_text())
    await child.stop(0.5)
    await until_gone(grandchild)


async def until_gone(pid):
    async with asyncio.timeout(30.0):
        while is_alive(pid):
            await asyncio.sleep(0.01)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_no_child_survives_its_parents_kill(tmp_path):
    code = f"""
import asyncio, pathlib
from petroroad.processes.children import ChildSpec, start
async def main():
    log = pathlib.Path({str(tmp_path)!r}) / "c.log"
    child = await start(ChildSpec(name="c", argv=({sys.executable!r}, "-c", {SLEEPER!r}), log=log))
    print(child.process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root
    ) as parent:
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
        parent.wait()
    await until_gone(pid)


async def test_readiness_is_asked_over_ipv6_too():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "::1", 0)
    async with server:
        assert await is_ready(f"[::1]:{server.sockets[0].getsockname()[1]}")


async def test_readiness_is_what_readyz_answers(tmp_path):
    answers = [503, 503, 200]

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {answers.pop(0)} x\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = "{}:{}".format(*server.sockets[0].getsockname())
    child = await start(spec(tmp_path, SLEEPER))
    async with server:
        await until_ready(child, address, 5.0)
    assert answers == []
    assert not await is_ready(address)
    with pytest.raises(NotReadyError, match="part was not ready"):
        await until_ready(child, address, 0.1)
    await child.stop(1.0)
    with pytest.raises(ChildError):
        await until_ready(child, address, 5.0)
