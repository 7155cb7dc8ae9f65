"""What `petroroad broker --health` shows of the program that it runs."""

import os
import signal
import subprocess
import time
import urllib.error

import pytest

from petroroad.processes.broker_metrics import process_samples
from petroroad.processes.ports import kept_port
from tests.support.demo_run import ROOT, command
from tests.support.scraping import check_names, samples_of, scrape
from tests.support.tls_links import KINDS, skip_without


@pytest.mark.e2e
@pytest.mark.parametrize("kind", KINDS)
def test_the_broker_serves_what_the_catalogue_says(tmp_path, kind):
    skip_without(kind)
    with kept_port() as port, kept_port() as health:
        listen, address = f"127.0.0.1:{port}", f"127.0.0.1:{health}"
    argv = command(
        "broker", "--listen", listen, "--kind", kind, "--state", tmp_path / "b", "--health", address
    )
    with subprocess.Popen(argv, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            seen = until_up(address)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20.0) == 0
    assert seen["petroroad_broker_starts_total",] == 1.0
    assert seen["petroroad_broker_resident_memory_bytes",] > 1e6
    assert seen["petroroad_broker_open_fds",] >= 3.0


def until_up(address):
    last_s = time.monotonic() + 30.0
    while True:
        try:
            text = scrape(address)
        except (urllib.error.URLError, ConnectionError):
            text = ""
        seen = samples_of(text)
        if seen.get(("petroroad_broker_up",)):
            check_names("broker", text)
            return seen
        assert time.monotonic() < last_s
        time.sleep(0.05)


def test_a_process_that_is_gone_has_no_samples():
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    assert process_samples(gone.pid) == {}
    assert process_samples(os.getpid())["broker_open_fds"] > 0
