"""A burst of violations of one RSU through a broker into the centre, and the delay of another RSU meanwhile.

`python -m benchmarks.ingest [mosquitto|nats] [N]`: N single-item batches at once, each sent again after 2 s
until it is acknowledged; the bystander sends one violation at a time, again after 1 s as an outbox does.
Broker, centre and bystander are processes of their own.
"""

import asyncio
import contextlib
import multiprocessing
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from benchmarks.delivery_site import running, violation
from benchmarks.harness import help_or_exit, print_line
from edge import topics
from edge.config import load_site
from edge.figures import quantile
from edge.link import Link, link_settings
from edge.wire import ViolationBatch, ViolationItem, decode_ack, encode
from petroroad.processes.ports import kept_port

RESEND_S, OUTBOX_RESEND_S, TOTAL_S = 2.0, 1.0, 120.0


def batch(esn: str, seq: int) -> bytes:
    """Return a batch of one made-up violation."""
    now_ns = time.time_ns()
    body = violation(esn, seq, now_ns)
    item = ViolationItem(seq=seq, detected_ns=now_ns, sent_ns=now_ns, violation=body)
    return encode(ViolationBatch(epoch=10, items=(item,)))


class Rsu:
    """A simulated RSU: its connection and the acknowledged numbers."""

    def __init__(self, esn: str, site: Path) -> None:
        self.esn, self.acked, self._news = esn, set[int](), asyncio.Event()
        self.link = Link(
            link_settings(load_site(site).config.mqtt, f"rsu-{esn}"),
            subscriptions=[(topics.violation_ack(esn), 1)],
            on_message=self._acknowledged,
            on_up=self._news.set,
        )

    def _acknowledged(self, _topic: str, body: bytes, _retained: bool) -> None:
        self.acked.update(decode_ack(body).stored)
        self._news.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> None:
        """Wait until the condition holds, `seconds` at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()

    async def send_until_acked(self, bodies: dict[int, bytes], n: int) -> None:
        """Send all as fast as the link accepts them, until n items are acknowledged; resend what is not.

        bodies : batches by their first seq
        """
        topic = topics.violation_up(self.esn)
        while len(self.acked) < n:
            rest = deque(seq for seq in bodies if seq not in self.acked)
            while rest:
                if self.link.publish(topic, bodies[rest[0]]):
                    rest.popleft()
                else:
                    await asyncio.sleep(0.001)
            await self.until(lambda: len(self.acked) >= n, RESEND_S)

    async def send_in_window(self, bodies: dict[int, bytes], n: int, in_flight: int) -> None:
        """Send all until n items are acknowledged, at most so many batches beyond the acknowledged ones.

        bodies : batches by their first seq
        """
        topic, rest, sent = topics.violation_up(self.esn), deque(bodies), list[int]()
        while len(self.acked) < n:
            sent = [seq for seq in sent if seq not in self.acked]
            while rest and len(sent) < in_flight and self.link.publish(topic, bodies[rest[0]]):
                sent.append(rest.popleft())
            n_acked = len(self.acked)
            await self.until(partial(self._has_more_than, n_acked), RESEND_S)
            if len(self.acked) == n_acked:  # nothing for so long: what was sent is lost
                rest.extendleft(reversed(sent))
                sent.clear()

    def _has_more_than(self, n_acked: int) -> bool:
        return len(self.acked) > n_acked

    async def wait_s(self, seq: int) -> float:
        """Send one until it is acknowledged; return the time [s]."""
        begun_s, body = time.monotonic(), batch(self.esn, seq)
        while seq not in self.acked and time.monotonic() - begun_s < TOTAL_S:
            self.link.publish(topics.violation_up(self.esn), body)
            await self.until(lambda: seq in self.acked, OUTBOX_RESEND_S)
        return time.monotonic() - begun_s


def bystand(site: Path, begin: Event, end: Event, waits_ms: "Queue[list[float]]") -> None:
    """Send one violation after the other during the burst, in a process of its own."""

    async def run() -> list[float]:
        rsu = Rsu("BYSTANDER", site)
        link = asyncio.create_task(rsu.link.run())
        await rsu.until(lambda: rsu.link.connected, TOTAL_S)
        found = [
            1e3 * await rsu.wait_s(1)
        ]  # the first is not counted: with it the database prepares its statements
        found.clear()
        await asyncio.to_thread(begin.wait, TOTAL_S)
        while not end.is_set():
            found.append(1e3 * await rsu.wait_s(len(found) + 2))
            await asyncio.sleep(0.02)
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        return found

    waits_ms.put(asyncio.run(run()))


async def measure(kind: Any, n: int, folder: Path, port: int, http: str) -> tuple[float, list[float]]:
    """Return the time of the burst [s] and each delay of the bystander [ms]."""
    spawn = multiprocessing.get_context("spawn")
    begin, end, found = spawn.Event(), spawn.Event(), spawn.Queue()
    async with running(kind, folder, ("FLOOD", "BYSTANDER"), port, http) as site:
        bystander = spawn.Process(target=bystand, args=(site.path, begin, end, found), daemon=True)
        bystander.start()
        flood = Rsu("FLOOD", site.path)
        link = asyncio.create_task(flood.link.run())
        bodies = {seq: batch(flood.esn, seq) for seq in range(1, n + 1)}
        await flood.until(lambda: flood.link.connected, TOTAL_S)
        begin.set()
        begun_s = time.monotonic()
        await flood.send_until_acked(bodies, n)
        took_s = time.monotonic() - begun_s
        end.set()
        waits_ms = await asyncio.to_thread(found.get, True, TOTAL_S)
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
    return took_s, waits_ms


def main() -> int:
    """Print one JSON line per figure."""
    help_or_exit()
    kind, n = (*sys.argv[1:3], *("mosquitto", "10000")[len(sys.argv[1:3]) :])
    with (
        tempfile.TemporaryDirectory(prefix="petroroad-ingest-") as folder,
        kept_port() as port,
        kept_port() as page_port,
    ):
        took_s, waits_ms = asyncio.run(measure(kind, int(n), Path(folder), port, f"127.0.0.1:{page_port}"))
    print_line(f"ingest.{kind}.rate", int(n) / took_s, "violations/s")
    if not waits_ms:
        sys.stderr.write("ingest: the burst was over before the bystander had an answer: take a larger N\n")
        return 1
    print_line(f"ingest.{kind}.bystander.p50", quantile(waits_ms, 0.5) or 0.0, "ms")
    print_line(f"ingest.{kind}.bystander.max", max(waits_ms), "ms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
