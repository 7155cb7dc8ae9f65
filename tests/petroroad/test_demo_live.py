"""The demo's line on the terminal, and how it asks."""

import asyncio
import http.server
import io
import threading

import pytest

from petroroad.demo.live import ask, line, show

SUMMARY = {
    "vehicles": 61, "hazmat": 40, "total": 12,
    "open": {"undecidable": 1, "notice": 2, "warning": 3, "violation": 4},
    "latency": {"p50_ms": 6.4, "p99_ms": 19.6, "n": 31},
}  # fmt: skip


def test_line_shows_vehicles_alarms_and_latency():
    text = line(12.0, SUMMARY)
    assert "61 vehicles" in text
    assert "7 alarms open" in text, "notices and undecidable ones are none"
    assert "p50 6 ms, p99 20 ms (31 samples)" in text


def test_line_without_a_sample_says_so():
    assert "no sample yet" in line(1.0, SUMMARY | {"latency": {"p50_ms": None, "p99_ms": None, "n": 0}})

    few = {"p50_ms": 6.4, "p99_ms": None, "n": 11}
    assert "p50 6 ms (11 samples)" in line(1.0, SUMMARY | {"latency": few}), "their p99 would be chance"


def test_a_centre_that_is_away_is_no_error():
    assert ask("127.0.0.1:1", "/api/summary") is None


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(monkeypatch):
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"total": 3}')

        def log_message(self, *_):
            pass

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert ask(f"127.0.0.1:{server.server_port}", "/api/summary") == {"total": 3}


def test_nothing_is_shown_in_a_pipe():
    out = io.StringIO()

    async def a_moment():
        async with asyncio.timeout(0.05):
            await show("127.0.0.1:1", out)

    with pytest.raises(TimeoutError):
        asyncio.run(a_moment())
    assert out.getvalue() == ""
