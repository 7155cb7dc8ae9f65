"""What `doctor` says of the centres on a real broker, and of who acknowledged last."""

import asyncio
import time

import pytest

from edge import topics, wire
from edge.centre_status import CentreSeen
from edge.config import load_site
from petroroad.doctor.centre_checks import centre_checks
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.ports import kept_port
from tests.support.centre_samples import status
from tests.support.centre_site import write_site
from tests.support.delivery import StubCentre, broker
from tests.support.tls_links import KINDS, skip_without
from tests.support.tls_site import tls_site

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
ACKED_NS = 1_790_000_000 * 10**9


async def test_it_names_the_centres_and_who_acknowledged_last(tmp_path):
    async with broker(tmp_path) as port:
        site = load_site(write_site(tmp_path, broker=f"127.0.0.1:{port}", http="127.0.0.1:1"))
        found = await checks(site)
        assert found["centre.centre"][0] == "warn"
        assert "never started" in found["centre.centre"][1]
        centre, stranger = StubCentre(port), StubCentre(port, centre="stranger", database="db-2")
        await centre.start()
        await stranger.start()
        seen = (
            CentreSeen(centre="centre", state="online", acked_ns=ACKED_NS, since_ns=ACKED_NS - 10**9),
            CentreSeen(centre="stranger", state="online", acked_ns=ACKED_NS - 10**10, since_ns=1),
        )
        word = wire.encode(status(centres=seen))
        assert centre.link.publish(topics.status("RSU20"), word, retain=True)
        assert await centre.link.publish_confirmed("after/it", b""), "the broker has what was sent before"
        found = await checks(site)
        assert found["centre.centre"][0] == "ok"
        assert "database db-1" in found["centre.centre"][1]
        assert found["clock.centre"][0] == "ok"
        assert found["peers.rsus"][0] == "warn"
        assert "0 of 9 send heartbeats" in found["peers.rsus"][1]
        assert "RSU20 is silent" in found["peers.rsus"][1]
        assert "GW1 has no status" in found["peers.gateway"][1]
        assert found["centre.stranger"][0] == "warn"
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ACKED_NS // 10**9))
        assert f"by centre at {when}" in found["RSU20.centre"][1]
        await stranger.kill()
        await centre.kill()
        found = await checks(site)
        assert (found["centre.centre"][0], found["centre.centre"][1][:7]) == ("warn", "offline")
    found = await checks(site)
    assert found == {"centre": ("warn", "no broker was reached: not known")}


TRIES = 20  # a busy machine may need longer for one look than `doctor` waits


async def checks(site) -> dict:
    return {one.name: (one.level, one.detail) for one in await asyncio.to_thread(centre_checks, site)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("kept", "peers"),
    [("rsu-R1", ("peers", "ok")), ("operator-operator", ("peers.rsus", "warn")), (None, None)],
)
async def test_with_certificates_it_looks_as_a_part_whose_pair_is_here(tmp_path, kind, kept, peers):
    """A pole has its own pair alone, which may not read what other RSUs report."""
    skip_without(kind)
    with kept_port() as port:
        site = tls_site(tmp_path, port, kind)
    child = await start_broker(kind, tmp_path / "run", "127.0.0.1", port, server_tls(site, "broker"))
    try:
        for path in (tmp_path / "pki").glob("*-*.crt"):
            if path.stem != kept:
                path.unlink()
        for _ in range(TRIES):
            found = await checks(site)
            if found.get("centre") != ("warn", "no broker was reached: not known"):
                break
    finally:
        await child.stop(1.0)
    if peers is None:
        assert found == {
            "centre": ("warn", "no part has its certificate on this machine: not known"),
        }
        return
    assert "centre.C1" in found, found
    assert found["centre.C1"][0] == "warn"
    assert "never started" in found["centre.C1"][1]
    assert found[peers[0]][0] == peers[1]
