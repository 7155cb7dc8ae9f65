"""Several writers on one PostgreSQL database end with the rows of one, and the feed skips none."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from centre import postgresql as pg
from centre.batch_decoder import decode_batch
from centre.changes import Change, encode
from centre.commands import ReceivedJourney, StatusChange
from centre.feed_listener import FeedListener
from centre.lock_names import episode_name
from centre.reader import Reader
from centre.settings import ask_since_ns
from centre.store import (
    EPISODE,
    EPOCH,
    FEED,
    JOURNEY,
    STATUS,
    TRANSPORT,
    UNSETTLED,
    VERSION,
    centre_name,
    open_database,
)
from centre.violation_writer import ViolationWriter
from edge import log
from geofence.journeys.journey import encoded
from geofence.violation import GRADES
from tests.centre.test_journeys import journey
from tests.support.centre_samples import MS, T0_NS, item, payload, violation
from tests.support.ledger_databases import PostgresqlServer

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 4
N = 26  # violations of each RSU
RSUS = ("RSU001", "RSU002", "RSU003")
# what is the same whoever came first
COMPARED = {
    TRANSPORT: ("esn", "epoch", "seq", "sha256", "void"),
    VERSION: ("id", "version", "esn", "hop", "grade", "body", "sha256", "epoch", "seq"),
    EPISODE: (
        "id", "version", "hop", "esn", "open", "grade", "grade_max", "rule", "versions", "p_violation_max",
        "excess_m_max", "latency_esn",
    ),
    STATUS: ("kind", "id", "epoch", "connection"),
    EPOCH: ("esn", "epoch", "last_seq"),
    JOURNEY: ("id", "terminal", "hop", "version", "esn"),
}  # fmt: skip


@pytest.fixture
def engine(postgresql_server: PostgresqlServer) -> Iterator[sa.Engine]:
    yield (found := postgresql_server.cleared())
    found.dispose()


def _commits() -> list[tuple[Any, ...]]:
    """Return the arguments of commits: batches of episodes that all three RSUs have, statuses, journeys."""
    draw = np.random.Generator(np.random.Philox(1))
    commits: list[tuple[Any, ...]] = []
    for esn in RSUS:
        hop = RSUS.index(esn)
        items = [
            item(seq, violation(
                seq % 9 + 1, version=seq // 9 + 1 + hop, hop=hop, esn=esn, grade=GRADES[draw.integers(3)],
                p_violation=float(draw.random()),
                evidence={"stamp_ns": [T0_NS], "excess_m": [float(draw.random())]},
            ))
            for seq in range(1, N + 1)
        ]  # fmt: skip
        items += [item(N + 1, "disk"), item(N + 2, b"\xc1" + esn.encode())]
        for at in range(0, len(items), 7):
            for start in (at, max(0, at - 3)):  # sent again in other batches
                part = items[start : start + 7]
                batch = decode_batch(f"v2x/v1/rsu/{esn}/violation/up", esn, payload(10, *part), T0_NS + MS)
                status = StatusChange(
                    kind="rsu", id=esn, epoch=10, connection=1, since_ns=T0_NS, body=b"", announce=True,
                    last_seqs=((10, start + 7),),
                )  # fmt: skip
                one = journey(at % 4 + 1, version=at + 1, hop=hop, terminal=str(at % 4), esn=esn)
                commits.append(([batch], [status], [ReceivedJourney(one, encoded(one), T0_NS)]))
    return commits


def _rows(engine: sa.Engine) -> dict[str, list[Any]]:
    with engine.connect() as db:
        return {
            table.name: sorted(map(tuple, db.execute(sa.select(*(table.c[n] for n in names)))), key=repr)
            for table, names in COMPARED.items()
        }


class Follower(threading.Thread):
    """Reads the feed through a cursor while others write it, as a page does."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__()
        self._reader, self.ended = Reader(engine), threading.Event()
        self.seen: list[int] = []
        self.shown: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def run(self) -> None:
        while True:
            is_last = self.ended.is_set()
            found = self._reader.changes(self.seen[-1] if self.seen else 0, 5)
            for change in found:
                self.seen.append(change.n)
                if change.data is not None:
                    self.shown[change.key].append((change.data["hop"], change.data["version"]))
            if is_last and not found:
                return


def test_four_writers_end_with_the_rows_of_one_and_a_follower_misses_nothing(
    engine: sa.Engine, tmp_path: Path
) -> None:
    commits = _commits()
    draw = np.random.Generator(np.random.Philox(1))
    alone = open_database(f"sqlite:///{tmp_path / 'centre.sqlite'}")
    only = ViolationWriter(alone, lambda: T0_NS + 600 * MS)
    for each in commits:
        only.commit(*each)
    follower = Follower(engine)
    follower.start()
    orders = [[commits[i] for i in draw.permutation(len(commits))] for _ in range(WRITERS)]
    orders[1:] = [order[::2] for order in orders[1:]]  # each comes once at least, most come again

    def write(order: list[tuple[Any, ...]]) -> int:
        writer = ViolationWriter(engine, lambda: T0_NS + 600 * MS)
        done = [writer.commit(*each) for each in order]
        assert all(result.acknowledgements[0].conflict == () for result in done)
        return sum(result.counts["violation.stored"] for result in done)

    with ThreadPoolExecutor(WRITERS) as threads:
        n_stored = sum(threads.map(write, orders))
    ViolationWriter(engine, lambda: T0_NS).tend()
    follower.ended.set()
    follower.join(60.0)
    assert n_stored == len(RSUS) * N  # each by one writer
    assert _rows(engine) == _rows(alone)
    with engine.connect() as db:
        assert follower.seen == list(db.scalars(sa.select(FEED.c.n).order_by(FEED.c.n)))
        assert db.scalar(sa.select(sa.func.count()).select_from(UNSETTLED)) == 0
        unstamped = sa.select(VERSION.c.id).where(VERSION.c.committed_ns.is_(None))
        assert db.execute(unstamped).all() == []
        newest = {row.id: (row.hop, row.version) for row in db.execute(sa.select(EPISODE))}
    assert {key: found[-1] for key, found in follower.shown.items()} == newest
    assert all(found == sorted(found) for found in follower.shown.values())  # never an older one
    alone.dispose()


def _writer(url: str, *arguments: object) -> "subprocess.Popen[str]":
    argv = (sys.executable, "-m", "tests.support.ledger_killed", url, *map(str, arguments))
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE)


def test_a_writer_that_is_killed_loses_nothing_that_it_acknowledged(engine: sa.Engine) -> None:
    """One between its commit and the feed, one wherever the kill meets it; a third one settles for them."""
    url = engine.url.render_as_string(hide_password=False)
    anywhere = _writer(url, "RSU002", 1_000)
    assert anywhere.stdout is not None
    acknowledged = {"RSU002": {int(anywhere.stdout.readline()) for _ in range(25)}}
    anywhere.kill()
    between = _writer(url, "RSU001", 1_000, 9)
    for esn, killed in (("RSU001", between), ("RSU002", anywhere)):
        rest, _ = killed.communicate(timeout=60.0)
        assert killed.returncode == -signal.SIGKILL
        acknowledged.setdefault(esn, set()).update(int(line) for line in rest.splitlines())
    with engine.connect() as db:
        assert db.scalar(sa.select(sa.func.count()).select_from(UNSETTLED)) == 1
    third = ViolationWriter(engine, lambda: T0_NS + 800 * MS)
    third.tend()
    with engine.connect() as db:
        for esn in ("RSU001", "RSU002"):
            stored = set(db.scalars(sa.select(VERSION.c.seq).where(VERSION.c.esn == esn)))
            keys = set(db.scalars(sa.select(TRANSPORT.c.seq).where(TRANSPORT.c.esn == esn)))
            assert acknowledged[esn] <= stored == keys
        assert db.scalar(sa.select(sa.func.count()).select_from(UNSETTLED)) == 0
        assert set(db.scalars(sa.select(FEED.c.key))) == set(db.scalars(sa.select(EPISODE.c.id)))
        assert None not in set(db.scalars(sa.select(VERSION.c.committed_ns)))


def test_an_episode_that_another_writer_changes_just_now_keeps_no_other_from_the_feed(
    engine: sa.Engine,
) -> None:
    writer = ViolationWriter(engine, lambda: T0_NS)
    body = payload(10, item(1, violation(1)), item(2, violation(2)))
    batch = decode_batch("t", "RSU001", body, T0_NS)
    with engine.begin() as db:  # the note of another one, which was killed
        note = Change("violation", violation(3).id, is_new=True, versions=[(1, "RSU001")])
        db.execute(sa.insert(UNSETTLED).values(changes=encode([note])))
    with engine.begin() as db:
        pg.lock(db, [episode_name(violation(3).id)])
        done = writer.commit([batch], [])
    assert done.counts["settle.deferred"] == 1
    assert len(Reader(engine).changes(0)) == 2
    assert writer.tend()
    assert not writer.tend()


def test_a_change_is_never_seen_before_one_of_a_lower_number(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's cursor would skip the lower one for ever: so the second to settle waits for the first."""
    notify, added, may_end = pg.notify, threading.Event(), threading.Event()

    def slow(db: sa.Connection, newest_n: int) -> None:
        notify(db, newest_n)
        if not added.is_set():
            added.set()
            assert may_end.wait(30.0)

    monkeypatch.setattr(pg, "notify", slow)
    batches = [decode_batch("t", "RSU001", payload(10, item(n, violation(n))), T0_NS) for n in (1, 2)]
    first, second = (ViolationWriter(engine, lambda: T0_NS) for _ in range(2))
    with ThreadPoolExecutor(1) as threads:
        doing = threads.submit(first.commit, batches[:1], [])
        assert added.wait(30.0)
        done = second.commit(batches[1:], [])
        seen = Reader(engine).changes(0)
        may_end.set()
        doing.result(30.0)
    assert (done.acknowledgements[0].stored, done.counts["settle.failed"]) == ((2,), 1)  # it waits no longer
    assert seen == []
    assert second.tend()
    assert [change.key for change in Reader(engine).changes(0)] == [violation(n).id for n in (1, 2)]


def test_a_transaction_that_postgresql_ends_for_another_one_is_tried_again(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that wait for each other: it ends one of them after a second (deadlock_timeout)."""
    writer = ViolationWriter(engine, lambda: T0_NS)
    first, second = (violation(n) for n in (1, 2))
    batch = decode_batch("t", "RSU001", payload(10, item(1, first)), T0_NS)
    locked = threading.Event()
    lock = pg.lock

    def wait_for_each_other(db: sa.Connection, names: Any) -> None:
        if not locked.is_set():
            lock(db, [episode_name(second.id)])
            locked.set()
            time.sleep(0.2)
        lock(db, names)

    monkeypatch.setattr(pg, "lock", wait_for_each_other)
    with ThreadPoolExecutor(1) as threads, engine.begin() as db:
        lock(db, [episode_name(first.id)])
        db.exec_driver_sql("SET LOCAL deadlock_timeout = '30s'")  # the other one is to be ended
        doing = threads.submit(writer.commit, [batch], [])
        assert locked.wait(30.0)
        lock(db, [episode_name(second.id)])
        db.rollback()
        done = doing.result(30.0)
    assert (done.counts["commit.retried"], done.acknowledgements[0].stored) == (1, (1,))


def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(
    postgresql: Callable[[], str],
) -> None:
    url = postgresql()
    name = sa.make_url(url).database
    bare = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    for value, want in (("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")):
        with bare.connect() as db:
            db.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = {value}")
        engine = open_database(url)
        with engine.connect() as db:
            assert db.exec_driver_sql("SHOW synchronous_commit").scalar() == want
            assert db.exec_driver_sql("SHOW lock_timeout").scalar() == "6s"
        assert pg.unsafe_settings(engine) == ["fsync"]  # as the tests' server is started
        engine.dispose()
    bare.dispose()


@pytest.mark.anyio
async def test_what_another_process_commits_wakes_the_feed_at_once_also_after_a_lost_connection(
    engine: sa.Engine, record_property: Callable[[str, object], None]
) -> None:
    woken = asyncio.Event()
    listener = FeedListener(engine, woken.set, log.setup(part="test"))
    running = asyncio.create_task(listener.run())
    writer = ViolationWriter(engine, lambda: T0_NS)
    waits_s = []

    async def until(reason: str, n: int) -> None:
        async with asyncio.timeout(30.0):
            while listener.counts[reason] < n:
                await asyncio.sleep(0.005)

    for turn in (1, 2):
        await until("listen.connected", turn)
        before = listener.counts["listen.notified"]
        batch = decode_batch("t", "RSU001", payload(10, item(turn, violation(turn))), T0_NS)
        await asyncio.to_thread(writer.commit, [batch], [])
        begun_s = time.perf_counter()
        await until("listen.notified", before + 1)
        waits_s.append(time.perf_counter() - begun_s)
        assert woken.is_set()
        with engine.begin() as db:
            ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%%'"
            assert db.exec_driver_sql(ended).scalars().all() == [True]
        await until("listen.failed", turn)
    running.cancel()
    record_property("commit of another process until the feed is woken [ms]", round(1e3 * max(waits_s), 1))
    assert max(waits_s) < 1.0  # polling alone would need so long


def test_the_statements_of_the_manual_make_a_restored_database_one_of_its_own(
    postgresql: Callable[[], str],
) -> None:
    """As `deploy/README.md` says: RSUs are asked for what is newer, and the feed's numbers begin above."""
    engine = open_database(postgresql())
    before = centre_name(engine)
    batch = decode_batch("t", "RSU001", payload(10, item(1, violation(1))), T0_NS)
    ViolationWriter(engine, lambda: T0_NS).commit([batch], [])
    _, _, rest = (ROOT / "deploy" / "README.md").read_text().partition("DELETE FROM setting")
    with engine.begin() as db:
        for statement in f"DELETE FROM setting{rest.partition('```')[0]}".split(";\n"):
            db.exec_driver_sql(statement)
    assert centre_name(engine) != before
    assert ask_since_ns(engine, 10**18) == T0_NS - 3_600 * 10**9
    batch = decode_batch("t", "RSU001", payload(10, item(2, violation(2))), T0_NS)
    ViolationWriter(engine, lambda: T0_NS).commit([batch], [])
    # the older one is out of reach
    assert [change.n > 10**9 for change in Reader(engine).changes(0)] == [True]
    engine.dispose()
