"""The health of a process over HTTP: /healthz, /readyz, /metrics."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from core.errors import ConfigError
from edge.config import address_of

Ready = tuple[bool, dict[str, Any]]  # whether it serves, and why not


class Health(Collector):
    """Answers for one process.

    ready : asked for /readyz; counts, gauges : asked for /metrics
    """

    def __init__(
        self,
        ready: Callable[[], Ready],
        counts: Callable[[], Mapping[str, int]] = dict,
        gauges: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self._ready, self._counts, self._gauges = ready, counts, gauges
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the counts, labelled by reason, and one gauge for each name."""
        family = CounterMetricFamily("petroroad_events", "What happened, by reason.", labels=["reason"])
        for reason, n in sorted(self._counts().items()):
            family.add_metric([reason], n)
        yield family
        for name, value in sorted(self._gauges().items()):
            yield GaugeMetricFamily(f"petroroad_{name}", name.replace("_", " "), value=value)

    def answer(self, path: str) -> tuple[int, bytes, bytes]:
        """Return (status, content type, body) of a GET."""
        if path == "/healthz":
            return 200, b"application/json", b"{}"
        if path == "/readyz":
            ready, facts = self._ready()
            return 200 if ready else 503, b"application/json", msgspec.json.encode(facts)
        if path == "/metrics":
            return 200, b"text/plain; version=0.0.4; charset=utf-8", generate_latest(self._registry)
        return 404, b"application/json", b"{}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve as an ASGI application."""
        if scope["type"] != "http":
            return
        status, kind, body = self.answer(scope["path"])
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def serve(self, address: str | None, where: str, key: str) -> None:
        """Run at the address that a file names under a key; ConfigError where nothing can listen there."""
        try:
            await self.run(address)
        except OSError as error:
            raise ConfigError(where, key, f"can't listen: {error}", address) from error

    async def run(self, address: str | None) -> None:
        """Serve on HOST:PORT until cancelled; None: only wait. OSError where the port is in use."""
        if address is None:
            await asyncio.Event().wait()
            return
        host, port = address_of(address)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            config = uvicorn.Config(
                self, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1
            )
            await _serve(_HealthServer(config), listener)


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
