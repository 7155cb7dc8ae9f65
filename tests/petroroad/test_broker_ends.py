"""When a broker's certificate ends, as the centre and Prometheus see it."""

import asyncio
import contextlib
import ssl
import time

import pytest

from edge.broker_ends import BrokerEnds, BrokerFault
from edge.link import LinkSettings
from edge.link_security import LinkSecurity
from edge.signing.site_guard import site_guard
from edge.tls import Holder, credentials
from petroroad.processes.broker_metrics import BrokerMetrics
from petroroad.processes.broker_security import server_tls
from tests.support.tls_site import FILES, issued, tls_site

pytestmark = pytest.mark.anyio
CENTRE = Holder("centre", "C1")


@contextlib.asynccontextmanager
async def shown(site):
    """A server that shows the broker's certificate; yields its address."""
    tls = server_tls(site, "broker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()


@pytest.mark.parametrize(
    ("days", "fault"), [(365, None), (20.5, "certificate_expires"), (1e-6, "certificate_expired")]
)
async def test_the_centre_sees_when_a_broker_s_certificate_ends(tmp_path, days, fault):
    site = tls_site(tmp_path, 1, "nats")
    issued(tmp_path, "broker", "broker", ("127.0.0.1",), days)
    async with shown(site) as address:
        it = BrokerEnds([address, ("127.0.0.1", 9)], credentials(site.config.mqtt, site.where, CENTRE))
        while days < 1e-3 and time.time() < server_tls(site, "broker").ends_s:
            await asyncio.sleep(0.01)
        await it.look()
    wanted = [] if fault is None else [BrokerFault("{}:{}".format(*address), fault)]
    assert it.faults(time.time() + 0.001) == wanted
    assert len(it.ends_s) == 1, "of one that does not answer nothing is known"


async def test_a_site_without_tls_has_nothing_to_look_at():
    it = BrokerEnds([("127.0.0.1", 9)], None)
    await it.run()
    assert not it.faults(time.time())


def test_the_broker_s_own_end_is_a_metric(tmp_path):
    tls = server_tls(tls_site(tmp_path, 1, "nats"), "broker")
    it = BrokerMetrics()
    assert "certificate_not_after_timestamp_seconds" not in it.samples()

    class Child:
        running = True
        process = type("Process", (), {"pid": 0})

    it.started(Child(), tls.ends_s)
    left_days = (it.samples()["certificate_not_after_timestamp_seconds"] - time.time()) / 86_400.0
    assert 364.0 < left_days <= 365.0


class Log:
    """Keeps what is logged."""

    def __init__(self):
        self.lines = []

    def warning(self, event, **facts):
        self.lines.append((event, facts))

    info = warning


def test_a_process_without_mqtt_links_names_whom_it_refuses_and_says_that_its_certificate_ends(tmp_path):
    site = tls_site(tmp_path, 1, "nats", files=FILES + 'parts_file = "pki/parts.pem"\n')
    issued(tmp_path, "worker", "w1", days=20.5)
    holder = Holder("worker", "w1")
    tls, guard = (
        credentials(site.config.mqtt, site.where, holder),
        site_guard(site.config.mqtt, site.where, holder),
    )
    log = Log()
    it = LinkSecurity(
        LinkSettings(addresses=(("127.0.0.1", 9),), client_id="w1", tls=tls, signing=guard), {}, log
    )
    guard.guard.accepts("v2x/v1/rsu/R1/violation/up", b"\x80")
    it.look()
    assert it.counts().items() >= {
        "tls.forged_messages": 1, "tls.certificate_expires": 1, "refused.unknown.missing": 1,
    }.items()  # fmt: skip
    assert any(event == "signature.refused" and facts["claimed"] == "unknown" for event, facts in log.lines)
