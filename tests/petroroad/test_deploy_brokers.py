"""The brokers' files in `deploy/` as shipped, but for folders and port: only right flows pass."""

import asyncio
import re
from pathlib import Path

import pytest

from petroroad.cli import run
from petroroad.processes.broker import program
from petroroad.processes.broker_files import MOSQUITTO, NATS
from petroroad.processes.children import ChildSpec, start
from petroroad.processes.ports import kept_port
from tests.support.tls_links import linked, only_right_flows, refusal, settings_of, skip_without
from tests.support.tls_site import revoked, tls_site

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.anyio
# what the shipped files' own comments say that makes the files beside them
MADE = {
    "nats": ["--out", "nats-users.conf", "--pins", "nats-pins.conf"],
    "mosquitto": ["--out", "mosquitto.acl"],
}
REFUSED = {"nats": "closed_at_once", "mosquitto": "our_revoked"}


async def shipped(tmp_path, kind, port, site):
    """Start a broker of the shipped file; what it names lies in tmp_path."""
    text = (ROOT / "deploy" / f"{kind}.conf").read_text()
    made = [word if word.startswith("--") else str(tmp_path / word) for word in MADE[kind]]
    assert run(["pki", "acl", site.where, "--kind", kind, "--dir", str(tmp_path / "pki"), *made]) == 0
    assert kind != "nats" or f"--kind nats {' '.join(MADE[kind])}" in text
    moves = [("/etc/petroroad", tmp_path), ("/var/lib/petroroad", tmp_path), ("0.0.0.0", "127.0.0.1")]
    for old, new in [*moves, ("8883", port), ("port: 4222", "port: -1")]:
        assert str(old) in text or old in ("/var/lib/petroroad", "port: 4222"), old
        text = text.replace(str(old), str(new))
    config = tmp_path / f"{kind}.conf"
    config.write_text(text + ("" if kind == "nats" else "user root\n"))
    return await start(
        ChildSpec(name="broker", argv=(program(kind), "-c", str(config)), log=tmp_path / "log")
    )


@pytest.mark.parametrize(
    ("kind", "ours"),
    [("nats", NATS), ("mosquitto", MOSQUITTO)],
)
def test_the_shipped_files_have_every_limit_of_the_embedded_broker(kind, ours):
    def limits(text):
        return set(re.findall(r"\bmax_\w+:? [0-9]\w*|message_size_limit \d+", text))

    assert len(limits(ours)) >= 4
    assert limits(ours) <= limits((ROOT / "deploy" / f"{kind}.conf").read_text())


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_the_shipped_files_admit_right_flows_only(tmp_path, kind):
    skip_without(kind)
    with kept_port() as port:
        site = tls_site(tmp_path, port, kind)
        child = await shipped(tmp_path, kind, port, site)
        try:
            await only_right_flows(site)
        finally:
            await child.stop(2.0)


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_a_revoked_part_is_refused_once_the_documented_files_are_made_anew(tmp_path, kind):
    skip_without(kind)
    with kept_port() as port:
        site = tls_site(tmp_path, port, kind)
        revoked(tmp_path, "rsu", "R1")
        child = await shipped(tmp_path, kind, port, site)
        try:
            assert await refusal(settings_of(site, "rsu", "R1")) == REFUSED[kind]
            async with linked(settings_of(site, "rsu", "R2")) as other:
                await asyncio.wait_for(other.up.wait(), 20.0)
        finally:
            await child.stop(2.0)
