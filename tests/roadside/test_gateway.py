"""The gateway: with a fake link, and as a process between a real terminal's socket and a real broker."""

import asyncio
import json
from contextlib import suppress

import aiomqtt
import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from edge import topics, wire
from edge.clock import Clock
from edge.config import parse_site
from edge.gnss_down import read_down
from edge.service import Presence
from edge.wire import GnssFix
from petroroad.processes.broker import start_broker
from petroroad.processes.ports import kept_port
from roadside.devices.jt808.client import Client
from roadside.gateway import process as gateway_process
from roadside.gateway.gateway import Gateway
from tests.support.examples import examples
from tests.support.hostile import POISON
from tests.support.site_text import HEAD, rsu_text

pytestmark = pytest.mark.anyio
TERMINAL = "13900000001"
NOW_NS = 1_790_000_000 * 10**9
LON_AT_A, LON_AT_B = 122.003, 122.012  # 250 m and 1 010 m along the road
MAP = json.dumps(
    {
        "type": "FeatureCollection", "name": "test", "datum": "CGCS2000", "epoch": 2000.0, "version": "1",
        "features": [
            {
                "type": "Feature",
                "properties": {"kind": "axis", "road": "main", "k0_m": 0.0},
                "geometry": {"type": "LineString", "coordinates": [[122.0, 41.0], [122.024, 41.0]]},
            }
        ],
    }
)  # fmt: skip
SITE = (
    HEAD
    + rsu_text("A", 122.006, 0.0, 1000.0)
    + rsu_text("B", 122.018, 1000.0, 2000.0)
    + """[gateway]
id = "GW1"
listeners = ["{listener}"]
accept_unknown = {accept_unknown}
[mqtt]
brokers = ["127.0.0.1:{broker}"]
[[vehicle]]
terminal = "13900000001"
class = "hazmat"
length_m = 16.0
width_m = 2.5
"""
)


def site(listener: str = "jt808://127.0.0.1:1", accept_unknown: str = "true", broker: int = 1):
    text = SITE.format(listener=listener, accept_unknown=accept_unknown, broker=broker)
    return parse_site(text, MAP, None, "site.toml", {})


def fix(lon_deg: float = LON_AT_A, *, terminal: str = TERMINAL, seq: int | None = None, **more) -> GnssFix:
    return GnssFix(
        terminal=terminal,
        stamp_ns=NOW_NS,
        source_seq=seq,
        lon_deg=lon_deg,
        lat_deg=41.0,
        quality="single",
        **more,
    )


class Sent:
    """A link that takes everything."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, int, bool]] = []

    def __call__(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> bool:
        self.messages.append((topic, payload, qos, retain))
        return True

    def downs(self, esn: str) -> list[wire.GnssDown]:
        return [wire.decode_down(body) for topic, body, *_ in self.messages if topic == topics.gnss_down(esn)]


def gateway(**more) -> tuple[Gateway, Sent]:
    sent = Sent()
    return Gateway(site(**more), Clock.paced(NOW_NS), sent), sent


async def test_a_burst_in_one_turn_of_the_loop_costs_no_fix():
    made, sent = gateway()
    for i in range(2 * wire.FIXES_MAX):  # as when every terminal reports on the GNSS second
        made.queue([fix(LON_AT_A, terminal=f"T{i}", arrived_ns=NOW_NS)])
    made.flush()
    assert made.counts["fix.full"] == 0
    received = [terminal for down in sent.downs("A") for terminal in down.fixes.terminal]
    assert received == [f"T{i}" for i in range(2 * wire.FIXES_MAX)]


async def test_a_stored_batch_longer_than_what_may_wait_costs_no_fix():
    made, sent = gateway()
    made.queue([fix(terminal=f"T{i}", arrived_ns=NOW_NS) for i in range(2 * wire.FIXES_MAX)])
    made.flush()
    assert made.counts["fix.full"] == 0
    assert sum(len(down.fixes) for down in sent.downs("A")) == 2 * wire.FIXES_MAX


async def test_fix_goes_to_the_rsus_of_its_stretch_at_qos_0():
    made, sent = gateway()
    made.queue([fix(LON_AT_A, arrived_ns=NOW_NS), fix(LON_AT_B, seq=1, arrived_ns=NOW_NS)])
    made.flush()
    assert [down.fixes.lon_deg for down in sent.downs("A")] == [(LON_AT_A, LON_AT_B)]  # B's is in the overlap
    assert [down.fixes.lon_deg for down in sent.downs("B")] == [(LON_AT_B,)]
    assert {(qos, retain) for *_, qos, retain in sent.messages} == {(0, False)}


async def test_a_report_by_mqtt_displaces_no_terminal_that_is_connected_and_reports(monkeypatch):
    made, sent = gateway()
    monkeypatch.setattr(
        made.server, "is_taken", lambda terminal, address: (terminal, address) == (TERMINAL, "MQTT")
    )
    made.subscriptions.receive(topics.vehicle_gnss_up(TERMINAL), wire.encode(fix()), False)
    made.flush()
    assert made.counts["terminal.live"] == 1
    assert not sent.downs("A")


async def test_on_board_unit_reports_by_mqtt_under_its_own_name():
    made, sent = gateway()
    up = topics.vehicle_gnss_up
    made.subscriptions.receive(
        up(TERMINAL), wire.encode(fix(arrived_ns=10**18)), False
    )  # whatever it says of arrival
    made.subscriptions.receive(up("13900000002"), wire.encode(fix()), False)
    made.subscriptions.receive(up(TERMINAL), b"\xc1", False)
    made.subscriptions.receive(up(TERMINAL), wire.encode(fix(seq=2)), True)
    made.subscriptions.receive("other/topic", b"", False)
    made.flush()
    (down,) = sent.downs("A")
    assert len(down.fixes) == 1
    assert down.fixes.arrived_ns[0] >= NOW_NS
    assert {k: n for k, n in made.counts.items() if not k.startswith("fix.")} == {
        "vehicle.other_terminal": 1, "vehicle.malformed": 1, "message.stray": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "body", [b"\x91" * 100_000 + b"\xc0", b"\x81\xa8terminal\xa1\xff", b"\x81\xa2id\xa1\xff", b""]
)
async def test_garbage_from_the_broker_is_counted(body):
    made, _ = gateway()
    made.subscriptions.receive(topics.vehicle_gnss_up(TERMINAL), body, False)
    made.subscriptions.receive(topics.gateway_command_down("GW1"), body, False)
    assert made.counts == {"vehicle.malformed": 1, "command.malformed": 1}


@settings(max_examples=examples(40))
@given(name=st.sampled_from(GnssFix.__struct_fields__), value=st.sampled_from(POISON))
def test_an_on_board_unit_s_nonsense_costs_its_own_report_only(name, value):
    """Refused or routed: its neighbour in the same flush gets through, and every message can be read."""
    made, sent = gateway()
    report = msgspec.to_builtins(fix()) | {name: value}
    made.subscriptions.receive(topics.vehicle_gnss_up(TERMINAL), msgpack.packb(report), False)
    made.subscriptions.receive(
        topics.vehicle_gnss_up("13900000002"), wire.encode(fix(terminal="13900000002")), False
    )
    made.flush()
    read = [read_down(body) for topic, body, *_ in sent.messages if topic == topics.gnss_down("A")]
    assert [n_refused for _, n_refused in read] == [0] * len(read)
    assert "13900000002" in [terminal for down, _ in read for terminal in down.fixes.terminal]


async def test_unknown_on_board_unit_is_refused_where_the_setting_says_so():
    made, sent = gateway(accept_unknown="false")
    made.subscriptions.receive(topics.vehicle_gnss_up("T9"), wire.encode(fix(terminal="T9")), False)
    made.subscriptions.receive(topics.vehicle_gnss_up(TERMINAL), wire.encode(fix()), False)
    made.flush()
    assert [down.fixes.terminal for down in sent.downs("A")] == [(TERMINAL,)]
    assert made.counts["terminal.refused"] == 1


async def test_every_rsu_learns_that_the_gateway_lives():
    made, sent = gateway()
    made.beat()
    made.beat()
    assert [(len(sent.downs(esn)), len(sent.downs(esn)[0].fixes)) for esn in ("A", "B")] == [(1, 0), (1, 0)]


async def test_status_is_retained_and_whole():
    made, _ = gateway()
    made.link_counts = lambda: {"link.down": 3}
    made.queue([fix(), fix()])
    topic, payload, qos, retain = made.status(Presence("offline", 4, None, 77))
    plain = msgpack.unpackb(payload)
    assert (topic, qos, retain) == ("v2x/v1/gateway/GW1/status", 1, True)
    assert (plain["state"], plain["epoch"], plain["connection"], plain["terminals"]) == (
        "offline", NOW_NS // 10**9, 4, 0,
    )  # fmt: skip
    assert plain["counts"] == {"fix.duplicate": 1, "fix.taken": 1, "link.down": 3}


async def test_command_for_nobody_is_answered():
    made, sent = gateway()
    command = msgpack.packb({"id": "c1", "kind": "text", "terminal": TERMINAL, "text": "x"})
    made.subscriptions.receive(topics.gateway_command_down("GW1"), command, False)
    ((topic, payload, qos, _),) = sent.messages
    assert (topic, qos) == ("v2x/v1/gateway/GW1/command/up", 1)
    assert msgpack.unpackb(payload)["outcome"] == "not_connected"


async def test_lost_link_is_counted():
    made, _ = gateway()
    made.publish = lambda *_, **__: False
    made.queue([fix()])
    made.flush()
    assert made.counts["fix.unsent"] == 1


async def test_listener_of_another_kind_is_the_operators_error():
    with pytest.raises(ConfigError, match=r"gateway\.listeners\[0\]: must be jt808"):
        await gateway_process.run(site("nmea://127.0.0.1:1"), Clock.wall())


def test_a_listener_that_is_not_open_is_in_the_status():
    made, _ = gateway()
    assert "degraded" not in msgpack.unpackb(made.status(Presence("online", 1, None, 77)).payload)
    made.faults = lambda: ("port_closed",)
    assert msgpack.unpackb(made.status(Presence("online", 1, None, 77)).payload)["degraded"] == [
        "port_closed"
    ]


def test_site_without_a_gateway_is_the_operators_error():
    bare = SITE.partition("[gateway]")[0]
    with pytest.raises(ConfigError, match="gateway"):
        Gateway(parse_site(bare, MAP, None, "site.toml", {}), Clock.wall(), Sent())


@pytest.fixture
def ports():
    with kept_port() as first, kept_port() as second:
        yield first, second


@pytest.mark.e2e
async def test_terminals_bytes_become_a_message_at_the_rsu(tmp_path, ports):
    """TCP in, a real broker between, MQTT out; then a text to the driver and its outcome."""
    broker_port, port = ports
    broker = await start_broker("nats", tmp_path, "127.0.0.1", broker_port)
    serving = asyncio.create_task(
        gateway_process.run(site(f"jt808://127.0.0.1:{port}", broker=broker_port), Clock.wall())
    )
    try:
        async with asyncio.timeout(60.0), aiomqtt.Client("127.0.0.1", broker_port) as rsu:
            await rsu.subscribe([("v2x/v1/#", 1)])
            seen = _by_topic(rsu)
            await _until(seen, "v2x/v1/gateway/GW1/status", lambda body: body["state"] == "online")
            client, reader, writer = await _log_in(port)
            reporting = asyncio.create_task(_report_each_second(client, writer))
            down = await _until(seen, topics.gnss_down("A"), lambda body: body["fixes"]["terminal"])
            reporting.cancel()
            assert down["fixes"]["terminal"] == [TERMINAL]
            assert down["fixes"]["arrived_ns"][0] > 0
            command = {"id": "c1", "kind": "text", "terminal": TERMINAL, "text": "偏离车道"}
            await rsu.publish("v2x/v1/gateway/GW1/command/down", msgpack.packb(command), qos=1)
            while not client.texts:
                writer.write(client.receive(await reader.read(4_096)))
            outcome = await _until(seen, "v2x/v1/gateway/GW1/command/up", lambda body: True)
            assert (outcome["id"], outcome["outcome"]) == ("c1", "delivered")
            assert client.texts == ["偏离车道"]
            serving.cancel()
            await _until(seen, "v2x/v1/gateway/GW1/status", lambda body: body["state"] == "offline")
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        await broker.stop(2.0)


async def _report_each_second(client, writer) -> None:
    """Report as a terminal does: what comes while the link is down is counted as unsent, and not kept."""
    while True:
        writer.write(client.report(fix()))
        await asyncio.sleep(1.0)


async def _by_topic(rsu: aiomqtt.Client):
    async for message in rsu.messages:
        yield message.topic.value, msgpack.unpackb(message.payload)


async def _until(seen, topic: str, wanted) -> dict:
    async for received, body in seen:
        if received == topic and wanted(body):
            return body
    raise AssertionError(f"nothing came on {topic}")


async def _log_in(port: int):
    client = Client(TERMINAL, "辽L·A0001")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(client.greeting())
    while not client.ready:
        writer.write(client.receive(await reader.read(4_096)))
    return client, reader, writer
