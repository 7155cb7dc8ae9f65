"""The health of a process over HTTP: /healthz, /readyz, /metrics."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.process_collector import ProcessCollector

from edge.config import address_of
from edge.exposition import Samples, Values, text_of
from edge.histograms import Histograms
from edge.patience import OnEnd, Patience, protocol_of
from edge.ports import Ports

Ready = tuple[bool, dict[str, Any]]  # whether it serves, and why not
CONNECTIONS_MAX = 512
TEXT = b"text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Answers for one process.

    ready : asked for /readyz; counts, gauges : asked for /metrics, with the histograms
    expected : reasons that are shown as 0 before they are counted: an alert on an increase needs a beginning
    """

    def __init__(
        self,
        ready: Callable[[], Ready],
        counts: Callable[[], Mapping[str, int]] = dict,
        gauges: Callable[[], Samples] = dict,
        *,
        histograms: Sequence[Histograms] = (),
        expected: Sequence[str] = (),
    ) -> None:
        self._ready, self._counts, self._gauges = ready, counts, gauges
        self._histograms, self._expected = tuple(histograms), dict.fromkeys(expected, 0)
        self._more: list[Callable[[], Samples]] = []  # of the process shell
        self.on_end: OnEnd = lambda _why, _address: None  # of a connection that made us wait
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    def add(self, gauges: Callable[[], Samples], expected: Sequence[str] = ()) -> None:
        """Serve these too; where the part has one of the same name, its own."""
        self._more.append(gauges)
        self._expected |= dict.fromkeys(expected, 0)

    def metrics(self) -> bytes:
        """Return the answer to /metrics."""
        events: Values = {(reason,): n for reason, n in (self._expected | dict(self._counts())).items()}
        samples: dict[str, float | Values] = {"events_total": events}
        for gauges in (*self._more, self._gauges):
            samples |= gauges()
        dropped = sum(family.n_dropped for family in self._histograms)
        if dropped:
            samples["events_total"] = {**events, ("metrics.series_dropped",): dropped}
        return text_of(samples, self._histograms).encode() + generate_latest(self._process)

    def answer(self, path: str) -> tuple[int, bytes, bytes]:
        """Return (status, content type, body) of a GET."""
        if path == "/healthz":
            return 200, b"application/json", b"{}"
        if path == "/readyz":
            ready, facts = self._ready()
            return 200 if ready else 503, b"application/json", msgspec.json.encode(facts)
        if path == "/metrics":
            return 200, TEXT, self.metrics()
        return 404, b"application/json", b"{}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve as an ASGI application."""
        if scope["type"] != "http":
            return
        status, kind, body = self.answer(scope["path"])
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def serve(self, address: str | None, key: str, ports: Ports) -> None:
        """Run at the address of a key, tried until it can be had: a port to watch us ends no service."""
        if address is None:
            await asyncio.Event().wait()
            return
        await ports.keep(key, address, partial(self.run, address))

    async def run(self, address: str, on_open: Callable[[], None] = lambda: None) -> None:
        """Serve on HOST:PORT until cancelled; OSError where the port is in use."""
        host, port = address_of(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen()
            on_open()
            patience = Patience(lambda why, address: self.on_end(why, address))
            config = uvicorn.Config(
                self, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1,
                http=protocol_of(patience), limit_concurrency=CONNECTIONS_MAX, ws="none",
            )  # fmt: skip
            try:
                await _serve(_HealthServer(config), listener)
            finally:
                patience.close()


class _HealthServer(uvicorn.Server):
    """Leaves SIGINT and SIGTERM to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve(server: _HealthServer, listener: socket.socket) -> None:
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(task)
    finally:
        server.should_exit = True
        await task
