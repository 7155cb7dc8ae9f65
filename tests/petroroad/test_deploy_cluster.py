"""The cluster's files in `deploy/cluster` as shipped: three nodes with TLS, that admit right flows only."""

import asyncio
import json
import ssl

import nats
import pytest

from edge.queues import inbox_of
from petroroad.processes.children import start
from petroroad.processes.cluster import node_spec
from tests.support.cluster import FILES, cluster
from tests.support.tls_links import only_right_flows

pytestmark = [pytest.mark.anyio, pytest.mark.e2e]
UP, ACK = "v2x/v1/rsu/R1/violation/up", "v2x/v1/rsu/R1/violation/ack"


def context_of(folder, role, name):
    found = ssl.create_default_context(cafile=folder / "pki" / "ca.crt")
    found.load_cert_chain(folder / "pki" / f"{role}-{name}.crt", folder / "pki" / f"{role}-{name}.key")
    return found


async def connected(folder, ports, role, name):
    async def quiet(_error):
        pass

    prefix = inbox_of(name).encode()
    return await nats.connect(
        [f"tls://127.0.0.1:{each.clients}" for each in ports], tls=context_of(folder, role, name),
        inbox_prefix=prefix, allow_reconnect=False, connect_timeout=5, error_cb=quiet,
    )  # fmt: skip


async def test_the_shipped_files_make_a_cluster_that_admits_right_flows_only(tmp_path):
    async with cluster(tmp_path, files=FILES) as (site, ports, _):
        await only_right_flows(site)
        await _workers_only(tmp_path, ports)
        await _no_false_node(tmp_path, ports)


async def _workers_only(folder, ports):
    """The port for NATS clients admits workers, and those to their queues only."""
    with pytest.raises(nats.errors.Error):
        await connected(folder, ports, "rsu", "R1")
    with pytest.raises((nats.errors.Error, ssl.SSLError, ConnectionError)):
        async with asyncio.timeout(10.0):
            await nats.connect(f"nats://127.0.0.1:{ports[0].clients}", allow_reconnect=False)
    worker = await connected(folder, ports, "worker", "w1")
    try:
        asked = await worker.request("$JS.API.STREAM.INFO.petroroad-violations", b"", timeout=5)
        assert json.loads(asked.data)["error"]["err_code"] == 10059  # it may ask; there is none yet
        for subject in ("$JS.API.STREAM.INFO.$MQTT_msgs", "$JS.API.STREAM.LIST"):
            with pytest.raises(nats.errors.TimeoutError):
                await worker.request(subject, b"", timeout=0.3)
    finally:
        await worker.close()


async def _no_false_node(folder, ports):
    """An RSU's certificate is let into no route, though the authority is the same."""
    false = {
        "NATS_NODE": "forged", "NATS_STORE": str(folder / "forged"),
        "NATS_LISTEN": "127.0.0.1:-1", "NATS_MQTT": "127.0.0.1:-1", "NATS_ROUTES": "127.0.0.1:-1",
        "NATS_CERT": str(folder / "pki" / "rsu-R1.crt"), "NATS_KEY": str(folder / "pki" / "rsu-R1.key"),
    }  # fmt: skip
    spec = node_spec(folder, 1, ports, false)
    child = await start(spec)
    try:
        async with asyncio.timeout(15.0):
            while "Authorization Violation" not in (text := spec.log.read_text()):
                await asyncio.sleep(0.05)
        assert "Route connection created" in text  # it reached the node that refused it
    finally:
        await child.stop(0.5)
