"""Terminals on the network need codes that nobody can guess: without a secret no gateway starts there."""

import asyncio
import dataclasses
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from core.errors import ConfigError
from edge.config import Site, load_site
from roadside.gateway.gateway import check_secret
from tests.support.centre_site import write_site

NETWORK, LOOPBACK = "jt808://0.0.0.0:7808", "jt808://127.0.0.1:7808"


def site(folder: Path, **gateway: object) -> Site:
    found = load_site(write_site(folder, broker="127.0.0.1:1", http="127.0.0.1:1"))
    changed = msgspec.structs.replace(found.config.gateway, **gateway)
    return dataclasses.replace(found, config=msgspec.structs.replace(found.config, gateway=changed))


@pytest.mark.parametrize(("gateway", "listener", "starts"), [
    ({}, LOOPBACK, True),
    ({}, "nmea://0.0.0.0:5000", True),  # a receiver of the site's own: it has no code
    ({}, NETWORK, False),
    ({"secret": "s" * 16}, NETWORK, True),
    ({"insecure": True}, NETWORK, True),
])  # fmt: skip
def test_who_needs_a_secret(tmp_path: Path, gateway: dict[str, object], listener: str, starts: bool) -> None:
    it = site(tmp_path, **gateway)
    if starts:
        check_secret(it, [listener])
        return
    with pytest.raises(ConfigError, match=r"gateway\.secret.*0\.0\.0\.0"):
        check_secret(it, [listener])


@pytest.mark.anyio
@pytest.mark.e2e
async def test_a_gateway_says_so_and_ends_with_2(tmp_path: Path) -> None:
    path = write_site(tmp_path, broker="127.0.0.1:1", http="127.0.0.1:1")
    text = path.read_text(encoding="utf-8")
    assert text.count("[gateway]\n") == 1
    path.write_text(text.replace("[gateway]\n", f'[gateway]\nlisteners = ["{NETWORK}"]\n'), encoding="utf-8")
    argv = (sys.executable, "-m", "petroroad", "gateway", "--config", str(path))
    ended = await asyncio.to_thread(
        subprocess.run, argv, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, "gateway.secret" in ended.stderr) == (2, True), ended.stderr
    assert "Traceback" not in ended.stderr
