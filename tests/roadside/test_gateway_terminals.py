"""The terminals' TCP server on real sockets: log in, limits, time-outs, garbage."""

import asyncio
import socket
from collections import Counter
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest

from edge.clock import Clock
from edge.token_bucket import TokenBucket
from edge.wire import GnssFix
from roadside.devices.jt808.client import Client
from roadside.devices.jt808.session import SessionRules
from roadside.gateway.rhythm import GAPS_MIN
from roadside.gateway.terminals import Limits, TerminalServer

pytestmark = pytest.mark.anyio
WAIT_S = 5.0  # a failing test ends; a passing one never waits for it
FIX = GnssFix(
    terminal="13900000001", stamp_ns=1_790_000_000 * 10**9, lon_deg=122.0, lat_deg=41.0, quality="single"
)


class Truck:
    """A client on a real socket."""

    def __init__(self, terminal: str) -> None:
        self.client = Client(terminal, "辽L·A0001")

    async def connect(self, port: int) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)

    async def leave(self) -> None:
        self.writer.close()
        with suppress(ConnectionError):
            await self.writer.wait_closed()

    async def log_in(self, port: int) -> "Truck":
        await self.connect(port)
        self.writer.write(self.client.greeting())
        await self.until(lambda: self.client.phase in ("ready", "refused"))
        return self

    async def until(self, done) -> None:
        """Answer the platform until something is so."""
        async with asyncio.timeout(WAIT_S):
            while not done():
                data = await self.reader.read(4_096)
                assert data, "the platform hung up"
                self.writer.write(self.client.receive(data))

    async def hung_up(self) -> bool:
        async with asyncio.timeout(WAIT_S):
            with suppress(ConnectionError):
                while await self.reader.read(4_096):
                    pass
            return True


class Site:
    """A server with what it delivered."""

    def __init__(self, limits: Limits, refuse_unknown: bool) -> None:
        self.counts: Counter[str] = Counter()
        self.fixes: list[GnssFix] = []
        self.answers: list[tuple[str, int, int]] = []
        self.received = asyncio.Event()
        self.trucks: list[Truck] = []
        rules = SessionRules(code_of=str.upper, known={FIX.terminal}, refuse_unknown=refuse_unknown)
        self.server = TerminalServer(
            rules, Clock.wall(), self.counts, self.take, limits=limits, answered=self.answered
        )

    def truck(self, terminal: str = FIX.terminal) -> Truck:
        self.trucks.append(Truck(terminal))
        return self.trucks[-1]

    def take(self, fixes: list[GnssFix]) -> None:
        self.fixes += fixes
        self.received.set()

    def answered(self, *answer: object) -> None:
        self.answers.append(answer)
        self.received.set()

    async def until(self, done) -> None:
        async with asyncio.timeout(WAIT_S):
            while not done():
                self.received.clear()
                await self.received.wait()


@asynccontextmanager
async def serving(refuse_unknown: bool = False, **limits):
    site = Site(Limits(**limits), refuse_unknown)
    listener = await site.server.listen("127.0.0.1", 0)
    tidying = asyncio.create_task(site.server.run())
    try:
        yield site, listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        tidying.cancel()
        await asyncio.wait([tidying])
        for truck in site.trucks:
            await truck.leave()


async def test_terminal_reports_and_is_stamped_on_arrival():
    async with serving() as (site, port):
        before_ns = site.server.clock.now_ns()
        truck = await site.truck().log_in(port)
        assert site.server.n_terminals == 1
        truck.writer.write(truck.client.report(FIX)[:10])
        await asyncio.sleep(0)
        truck.writer.write(truck.client.report(FIX))  # the cut one is lost, the next is found
        await site.until(lambda: site.fixes)
        (fix,) = site.fixes
        assert (fix.terminal, fix.stamp_ns) == (FIX.terminal, FIX.stamp_ns)
        assert before_ns < fix.arrived_ns < site.server.clock.now_ns()


async def test_many_terminals_at_once():
    async with serving() as (site, port):
        trucks = [site.truck(str(13_900_000_000 + i)) for i in range(100)]
        await asyncio.gather(*(truck.log_in(port) for truck in trucks))
        for truck in trucks:
            truck.writer.write(truck.client.report(FIX))
        await site.until(lambda: len(site.fixes) == 100)
        assert {fix.terminal for fix in site.fixes} == {truck.client.terminal for truck in trucks}
        assert site.server.n_terminals == 100


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
        bytes(range(256)) * 50,
        b"\x7e" * 5_000,
        b"\x7e\x02\x00" * 2_000,
        b"",
    ],
    ids=["http", "all bytes", "delimiters", "stubs", "nothing"],
)
async def test_garbage_harms_nobody_else(garbage):
    async with serving() as (site, port):
        truck, stranger = await site.truck().log_in(port), site.truck()
        await stranger.connect(port)
        stranger.writer.write(garbage)
        stranger.writer.write_eof()
        assert await stranger.hung_up()
        truck.writer.write(truck.client.report(FIX))
        await site.until(lambda: site.fixes)
        assert len(site.fixes) == 1


async def test_a_second_connection_displaces_no_terminal_that_reports():
    """Who knows a truck's number, and even its code, must not report in its name while it does."""
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        for n in range(1, 4):
            truck.writer.write(truck.client.report(FIX))
            await site.until(lambda n=n: len(site.fixes) == n)
        thief = site.truck()
        thief.client._code = FIX.terminal.upper()  # the right one
        await thief.log_in(port)
        assert thief.client.phase == "refused"
        truck.writer.write(truck.client.report(FIX))
        await site.until(lambda: len(site.fixes) == 4)
        assert site.counts["terminal.live"] == 2  # its code, and a registration
        now_s = asyncio.get_running_loop().time()
        assert site.server.strangers.shown(now_s) == {truck.client.terminal: "127.0.0.1"}
        assert site.counts["terminal.replaced"] == 0


@pytest.mark.parametrize(
    ("period_s", "silent_s", "live"),
    [
        (1.0, 2.9, True),
        (1.0, 3.1, False),  # three of its own periods
        (5.0, 14.9, True),
        (5.0, 15.1, False),
        (60.0, 29.9, True),
        (60.0, 30.1, False),  # nobody waits longer than that
        (0.01, 2.9, True),  # the reports of a blind area came at once
        (0.01, 3.1, False),
    ],
)
async def test_a_terminal_is_live_by_its_own_rhythm(period_s, silent_s, live):
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        (connection,) = site.server.connections
        now_s = asyncio.get_running_loop().time()
        for n in reversed(range(GAPS_MIN + 1)):
            connection._rhythm.note(now_s - silent_s - n * period_s)
        assert connection.is_live == live
        await truck.leave()


async def test_one_address_can_not_take_all_connections():
    async with serving(address_max=3) as (site, port):
        trucks = [await site.truck(f"1390000000{n}").log_in(port) for n in range(3)]
        beyond = site.truck()
        await beyond.connect(port)
        assert await beyond.hung_up()
        assert site.counts["connection.address_full"] == 1
        await trucks[0].leave()
        async with asyncio.timeout(WAIT_S):
            while len(site.server.connections) == 3:
                await asyncio.sleep(0.01)
        await site.truck("13900000009").log_in(port)


async def test_terminal_that_comes_back_drops_its_half_dead_connection():
    async with serving() as (site, port):
        old = await site.truck().log_in(port)
        new = await site.truck().log_in(port)
        assert await old.hung_up()
        assert site.server.n_terminals == 1
        assert site.counts["terminal.replaced"] == 1
        new.writer.write(new.client.report(FIX))
        await site.until(lambda: site.fixes)


async def test_unknown_terminal_is_refused_where_the_setting_says_so():
    async with serving(refuse_unknown=True) as (site, port):
        stranger = await site.truck("13999999999").log_in(port)
        assert stranger.client.phase == "refused"
        assert site.server.n_terminals == 0


async def test_text_reaches_the_driver_and_his_terminals_answer_comes_back():
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        seq = site.server.send_text(FIX.terminal, "偏离车道")
        assert site.server.send_text("13999999999", "nobody") is None
        await truck.until(lambda: truck.client.texts)
        await site.until(lambda: site.answers)
        assert site.answers == [(FIX.terminal, seq, 0)]
        truck.writer.write(truck.client.logout() + truck.client.report(FIX))
        await truck.until(lambda: truck.client.counts["reply.not_ok"] == 1)
        assert site.server.send_text(FIX.terminal, "gone") is None


def stored(n_fixes: int) -> list[GnssFix]:
    return [msgspec.structs.replace(FIX, stamp_ns=FIX.stamp_ns + i * 10**9) for i in range(n_fixes)]


def packages_of(data: bytes) -> list[bytes]:
    return [b"\x7e" + piece + b"\x7e" for piece in data.split(b"\x7e") if piece]


async def test_missing_package_is_asked_for_and_sent_again():
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        first, _, third = packages_of(truck.client.report_late(stored(80)))
        truck.writer.write(first + third)
        while site.server.packages.n_bytes < 2 * 900:
            await asyncio.sleep(0)
        site.server.chase_packages(site.server.clock.now_ns() + 3 * 10**9)
        reading = asyncio.create_task(truck.until(lambda: False))
        await site.until(lambda: len(site.fixes) == 80)
        reading.cancel()
        await asyncio.wait([reading])


async def test_message_continues_over_a_new_connection():
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        first, second = packages_of(truck.client.report_late(stored(40)))
        truck.writer.write(first)
        while not site.server.packages.n_bytes:
            await asyncio.sleep(0)
        again = await site.truck().log_in(port)
        again.writer.write(second)
        await site.until(lambda: len(site.fixes) == 40)


async def test_what_came_of_an_unfinished_message_is_delivered_in_the_end():
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        first, _ = packages_of(truck.client.report_late(stored(40)))
        truck.writer.write(first)
        while not site.server.packages.n_bytes:
            await asyncio.sleep(0)
        site.server.chase_packages(site.server.clock.now_ns() + 61 * 10**9)
        assert [fix.stamp_ns for fix in site.fixes] == [fix.stamp_ns for fix in stored(len(site.fixes))]
        assert len(site.fixes) > 25
        assert site.counts["package.incomplete"] == 1


async def test_frame_that_the_end_of_a_connection_cuts_off_is_counted():
    async with serving() as (site, port):
        truck = await site.truck().log_in(port)
        truck.writer.write(truck.client.report(FIX)[:-5])
        truck.writer.write_eof()
        assert await truck.hung_up()
        assert site.counts["frame.cut"] == 1


async def test_one_too_many_is_turned_away():
    async with serving(connections_max=1) as (site, port):
        await site.truck().log_in(port)
        late = site.truck("13999999999")
        await late.connect(port)
        assert await late.hung_up()
        assert site.counts["connection.full"] == 1


@pytest.mark.parametrize(
    ("logged_in", "after_s", "reason"),
    [
        (False, 15.5, "connection.no_login"),  # slow-loris
        (True, 15.5, None),
        (True, 180.5, "connection.idle"),
    ],
)
async def test_overdue_connections_end(logged_in, after_s, reason):
    async with serving() as (site, port):
        truck = site.truck()
        await (truck.log_in(port) if logged_in else truck.connect(port))
        while not site.server.connections:
            await asyncio.sleep(0)
        site.server.sweep(asyncio.get_running_loop().time() + after_s)
        if reason is None:
            truck.writer.write(truck.client.report(FIX))
            await site.until(lambda: site.fixes)
        else:
            assert await truck.hung_up()
            assert dict(site.counts) == {reason: 1}


async def test_dribbled_bytes_do_not_keep_a_connection():
    async with serving() as (site, port):
        await site.truck().log_in(port)
        (connection,) = site.server.connections
        heard_s = connection._last_frame_s
        connection.data_received(b"\x7e\x02")
        assert connection._last_frame_s == heard_s


async def test_flood_is_held_back_not_lost():
    async with serving(rate_bytes_hz=200_000.0, burst_bytes=2_000.0) as (site, port):
        truck = await site.truck().log_in(port)
        for _ in range(500):
            truck.writer.write(truck.client.report(FIX))
        reading = asyncio.create_task(truck.until(lambda: False))
        await site.until(lambda: len(site.fixes) == 500)
        reading.cancel()
        await asyncio.wait([reading])
        assert site.counts["connection.throttled"] >= 1


async def test_peer_that_never_reads_is_not_read_either_and_ends():
    async with serving(unsent_bytes_max=1_000, rate_bytes_hz=1e9, burst_bytes=1e9) as (site, port):
        truck = await site.truck().log_in(port)
        (connection,) = site.server.connections
        truck.reader._transport.pause_reading()
        for transport in (truck.reader._transport, connection._transport):  # else megabytes fit in between
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        async with asyncio.timeout(WAIT_S):
            while connection._stuck_since_s is None:
                truck.writer.write(truck.client.heartbeat() * 2_000)
                await asyncio.sleep(0)
        site.server.sweep(asyncio.get_running_loop().time() + 20.0)
        assert site.counts["connection.stuck"] == 1


@pytest.mark.parametrize(
    ("taken", "wait_s"),
    [
        ([(100.0, 0.0)], 0.0),  # the burst itself is free
        ([(110.0, 0.0)], 1.0),
        ([(110.0, 0.0), (0.0, 0.5)], 0.5),
        ([(50.0, 0.0), (100.0, 1_000.0)], 0.0),  # never more than the burst is saved up
        ([(50.0, 0.0), (101.0, 1_000.0)], 0.1),
    ],
)
async def test_bucket(taken, wait_s):
    bucket = TokenBucket.full(10.0, 100.0, 0.0)
    waits = [bucket.spend(n_tokens, now_s) for n_tokens, now_s in taken]
    assert waits[-1] == pytest.approx(wait_s)
