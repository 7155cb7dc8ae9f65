"""What a worker refuses at its start, and what a site with workers needs."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from centre.process import standby_of
from centre.worker import WorkerProcess, _Work
from edge import log, topics
from edge.clock import Clock
from edge.config import load_site
from edge.signing.guard import Guard
from edge.subscriptions import Subscription, Subscriptions
from petroroad.cli import run
from tests.support.tls_site import plain_site

SERVERS = '[nats]\nservers = ["127.0.0.1:9"]\n'
POSTGRESQL = 'database = "postgresql+psycopg://nobody@127.0.0.1:9/none"\n'


def site_with(folder, centre, more=""):
    """Write a site with more lines for `[centre]` and further sections; return its path."""
    path = plain_site(folder, "127.0.0.1:9").where
    with open(path, encoding="utf-8") as file:
        text = file.read().replace('id = "C1"\n', f'id = "C1"\n{centre}{more}')
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return str(path)


@pytest.mark.parametrize(
    ("centre", "more", "said"),
    [
        (POSTGRESQL, SERVERS, "centre.ingest"),  # the centre stores all itself: two would ask for one backlog
        ('ingest = "workers"\n', SERVERS, "several workers can't write one SQLite file"),
        (f'{POSTGRESQL}ingest = "workers"\n', "", "nats.servers"),
        (f'{POSTGRESQL}ingest = "workers"\n', '[nats]\nservers = ["nats-1"]\n', "must be HOST:PORT"),
        (f'{POSTGRESQL}ingest = "workers"\n', '[nats]\nservers = ["10.0.0.1:4222"]\n', "needs TLS"),
        ('database = "postgresql+nothing://x/y"\ningest = "workers"\n', SERVERS, "centre.database"),
    ],
)
def test_a_worker_says_what_is_missing(tmp_path, capsys, centre, more, said):
    path = site_with(tmp_path, centre, more)
    assert run(["centre", "worker", "--config", path, "--id", "w1"]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"), [(["--id", "a.b"], "--id a.b"), (["--id", "w1", "--health", "x"], "HOST:PORT")]
)
def test_a_wrong_name_or_address_is_refused(tmp_path, capsys, words, said):
    path = site_with(tmp_path, f'{POSTGRESQL}ingest = "workers"\n', SERVERS)
    assert run(["centre", "worker", "--config", path, *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.anyio
async def test_a_worker_waits_for_a_database_that_is_away(tmp_path):
    site = load_site(site_with(tmp_path, f'{POSTGRESQL}ingest = "workers"\n', SERVERS))
    process = WorkerProcess(site, "w1", Clock.wall(), log.setup(part="test"))
    running = asyncio.create_task(process.run())
    await asyncio.sleep(1.0)
    assert not running.done()
    process.stop.set()
    await asyncio.wait_for(running, 10.0)


def test_the_second_centre_stores_all_itself(tmp_path):
    standby = '[standby]\ndatabase = "sqlite:///standby.sqlite"\n'
    site = load_site(site_with(tmp_path, f'{POSTGRESQL}ingest = "workers"\n', SERVERS + standby))
    assert standby_of(site).config.centre.ingest == "self"


@pytest.mark.parametrize(("signs", "n_read"), [(True, 0), (False, 1)])
def test_what_nobody_signed_does_not_use_up_what_its_rsu_may_send(signs, n_read):
    asked, read, settled = [], [], []
    row = Subscription(topics.violation_up("+"), 1, read.append, admits=lambda it: asked.append(it) or True)
    guard = SimpleNamespace(guard=Guard(None, {}, time.time_ns)) if signs else None
    ingest = SimpleNamespace(subscriptions=Subscriptions([row], lambda: None))
    work = SimpleNamespace(ingest=ingest, guard=guard)
    _Work._receive(work, topics.violation_up("R1"), b"\x80", lambda: settled.append(1))
    assert (len(asked), len(read), len(settled)) == (n_read, n_read, 1 - n_read)
