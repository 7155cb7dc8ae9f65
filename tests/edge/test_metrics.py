"""Health over HTTP, counts by reason, and a log that does not flood."""

import asyncio
import json
import logging
import socket
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge import log
from edge.figures import OTHER, REASONS_MAX, Counts, merged
from edge.metrics import Health
from petroroad.processes.ports import kept_port

pytestmark = pytest.mark.anyio


async def get(address, path):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), body


@pytest.fixture
def address():
    with kept_port() as port:
        yield "127.0.0.1", port


async def test_health_is_served_until_cancelled(address):
    ready = [(False, {"link": "down"})]
    counts = Counts()
    counts.add('odd "reason"', 3)
    health = Health(lambda: ready[0], counts, lambda: {"outbox_depth": 2.0})
    task = asyncio.create_task(health.run("{}:{}".format(*address)))
    async with asyncio.timeout(30.0):
        while True:
            try:
                assert await get(address, "/healthz") == (200, b"{}")
                break
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)
    assert await get(address, "/readyz") == (503, b'{"link":"down"}')
    ready[0] = (True, {})
    assert await get(address, "/readyz") == (200, b"{}")
    assert (await get(address, "/secret"))[0] == 404
    status, text = await get(address, "/metrics")
    families = {family.name: family for family in text_string_to_metric_families(text.decode())}
    (sample,) = (s for s in families["petroroad_events"].samples if s.name.endswith("_total"))
    assert (status, sample.labels, sample.value) == (200, {"reason": 'odd "reason"'}, 3.0)
    assert families["petroroad_outbox_depth"].samples[0].value == 2.0
    assert families["process_resident_memory_bytes"].samples[0].value > 1e6
    begun_s = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - begun_s < 1.0


async def test_a_port_in_use_is_reported():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await Health(lambda: (True, {})).run(f"127.0.0.1:{taken.getsockname()[1]}")


def test_counts_have_a_limit():
    counts = Counts()
    for i in range(REASONS_MAX + 5):
        counts.add(f"r{i}")
    counts.add("r1", 2)
    assert len(counts()) == REASONS_MAX + 1
    assert (counts()[OTHER], counts()["r1"]) == (5, 3)


def test_merged_sums():
    assert merged({"a": 1}, {"a": 2, "b": 1}, {}) == {"a": 3, "b": 1}


def test_log_is_json_and_bounded(capsys, monkeypatch):
    now_s = [100.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now_s[0])
    logger = log.setup(part="rsu", esn="R1")
    for _ in range(5):
        logger.warning("input.bad", reason="crc", sensor="雷达")
    logger.warning("input.bad", reason="length")
    now_s[0] += log.PERIOD_S
    logger.warning("input.bad", reason="crc")
    logger.debug("not told")
    first, second, third = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["part"], first["sensor"], first["level"]) == (
        "input.bad", "rsu", "雷达", "warning",
    )  # fmt: skip
    assert second["reason"] == "length"
    assert third["left_out"] == 4


def test_a_librarys_words_are_lines_of_ours(capsys):
    log.setup(part="centre")
    for _ in range(50):
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    (line,) = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (line["event"], line["reason"], line["said"]) == (
        "library", "uvicorn.error", "Invalid HTTP request received.",
    )  # fmt: skip


def test_what_grew_is_reported_and_the_usual_is_not(capsys):
    counted = log.CountsLog(log.setup(part="rsu"), ("opened.",))
    counted.log({"radar.crc": 1, "opened.overspeed": 1})
    counted.log({"radar.crc": 1, "opened.overspeed": 2, "radar.magic": 3})
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["reason"], line["total"]) for line in lines] == [("radar.crc", 1), ("radar.magic", 3)]
