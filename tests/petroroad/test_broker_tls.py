"""Embedded brokers with TLS: who gets in, who may publish and read what, and what others can't do."""

import asyncio
import contextlib
import itertools
import json
import stat
import subprocess
import sys

import pytest

from core.errors import ConfigError
from edge.config import address_of
from edge.identity import ROLES
from edge.link import link_settings
from petroroad.cli import run
from petroroad.processes.broker import broker_spec, start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.ports import kept_port
from tests.support.tls_links import KINDS, linked, refusal, serving, settings_of, skip_without
from tests.support.tls_site import FILES, PARTS, issued, plain_site, revoked, tls_site

pytestmark = pytest.mark.anyio

# Written by hand from docs/design.md section 7, not by edge.rights: topic: (who may publish, who may read)
CENTRE, ALL_READ = {"C1"}, {"C1", "operator"}
RSU_TOPICS = {
    "violation/up": (None, set()), "journey/up": (None, set()), "track/up": (None, set()),
    "status": (None, None), "epoch/down": (CENTRE, None), "clock/req": (None, set()),
    "violation/ack": (CENTRE, None),
    "violation/ask": (CENTRE, None), "journey/ack": (CENTRE, None), "clock/rsp": (CENTRE, None),
    "gnss/down": ({"G1"}, None), "config/down": ({"C1", "operator"}, None), "command/down": (CENTRE, None),
    "command/up": (None, set()),
}  # fmt: skip
OTHERS = {
    "v2x/v1/rsu/R1/handover/R2": ({"R1"}, {"R2"}),
    "v2x/v1/rsu/R2/handover/R1/ack": ({"R2"}, {"R1"}),
    "v2x/v1/rsu/R1/handover/R3": (set(), set()),  # no neighbours
    "v2x/v1/rsu/R3/handover/R1/ack": (set(), set()),
    "v2x/v1/gateway/G1/status": ({"G1"}, set()),
    "v2x/v1/gateway/G1/command/up": ({"G1"}, set()),
    "v2x/v1/gateway/G1/clock/req": ({"G1"}, set()),
    "v2x/v1/gateway/G1/command/down": ({"C1", "operator"}, {"G1"}),
    "v2x/v1/gateway/G1/clock/rsp": (CENTRE, {"G1"}),
    "v2x/v1/gateway/G2/status": (set(), set()),
    "v2x/v1/centre/C1/status": (CENTRE, {"R1", "R2", "R3", "G1"}),
    "v2x/v1/centre/C2/status": (set(), {"R1", "R2", "R3", "G1"}),
    "v2x/v1/vehicle/139/gnss/up": (set(), {"G1"}),
    "other": (set(), set()),
}  # fmt: skip


def wanted_rights():
    """Return topic: (writers, readers)."""
    table = {topic: (writers, readers | ALL_READ) for topic, (writers, readers) in OTHERS.items()}
    table["other"] = (set(), set())
    for esn, (tail, (writers, readers)) in itertools.product(("R1", "R2", "R3"), RSU_TOPICS.items()):
        own = {esn}
        table[f"v2x/v1/rsu/{esn}/{tail}"] = (
            own if writers is None else writers,
            (own if readers is None else readers) | ALL_READ,
        )
    return table


@pytest.mark.parametrize("kind", KINDS)
async def test_each_part_publishes_and_reads_its_own_topics_only(tmp_path, kind):
    """PUBACK proves nothing: what came through is what others received."""
    table = wanted_rights()
    received = {name: set() for _, name in PARTS}

    def receiver(name):
        return lambda topic, payload, _retained: received[name].add((topic, payload.decode()))

    async with serving(tmp_path, kind) as (site, _), contextlib.AsyncExitStack() as stack:
        links = {}
        for role, name in PARTS:
            link = linked(
                settings_of(site, role, name),
                subscriptions=[(topic, 1) for topic in [*table, "$MQTT/#", "$MQTT/sub/#", "#"]],
                on_message=receiver(name),
            )
            links[name] = await stack.enter_async_context(link)
        for link in links.values():
            await asyncio.wait_for(link.up.wait(), 15.0)
        for topic, (name, link) in itertools.product(table, links.items()):
            while not link.publish(topic, name.encode(), qos=1):
                await asyncio.sleep(0.01)
        end = "v2x/v1/centre/C1/status"  # published last, by one who may, and read by all
        links["C1"].publish(end, b"end")
        async with asyncio.timeout(20.0):
            while not all((end, "end") in got for got in received.values()):
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)  # what others published is on its own connections
    for name, got in received.items():
        wanted = {
            (topic, writer)
            for topic, (writers, readers) in table.items()
            for writer in writers
            if name in readers
        }
        assert {(topic, writer) for topic, writer in got if writer != "end"} == wanted, name


@pytest.mark.parametrize("kind", KINDS)
async def test_a_stranger_is_refused_and_learns_why(tmp_path, kind):
    async with serving(tmp_path, kind) as (site, port):
        good = settings_of(site, "rsu", "R1")
        without = plain_site(tmp_path / "w", f"127.0.0.1:{port}", kind, 'ca_file = "../pki/ca.crt"\n')
        assert await refusal(link_settings(without.config.mqtt, "x", without.where)) in (
            "our_missing", "our_refused",
        )  # fmt: skip
        other = tls_site(tmp_path / "other", port, kind)
        assert await refusal(settings_of(other, "rsu", "R1")) == "broker_unknown_authority"
        (tmp_path / "other" / "pki" / "ca.crt").write_bytes((tmp_path / "pki" / "ca.crt").read_bytes())
        (tmp_path / "other" / "pki" / "crl.pem").write_bytes((tmp_path / "pki" / "crl.pem").read_bytes())
        assert await refusal(settings_of(other, "rsu", "R1")) in ("our_unknown_authority", "our_refused")
        async with linked(good) as link:
            await asyncio.wait_for(link.up.wait(), 15.0)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_expired_certificate_is_refused_and_named(tmp_path, kind):
    async with serving(tmp_path, kind) as (site, _):
        issued(tmp_path, "rsu", "R1", days=1e-9)
        settings = settings_of(site, "rsu", "R1")
        assert settings.tls.faults() == ("certificate_expired",)
        assert await refusal(settings) in ("our_expired", "our_refused")
        issued(tmp_path, "rsu", "R1", days=29)
        assert settings.tls.refresh() == "other_certificate"
        assert settings.tls.faults() == ("certificate_expires",)


@pytest.mark.parametrize("kind", KINDS)
async def test_who_has_no_rights_is_refused_by_name(tmp_path, kind):
    """An RSU that the site file no longer has: its certificate is good, its name is nobody's."""
    async with serving(tmp_path, kind) as (site, _):
        issued(tmp_path, "rsu", "R9")
        received = []
        settings = settings_of(site, "rsu", "R9")
        centre = linked(
            settings_of(site, "centre", "C1"),
            subscriptions=[("v2x/v1/rsu/R9/violation/up", 1)],
            on_message=lambda *message: received.append(message),
        )
        async with centre as reader, linked(settings) as link:
            await asyncio.wait_for(reader.up.wait(), 15.0)
            for _ in range(20):
                link.publish("v2x/v1/rsu/R9/violation/up", b"x")
                await asyncio.sleep(0.05)
        assert received == []


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_revoked_stays_out(tmp_path, kind):
    skip_without(kind)
    with kept_port() as port:
        site = tls_site(tmp_path, port, kind)
        revoked(tmp_path, "rsu", "R1")
        child = await start_broker(kind, tmp_path, "127.0.0.1", port, server_tls(site, "broker"))
        try:
            cause = await refusal(settings_of(site, "rsu", "R1"))
            assert cause in (("our_revoked",) if kind == "mosquitto" else ("closed_at_once",))
            async with linked(settings_of(site, "rsu", "R2")) as link:
                await asyncio.wait_for(link.up.wait(), 15.0)
            issued(tmp_path, "rsu", "R1")  # the repaired unit
            await child.stop(2.0)
            child = await start_broker(kind, tmp_path, "127.0.0.1", port, server_tls(site, "broker"))
            async with linked(settings_of(site, "rsu", "R1")) as link:
                await asyncio.wait_for(link.up.wait(), 15.0)
        finally:
            await child.stop(2.0)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_broker_of_another_kind_is_refused_by_its_clients(tmp_path, kind):
    """An RSU's certificate on a server, a revoked broker, a broker of another name."""
    skip_without(kind)
    with kept_port() as port:
        site = tls_site(tmp_path, port, kind, host="localhost")
        tls = server_tls(site, "broker")
        for suffix in ("crt", "key"):
            target = tmp_path / "pki" / f"broker-broker.{suffix}"
            target.write_bytes((tmp_path / "pki" / f"rsu-R2.{suffix}").read_bytes())
        child = await start_broker(kind, tmp_path, "127.0.0.1", port, tls)
        assert await refusal(settings_of(site, "rsu", "R1")) == "broker_wrong_use"
        await child.stop(2.0)
        issued(tmp_path, "broker", "broker")
        revoked(tmp_path, "broker", "broker")
        child = await start_broker(kind, tmp_path, "127.0.0.1", port, tls)
        assert await refusal(settings_of(site, "rsu", "R1")) == "broker_revoked"
        await child.stop(2.0)
        issued(tmp_path, "broker", "elsewhere", ("10.1.2.3",))
        for suffix in ("crt", "key"):
            target = tmp_path / "pki" / f"broker-broker.{suffix}"
            target.write_bytes((tmp_path / "pki" / f"broker-elsewhere.{suffix}").read_bytes())
        child = await start_broker(kind, tmp_path, "127.0.0.1", port, tls)
        assert await refusal(settings_of(site, "rsu", "R1")) == "broker_other_name"
        await child.stop(2.0)


async def said_to_nats_client(url, login):
    """Speak NATS to a server: log in and subscribe to all; return what it says."""
    reader, writer = await asyncio.open_connection(*address_of(url))
    hello = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1} | login
    writer.write(b"CONNECT " + json.dumps(hello).encode() + b"\r\nSUB > 1\r\nPING\r\n")
    try:
        async with asyncio.timeout(30.0):
            return (await reader.read()).decode()  # up to the end: it leaves us
    finally:
        writer.close()


@pytest.mark.parametrize("secure", [True, False])
async def test_the_port_of_nats_clients_is_nobodys(tmp_path, secure):
    """It lies open beside the one for MQTT: without a password, anyone here could empty the streams."""
    with kept_port() as port:
        tls = server_tls(tls_site(tmp_path, port, "nats"), "broker") if secure else None
        child = await start_broker("nats", tmp_path, "127.0.0.1", port, tls)
        try:
            (ports,) = (tmp_path / "broker").glob("*.ports")
            url = json.loads(ports.read_text())["nats"][0]
            assert "127.0.0.1" in url
            for login in (
                {},
                {"user": "petroroad-setup", "pass": "guess"},
                {"user": "anonymous-mqtt"},
                {"user": "anonymous-mqtt", "pass": ""},
                {"user": "urn:petroroad:test:centre:C1"},
                {"user": "urn:petroroad:test:centre:C1", "pass": ""},
            ):
                assert "Authorization Violation" in await said_to_nats_client(url, login)
            for path in (tmp_path / "broker").glob("*.*"):
                if path.suffix in (".conf", ".password"):
                    assert stat.S_IMODE(path.stat().st_mode) == 0o600
        finally:
            await child.stop(2.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "broker.example"])
def test_an_embedded_broker_serves_the_network_with_tls_only(tmp_path, kind, host, capsys):
    with pytest.raises(ConfigError, match="TLS"):
        broker_spec(kind, tmp_path, host, 1883)
    address = f"[{host}]" if ":" in host else host
    state = str(tmp_path / "state")
    assert run(["broker", "--listen", f"{address}:1883", "--kind", kind, "--state", state]) == 2
    assert "serves the network with TLS only" in capsys.readouterr().err


@pytest.mark.e2e
async def test_a_running_broker_cuts_off_what_is_revoked(tmp_path):
    """The others are back within seconds."""
    with kept_port() as port:
        site = tls_site(tmp_path, port, "nats")
        argv = [sys.executable, "-m", "petroroad", "broker", "--config", site.where]
        with (tmp_path / "said").open("wb") as said:
            broker = subprocess.Popen([*argv, "--state", str(tmp_path)], stderr=said)
        try:
            first = linked(settings_of(site, "rsu", "R1"))
            async with first as stays, linked(settings_of(site, "rsu", "R2")) as leaves:
                for link in (stays, leaves):
                    await asyncio.wait_for(link.up.wait(), 30.0)
                    link.up.clear()
                revoked(tmp_path, "rsu", "R2")
                await asyncio.wait_for(stays.up.wait(), 30.0)
                async with asyncio.timeout(15.0):
                    while "link.refused.closed_at_once" not in leaves.counts:
                        await asyncio.sleep(0.05)
                assert not leaves.connected
                assert stays.connected
                assert broker.poll() is None
            assert "starting anew" in (tmp_path / "said").read_text()
        finally:
            broker.terminate()
            assert broker.wait(10.0) == 0


def test_a_broker_needs_a_certificate_of_its_own(tmp_path):
    site = tls_site(tmp_path, 1, "nats", files=FILES.replace("{role}-{name}", "rsu-R1"))
    with pytest.raises(ConfigError, match="that of rsu R1, and this is broker broker"):
        server_tls(site, "broker")


def test_nats_needs_the_index_to_refuse_what_is_revoked(tmp_path):
    site = tls_site(tmp_path, 1, "nats")
    (tmp_path / "pki" / "index.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"index\.jsonl"):
        server_tls(site, "broker")


def test_the_access_list_is_written_for_both_kinds(tmp_path, capsys):
    site = tls_site(tmp_path, 1, "nats")
    for kind, line in (
        ("mosquitto", "topic write v2x/v1/rsu/R1/handover/R2"),
        ("nats", 'user: "urn:petroroad:test:rsu:R1"'),
    ):
        out = tmp_path / kind
        asked = ["pki", "acl", site.where, "--kind", kind, "--dir", str(tmp_path / "pki")]
        assert run([*asked, "--out", str(out)]) == 0
        assert line in out.read_text()
        assert run(asked) == 0
        assert capsys.readouterr().out == out.read_text()


def test_roles_are_spelt_alike():
    assert {role for role, _ in PARTS} < set(ROLES)
