"""Links of the parts of `tls_site` to a real broker, for tests of who gets in and who does not."""

import asyncio
import contextlib

import pytest

from edge.link import Link, link_settings
from edge.tls import Holder
from petroroad.processes.broker import start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.ports import kept_port
from tests.conftest import find_program
from tests.support.tls_site import FILES, tls_site

KINDS = ("nats", "mosquitto")


def skip_without(kind):
    if kind == "mosquitto" and find_program("mosquitto") is None:
        pytest.skip("mosquitto is not installed")


@contextlib.asynccontextmanager
async def serving(tmp_path, kind, files=FILES):
    """A broker with TLS; yields its site and port."""
    skip_without(kind)
    with kept_port() as port:
        site = tls_site(tmp_path, port, kind, files=files)
        child = await start_broker(kind, tmp_path, "127.0.0.1", port, server_tls(site, "broker"))
        try:
            yield site, port
        finally:
            await child.stop(2.0)


@contextlib.asynccontextmanager
async def linked(settings, **options):
    """A running link; `up` says when it is connected."""
    up = asyncio.Event()
    link = Link(settings, on_up=up.set, **options)
    task = asyncio.create_task(link.run())
    link.up = up
    try:
        yield link
    finally:
        task.cancel()
        await asyncio.wait([task])


def settings_of(site, role, name, client_id=None):
    return link_settings(site.config.mqtt, client_id or f"{role}-{name}", site.where, Holder(role, name))


async def refusal(settings):
    """Return the first cause that a link finds why it is refused."""
    found = asyncio.get_running_loop().create_future()
    async with linked(settings) as link:
        link.on_refused = lambda _address, cause: found.done() or found.set_result(cause)
        async with asyncio.timeout(15.0):
            cause = await found
        assert not link.up.is_set()
        assert link.counts[f"link.refused.{cause}"] >= 1
    return cause


async def only_right_flows(site):
    """Send forged and right messages through the site's broker; only the right one reaches the centre."""
    up, received = "v2x/v1/rsu/R1/violation/up", []
    async with contextlib.AsyncExitStack() as stack:
        options = {
            "subscriptions": [("v2x/v1/#", 1)],
            "on_message": lambda topic, payload, _retained: received.append((topic, payload)),
        }
        centre = await stack.enter_async_context(linked(settings_of(site, "centre", "C1"), **options))
        rsu = await stack.enter_async_context(linked(settings_of(site, "rsu", "R1")))
        for link in (centre, rsu):
            await asyncio.wait_for(link.up.wait(), 20.0)
        # A cluster keeps a message for whom it knows to ask for it, and another node may learn of a new
        # subscription after the one that has answered it: as an RSU does, send until one has arrived
        async with asyncio.timeout(30.0):
            while not received:
                rsu.publish(up, b"first")
                await asyncio.sleep(0.2)
        rsu.publish("v2x/v1/rsu/R2/violation/up", b"forged")
        rsu.publish("v2x/v1/rsu/R1/violation/ack", b"forged")
        rsu.publish(up, b"right")
        async with asyncio.timeout(10.0):
            while (up, b"right") not in received:
                await asyncio.sleep(0.02)
    assert {payload for _, payload in received} == {b"first", b"right"}  # QoS 1 keeps a connection's order
