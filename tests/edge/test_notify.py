"""Reports to systemd on a real datagram socket, and what the units ask of it."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.notify import Notifier

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy").rglob("*.service"), key=lambda unit: unit.name)
HARDENED = {
    "UMask": "0077", "StateDirectoryMode": "0700", "CacheDirectoryMode": "0700", "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "", "SystemCallFilter": "@system-service", "SystemCallArchitectures": "native",
    "ProtectSystem": "strict", "ProtectHome": "yes", "ProtectProc": "invisible", "ProtectClock": "yes",
    "ProtectKernelLogs": "yes", "ProtectKernelModules": "yes", "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes", "ProtectHostname": "yes", "PrivateTmp": "yes", "PrivateDevices": "yes",
    "PrivateUsers": "yes", "RestrictNamespaces": "yes", "RestrictRealtime": "yes", "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes", "RestartPreventExitStatus": "2", "Restart": "always",
}  # fmt: skip


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(tmp_path / "notify"))
        receiving.setblocking(False)
        yield receiving


def _received(systemd: socket.socket) -> list[str]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(systemd.recv(4_096).decode())
    return found


def test_start_and_end_are_reported(systemd: socket.socket) -> None:
    it = Notifier.from_env({"NOTIFY_SOCKET": systemd.getsockname()})
    it.ready()
    it.stopping()
    assert _received(systemd) == ["READY=1", "STOPPING=1"]
    assert it.watchdog_s is None


def test_an_abstract_socket_is_reached_too() -> None:
    name = f"petroroad-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind("\0" + name)
        it = Notifier(f"@{name}")
        it.ready()
        assert receiving.recv(100) == b"READY=1"


@pytest.mark.parametrize(
    ("environ", "want"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, None),  # nobody listens
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000"}, 30.0),
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),  # our parent's
        ({"NOTIFY_SOCKET": "/x", "WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_where_systemd_says_so(environ: dict[str, str], want: float | None) -> None:
    assert Notifier.from_env(environ).watchdog_s == want


def test_a_systemd_that_is_away_costs_nothing(tmp_path: Path) -> None:
    assert not Notifier(str(tmp_path / "nobody")).send("READY=1")
    assert not Notifier(None).send("READY=1")


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_without_progress_nothing_says_that_we_live(systemd: socket.socket) -> None:
    it = Notifier(systemd.getsockname(), 0.03)
    steps = iter([1, 2, 2, 2, None])
    still, asked = asyncio.Event(), []

    def progress() -> int | None:
        asked.append(next(steps))
        if len(asked) == 4:
            still.set()
        return asked[-1]

    watching = asyncio.create_task(it.watch(progress, lambda: "link connected"))
    await asyncio.wait_for(still.wait(), 10.0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert _received(systemd) == ["WATCHDOG=1\nSTATUS=link connected"] * 2


def _settings(unit: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_may_do_no_more_than_it_needs(unit: Path) -> None:
    found = _settings(unit)
    wanted = {name: [text] for name, text in HARDENED.items()}
    if "nats" in unit.name:  # it compiles nothing
        del wanted["CacheDirectoryMode"]
    assert {name: found.get(name) for name in wanted} == wanted
    assert "time-sync.target" in found["Wants"][0].split()  # it is in After already: both are needed
    assert int(found["MemoryMax"][0].removesuffix("G")) >= 1
    words = set(re.split("[-@.]", unit.name))
    if "nats" in words:  # it reports nothing: the workers ask it
        assert found["Type"] == ["exec"]
    else:
        watchdog_s = ["60" if "broker" in words else "30"]
        assert (found["Type"], found["WatchdogSec"]) == (["notify"], watchdog_s)


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == [
        "petroroad-broker", "petroroad-centre", "petroroad-gateway", "petroroad-nats", "petroroad-rsu@",
        "petroroad-worker@",
    ]  # fmt: skip


def test_a_process_reports_its_start_and_life(systemd: socket.socket, tmp_path: Path) -> None:
    """The real centre, as systemd starts it."""
    from petroroad.processes.ports import kept_port
    from tests.support.centre_site import write_site

    with kept_port() as port:
        site = write_site(tmp_path, broker="127.0.0.1:9", http=f"127.0.0.1:{port}")
        environ = os.environ | {
            "NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "300000", "PYTHONPATH": str(ROOT),
        }  # fmt: skip
        argv = (sys.executable, "-m", "petroroad", "centre", "--config", str(site))
        process = subprocess.Popen(argv, env=environ, stderr=subprocess.DEVNULL)
        systemd.settimeout(60.0)
        try:
            found = [systemd.recv(4_096).decode() for _ in range(3)]
            process.terminate()
            while found[-1] != "STOPPING=1":
                found.append(systemd.recv(4_096).decode())
        finally:
            process.kill()
            process.wait()
    alive = "WATCHDOG=1\nSTATUS=link not connected, flow not connected"
    assert sorted(set(found)) == ["READY=1", "STOPPING=1", alive]
