"""HTTP connections that make the server wait: each ends after a time, and many of them shut out nobody."""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter

import pytest
import uvicorn

from edge.metrics import Health
from edge.patience import WAITING_MAX, Patience, protocol_of
from petroroad.pki import authority as pki
from petroroad.processes.ports import kept_port

pytestmark = pytest.mark.anyio
TEST_S = 60.0
BODY = bytes(64_000_000)  # more than what both ends' kernels and the server keep for who does not read
GET = b"GET / HTTP/1.1\r\nHost: x\r\n"


class App:
    """Answers at once, with a long body at /long, and at /slow once it may."""

    def __init__(self) -> None:
        self.may_answer, self.asked = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/slow":
            self.asked.set()
            await self.may_answer.wait()
        body = BODY if scope["path"] == "/long" else b"yes"
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Served:
    """A port that serves, and why connections ended."""

    def __init__(self, port: int, app: App) -> None:
        self.port, self.app, self.ends = port, app, Counter[str]()
        self._writers: list[asyncio.StreamWriter] = []

    def note(self, why: str, address: str) -> None:
        assert address.startswith("127.")
        self.ends[why] += 1

    async def connect(self, data: bytes = b"", address: str = "127.0.0.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        writer.write(data)
        self._writers.append(writer)
        return reader, writer

    async def leave(self) -> None:
        """Close what `connect` opened."""
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def get(self, tls: ssl.SSLContext | None = None) -> bytes:
        """Return what a sound client gets."""
        async with asyncio.timeout(TEST_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
            writer.write(GET + b"Connection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer


@contextlib.asynccontextmanager
async def served(*, tls: ssl.SSLContext | None = None, **limits):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        app = App()
        it = Served(listener.getsockname()[1], app)
        patience = Patience(it.note, **limits)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none",
            http=protocol_of(patience, tls), timeout_graceful_shutdown=1, limit_concurrency=64,
        )  # fmt: skip
        server = uvicorn.Server(config)
        running = asyncio.create_task(server._serve(sockets=[listener]))
        try:
            while not server.started:
                await asyncio.sleep(0.01)
            yield it
        finally:
            await it.leave()
            app.may_answer.set()
            server.should_exit = True
            await running
            patience.close()


async def ended(reader: asyncio.StreamReader) -> None:
    """Return once the server has ended the connection."""
    async with asyncio.timeout(TEST_S):
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(65_536):
                pass


@pytest.mark.parametrize(
    "data",
    [
        b"",  # a port scan, or a browser that may need it
        GET + b"X-A: ",  # headers that never end
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",  # a body that never ends
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        GET + b"\r\nG",  # uvicorn forgets its own time-out with the first byte after an answer
    ],
)
async def test_a_request_that_never_ends_is_given_up(data: bytes) -> None:
    async with served(request_s=0.2) as it:
        reader, _writer = await it.connect(data)
        await ended(reader)
        assert it.ends == {"no_request": 1}
        assert b"yes" in await it.get()


async def test_bytes_that_trickle_do_not_keep_a_connection() -> None:
    async with served(request_s=0.3) as it:
        reader, writer = await it.connect(GET)
        dripping = asyncio.create_task(_drip(writer))
        await ended(reader)
        dripping.cancel()
        assert it.ends == {"no_request": 1}


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"X-A: b\r\n")
        await asyncio.sleep(0.02)


async def test_a_client_that_does_not_read_is_given_up() -> None:
    async with served(read_s=0.3) as it:
        reader, writer = await it.connect()
        writer.transport.pause_reading()
        writer.write(GET.replace(b"/ ", b"/long ") + b"\r\n")
        async with asyncio.timeout(TEST_S):
            while not it.ends:
                await asyncio.sleep(0.01)
        assert it.ends == {"unread": 1}
        writer.transport.resume_reading()
        await ended(reader)


async def test_one_that_waits_for_us_is_never_given_up() -> None:
    async with served(request_s=0.1, read_s=0.1, waiting_max=4) as it:
        reader, writer = await it.connect(GET.replace(b"/ ", b"/slow ") + b"Connection: close\r\n\r\n")
        await it.app.asked.wait()
        for _ in range(8):
            silent, _unused = await it.connect()
            await ended(silent)
        it.app.may_answer.set()
        async with asyncio.timeout(TEST_S):
            assert (await reader.read()).endswith(b"yes")
        writer.close()


async def test_the_oldest_of_the_address_with_most_leaves_first() -> None:
    async with served(waiting_max=4) as it:
        other, _kept = await it.connect(address="127.0.0.2")
        crowd = [await it.connect(address="127.0.0.3") for _ in range(6)]
        for reader, _writer in crowd[:3]:
            await ended(reader)
        assert it.ends == {"crowded": 3}
        assert b"yes" in await it.get()  # a fourth left for it
        assert not other.at_eof()
        assert not crowd[-1][0].at_eof()


async def test_handshakes_that_never_end_shut_out_nobody(tmp_path) -> None:
    pki.create(tmp_path, "test", None)
    with pki.opened(tmp_path, None) as authority:
        authority.issue(authority.identity("page", "centre-page"), ("127.0.0.1",), 365)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "page-centre-page.crt", tmp_path / "page-centre-page.key")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    async with served(tls=context, request_s=TEST_S, waiting_max=8) as it:
        silent = [await it.connect(data) for data in (b"", b"\x16\x03\x01") for _ in range(100)]
        assert b"yes" in await it.get(trusted)
        assert it.ends["crowded"] >= len(silent) - 8
        stranger, _writer = await it.connect(GET + b"\r\n")  # without TLS
        await ended(stranger)
        assert b"yes" in await it.get(trusted)


async def test_health_answers_beside_many_silent_connections() -> None:
    health = Health(lambda: (True, {}))
    ends = Counter[str]()
    health.on_end = lambda why, _address: ends.update([why])
    with kept_port() as port:
        running = asyncio.create_task(health.run(f"127.0.0.1:{port}"))
        it = Served(port, App())
        async with asyncio.timeout(TEST_S):
            while True:
                with contextlib.suppress(ConnectionRefusedError):
                    silent = [await it.connect() for _ in range(2 * WAITING_MAX)]
                    break
                await asyncio.sleep(0.01)
        assert (await it.get()).startswith(b"HTTP/1.1 404")
        assert ends["crowded"] >= len(silent) - WAITING_MAX
        await it.leave()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
