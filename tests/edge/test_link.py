"""The link against real brokers: births, wills, loss, rotation, bounds, and an end within a second."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
import time
from pathlib import Path

import pytest

from core.errors import ConfigError
from edge.link import PENDING_BYTES_MAX, PENDING_MAX, Link, LinkSettings, Outgoing, link_settings
from edge.sections import MqttConfig
from petroroad.processes.broker import BrokerMissingError, broker_spec, start_broker
from petroroad.processes.children import ChildError
from petroroad.processes.ports import kept_port
from tests.conftest import find_program

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def broker(tmp_path, kind="nats"):
    if kind == "mosquitto" and find_program("mosquitto") is None:
        pytest.skip("mosquitto is not installed")
    with kept_port() as port:
        child = await start_broker(kind, tmp_path, "127.0.0.1", port)
        try:
            yield child, port
        finally:
            was_running = child.running  # else the test has killed it
            status = await child.stop(20.0)
            assert not was_running or status != -signal.SIGKILL, "it ends when it is asked to"


class Received(list):
    """What a link received, waited for."""

    def __call__(self, topic, payload, retained):
        self.append((topic, payload, retained))

    async def until(self, *wanted):
        async with asyncio.timeout(10.0):
            while not all(any(w == m[: len(w)] for m in self) for w in wanted):
                await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def linked(port, name, *, addresses=None, signing=None, **options):
    """A running link that is up."""
    up = asyncio.Event()
    settings = LinkSettings(addresses=addresses or (("127.0.0.1", port),), client_id=name, signing=signing)
    link = Link(settings, on_up=up.set, **options)
    link.up = up
    task = link.task = asyncio.create_task(link.run())
    try:
        await asyncio.wait_for(up.wait(), 10.0)
        yield link
    finally:
        begun_s = time.monotonic()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun_s < 1.0


def status(state):
    return lambda connection: Outgoing("s/a", f"{state}{connection}".encode(), 1, True)


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_messages_births_and_farewells(tmp_path, kind):
    async with broker(tmp_path, kind) as (_, port):
        received = Received()
        async with linked(port, "watch", subscriptions=[("s/#", 1), ("t/+", 0)], on_message=received):
            async with linked(port, "a", will=status("off"), birth=status("on")) as link:
                await received.until(("s/a", b"on1"))
                assert link.publish("t/x", b"q0", qos=0)
                assert link.publish("t/y", b"")
                await received.until(("t/x", b"q0", False), ("t/y", b"", False))
            await received.until(("s/a", b"off1"))  # said by ourselves: a clean end drops the will
        late = Received()
        async with linked(port, "late", subscriptions=[("s/#", 1)], on_message=late):
            await late.until(("s/a", b"off1", True))


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_the_will_speaks_for_who_vanishes(tmp_path, kind):
    received = Received()
    async with (
        broker(tmp_path, kind) as (_, port),
        linked(port, "watch", subscriptions=[("s/#", 1)], on_message=received),
        linked(port, "a", will=status("off"), birth=status("on")) as link,
    ):
        await received.until(("s/a", b"on1"))
        link._client._client._sock.shutdown(socket.SHUT_RDWR)  # as a cut cable, without a word
        await received.until(("s/a", b"off1"), ("s/a", b"on2"))


@pytest.fixture
def dead_port():
    """One on which nobody listens."""
    with kept_port() as port:
        yield port


async def test_a_lost_broker_is_found_again(tmp_path, dead_port):
    received, downs = Received(), []
    async with broker(tmp_path) as (child, port):
        addresses = (("127.0.0.1", dead_port), ("127.0.0.1", port))
        settings = {"subscriptions": [("t", 1)], "on_message": received, "on_down": lambda: downs.append(1)}
        async with linked(port, "a", addresses=addresses, **settings) as link:
            assert link.counts["link.ConnectionRefusedError"] == 1
            link.up.clear()
            child.signal(9)
            await child.died()
            async with asyncio.timeout(30.0):
                while link.connected:
                    await asyncio.sleep(0.005)
            assert not link.publish("t", b"nowhere")
            assert downs == [1]
            again = await start_broker("nats", tmp_path, "127.0.0.1", port)
            await asyncio.wait_for(link.up.wait(), 10.0)
            link.publish("t", b"back")  # the subscription was made anew
            await received.until(("t", b"back"))
            assert link.connection >= 3
            await again.stop(2.0)


async def test_reconnect_brings_a_new_will(tmp_path):
    async with broker(tmp_path) as (_, port), linked(port, "a", birth=status("on")) as link:
        link.up.clear()
        link.reconnect()
        await asyncio.wait_for(link.up.wait(), 5.0)
        assert link.connection == 2
        assert "link.MqttError" not in link.counts


async def test_publishing_is_bounded_and_in_order(tmp_path):
    received = Received()
    async with (
        broker(tmp_path) as (_, port),
        linked(port, "watch", subscriptions=[("t", 1)], on_message=received),
        linked(port, "a") as link,
    ):
        taken = [link.publish("t", b"%d" % i) for i in range(PENDING_MAX + 10)]
        assert taken == [True] * PENDING_MAX + [False] * 10
        assert link.counts["link.full"] == 10
        await received.until(("t", b"%d" % (PENDING_MAX - 1)))
        assert [int(payload) for _, payload, _ in received] == list(range(PENDING_MAX))


async def test_what_nobody_answers_is_bounded_by_the_socket_alone(tmp_path):
    received = Received()
    async with (
        broker(tmp_path) as (_, port),
        linked(port, "watch", subscriptions=[("t", 0)], on_message=received),
        linked(port, "a") as link,
    ):
        n_sent = 4 * PENDING_MAX  # within one turn of the loop
        assert all(link.publish("t", b"%d" % i, qos=0) for i in range(n_sent))
        await received.until(("t", b"%d" % (n_sent - 1)))
        assert [int(payload) for _, payload, _ in received] == list(range(n_sent))
        assert "link.full" not in link.counts


async def test_a_broker_that_reads_nothing_fills_a_bounded_queue():
    handlers, over = [], asyncio.Event()

    async def accept(reader, writer):
        handlers.append(asyncio.current_task())
        if await reader.read(1):  # the first connection only asks whether anyone listens
            writer.write(b"\x20\x02\x00\x00")  # CONNACK, and no word more
            await over.wait()
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1_024)
    async with server:
        async with linked(server.sockets[0].getsockname()[1], "a") as link:
            taken = [link.publish("t", bytes(60_000), qos=0) for _ in range(4 * PENDING_MAX)]
            assert not taken[-1]
            assert PENDING_MAX <= sum(taken) < 2 * PENDING_MAX  # what the socket took is on top
            assert link.counts["link.full"] == taken.count(False)
        over.set()
        await asyncio.wait_for(asyncio.gather(*handlers), 30.0)


@pytest.mark.parametrize("qos", [0, 1])
async def test_long_messages_fill_it_by_their_bytes(tmp_path, qos):
    """Of the longest messages a few wait, not as many as of short ones; within one turn nothing leaves."""
    n_bytes = 1_000_000
    async with broker(tmp_path) as (_, port), linked(port, "a") as link:
        blocked = link._client._client
        blocked.loop_write = lambda: None  # a socket that takes nothing
        taken = [link.publish("t", bytes(n_bytes), qos=qos) for _ in range(PENDING_MAX)]
        del blocked.loop_write
    assert sum(taken) <= PENDING_BYTES_MAX // n_bytes + 1
    assert link.counts["link.full"] == taken.count(False)


async def test_of_snapshots_the_newest_wins(tmp_path):
    received = Received()
    async with (
        broker(tmp_path) as (_, port),
        linked(port, "watch", subscriptions=[("t/#", 0)], on_message=received),
        linked(port, "a") as link,
    ):
        for i in range(50):  # none can leave before the loop turns
            link.publish_newest("t/x", b"%d" % i)
        link.publish_newest("t/y", b"other")
        await received.until(("t/x", b"49"), ("t/y", b"other"))
        assert len(received) == 2
        assert link.counts["link.replaced"] == 49


async def test_a_broker_that_never_answers_is_left_within_a_second():
    handlers = []

    async def swallow(reader, writer):
        handlers.append(asyncio.current_task())
        await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        link = Link(LinkSettings(addresses=(server.sockets[0].getsockname()[:2],), client_id="a"))
        task = asyncio.create_task(link.run())
        async with asyncio.timeout(30.0):
            while len(handlers) < 2:  # the first only asks whether anyone listens
                await asyncio.sleep(0.005)
        begun_s = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begun_s < 1.0
        assert not link.publish("t", b"")
        await asyncio.wait_for(asyncio.gather(*handlers), 30.0)  # both connections were closed


async def test_a_bug_in_the_callback_ends_the_link(tmp_path):
    def fail(topic, payload, retained):
        raise ZeroDivisionError

    async with broker(tmp_path) as (_, port):
        up = asyncio.Event()
        link = Link(
            LinkSettings(addresses=(("127.0.0.1", port),), client_id="a"),
            subscriptions=[("t", 0)],
            on_message=fail,
            on_up=up.set,
        )
        task = asyncio.create_task(link.run())
        await asyncio.wait_for(up.wait(), 30.0)
        link.publish("t", b"x", qos=0)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(task, 30.0)


async def test_a_broker_that_can_not_start_says_why(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        spec = broker_spec("nats", tmp_path, "127.0.0.1", taken.getsockname()[1])
        assert spec.log == tmp_path / "broker.log"
        with pytest.raises(ChildError, match="broker"):
            await start_broker("nats", tmp_path, "127.0.0.1", taken.getsockname()[1])


async def test_a_missing_broker_names_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda *args, **kwargs: None)
    with pytest.raises(BrokerMissingError, match="apt-get install mosquitto"):
        broker_spec("mosquitto", tmp_path, "127.0.0.1", 1)


def test_settings_come_from_the_site():
    mqtt = MqttConfig(brokers=("127.0.0.1:1883", "[::1]:1884"), username="u")
    settings = link_settings(mqtt, "R1-t")
    assert settings.addresses == (("127.0.0.1", 1883), ("::1", 1884))
    assert (settings.client_id, settings.username, settings.tls) == ("R1-t", "u", None)


@pytest.mark.parametrize(
    ("mqtt", "rule"),
    [
        (MqttConfig(), "at least one"),
        (MqttConfig(brokers=("h:1",), ca_file="/nowhere/ca.pem"), "TLS files"),
    ],
)
def test_settings_that_can_not_work_are_the_operators_error(mqtt, rule):
    with pytest.raises(ConfigError, match=rule):
        link_settings(mqtt, "R1")


async def test_the_embedded_broker_needs_no_disk(tmp_path):
    """A full one: no file of the server may grow any more. QoS 1 goes on, for new connections too."""
    received, late = Received(), Received()
    async with broker(tmp_path) as (child, port):
        resource.prlimit(child.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        async with linked(port, "a", subscriptions=[("t", 1)], on_message=received) as link:
            link.publish("t", b"x" * 5_000)
            await received.until(("t", b"x" * 5_000))
            link.publish("kept", b"status", retain=True)
            link.publish("t", b"after")
            await received.until(("t", b"after"))
            async with linked(port, "b", subscriptions=[("kept", 1)], on_message=late):
                await late.until(("kept", b"status"))
            assert "link.publish_failed" not in link.counts


def test_what_a_killed_server_said_of_its_ports_is_not_believed(tmp_path):
    """In a container the next one may have its pid."""
    folder = tmp_path / "broker"
    folder.mkdir()
    (folder / "nats-server_7.ports").write_text('{"nats": ["nats://127.0.0.1:1"]}')
    broker_spec("nats", tmp_path, "127.0.0.1", 1)
    assert not list(folder.glob("*.ports"))


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
async def test_a_message_that_is_too_long_costs_its_sender_the_connection_only(tmp_path, kind):
    received = Received()
    async with broker(tmp_path, kind) as (_, port):
        listening = linked(port, "a", subscriptions=[("t", 1)], on_message=received)
        async with listening as other, linked(port, "b") as sender:
            sender.publish("t", bytes(2_000_000))
            async with asyncio.timeout(10.0):
                while (
                    sender.counts.get("link.MqttError", 0) + sender.counts.get("link.MqttCodeError", 0) == 0
                ):
                    await asyncio.sleep(0.02)
            async with asyncio.timeout(10.0):
                while not sender.connected:
                    await asyncio.sleep(0.02)
            sender.publish("t", b"short")
            await received.until(("t", b"short"))
            assert [len(message[1]) for message in received] == [5]
            assert other.counts["link.connected"] == 1


async def test_nats_starts_where_its_disk_has_no_room(tmp_path, monkeypatch):
    """Configuration and ports file then lie in memory: delivery must not wait for somebody to tidy up."""
    monkeypatch.setattr("petroroad.processes.broker.MEMORY", tmp_path / "memory")
    run_dir = tmp_path / "full"
    run_dir.mkdir()
    (run_dir / "broker").write_text("no folder can be made here")
    with kept_port() as port:
        broker = await start_broker("nats", run_dir, "127.0.0.1", port)
        async with linked(port, "a") as link:
            assert link.connected
        await broker.stop(2.0)
    assert list((tmp_path / "memory").glob("petroroad-*/nats.conf"))


def test_without_any_room_the_broker_says_so(tmp_path, monkeypatch):
    for name in ("broker", "memory"):
        (tmp_path / name).write_text("no folder can be made here")
    monkeypatch.setattr("petroroad.processes.broker.MEMORY", tmp_path / "memory")
    with pytest.raises(OSError):
        broker_spec("nats", tmp_path, "127.0.0.1", 1)


def test_a_broker_refuses_messages_and_clients_beyond_our_limits(tmp_path):
    texts = {}
    for kind in ("nats", "mosquitto"):
        spec = broker_spec(kind, tmp_path, "127.0.0.1", 1)
        texts[kind] = Path(spec.argv[-1]).read_text(encoding="utf-8")
    for wanted in ("max_payload: 1MB", "max_ack_pending: 1000", "max_connections: 2048"):
        assert wanted in texts["nats"]
    for wanted in ("message_size_limit 1048576", "max_inflight_messages 100", "max_queued_bytes 64000000"):
        assert wanted in texts["mosquitto"]


async def test_all_that_fails_of_one_lost_connection_is_looked_at():
    """Else asyncio writes a trace of each error that nobody looked at into the log."""

    class Lost:
        async def until_lost(self):
            raise ConnectionError("lost")

        async def publish(self, *message):  # as aiomqtt's, which meets the dead socket when it is cancelled
            try:
                await asyncio.sleep(9.0)
            finally:
                raise ConnectionError("not sent")

    unseen = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context["message"]))
    link = Link(LinkSettings(addresses=(("127.0.0.1", 1),), client_id="a"))
    link._client = Lost()
    link.publish_newest("t", b"x")
    with contextlib.suppress(ConnectionError):  # which, unlike pytest.raises, keeps no trace with the tasks
        await link._until_left(link._client)
    await asyncio.sleep(0.0)
    gc.collect()
    assert unseen == []
