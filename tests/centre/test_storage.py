"""Faults of the centre's database file: it opens after each; what it lost is counted as missing, and said."""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from centre import database_mark
from centre.batch_decoder import decode_batch
from centre.checking import Check
from centre.commands import StatusChange
from centre.database_file import PART, READY, beside
from centre.reader import EpisodeFilter, Reader
from centre.settings import ask_since_ns
from centre.storage import MovedError, SpentError, Storage, TakenError, hold, mend, open_storage
from centre.store import EPISODE, FEED
from centre.violation_writer import ViolationWriter
from edge import log
from tests.support.centre_samples import T0_NS, episode_id, item, payload, violation

N, OLDEST_NS = 300, T0_NS - 7 * 86_400 * 10**9
LOGGER = log.setup(part="test")
ROOT = Path(__file__).resolve().parents[2]


def opened(path: Path) -> Storage:
    return open_storage(f"sqlite:///{path}", LOGGER, OLDEST_NS)


def store(storage: Storage, first: int, last: int, esn: str = "RSU001") -> None:
    """Commit violations as an RSU sends them, and its heartbeat's last seq."""
    writer = ViolationWriter(storage.engine, lambda: T0_NS)
    topic = f"v2x/v1/rsu/{esn}/violation/up"
    for at in range(first, last + 1, 20):
        items = [item(seq, violation(seq, esn=esn)) for seq in range(at, min(at + 20, last + 1))]
        writer.commit([decode_batch(topic, esn, payload(10, *items), T0_NS)], [beat(esn, last)])


def beat(esn: str, last_seq: int) -> StatusChange:
    """Return what a heartbeat changes."""
    return StatusChange(
        kind="rsu", id=esn, epoch=10, connection=1, since_ns=1, body=b"", announce=False,
        last_seqs=((10, last_seq),),
    )  # fmt: skip


def stored(storage: Storage) -> list[str]:
    with storage.engine.begin() as db:
        return list(db.scalars(sa.text("SELECT id FROM violation_version ORDER BY seq")))


def killed(path: Path, into: Path) -> Path:
    """Return a copy of the files as a kill leaves them: nothing is moved out of the log."""
    into.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(beside(path, suffix), beside(into / path.name, suffix))
    at = into / path.name
    mark = database_mark.read(path)
    assert mark is not None
    database_mark.write(at, mark.feed_n)  # to a centre it is the file of its last start
    return at


@pytest.fixture(scope="module")
def as_killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of which 260 violations lie in the file, 40 in the write-ahead log."""
    folder = tmp_path_factory.mktemp("centre")
    storage = opened(folder / "centre.sqlite")
    store(storage, 1, 260)
    storage.tend()
    store(storage, 261, N)
    path = killed(folder / "centre.sqlite", folder / "killed")
    storage.close()
    return path


def flip(path: Path, at: int) -> None:
    body = bytearray(path.read_bytes())
    body[at] ^= 0x10
    path.write_bytes(body)


def zeros(path: Path, first: int, n: int) -> None:
    with path.open("rb+") as file:
        file.seek(first)
        file.write(bytes(n))


def in_body(path: Path) -> None:
    """Change one letter of the evidence of a violation that lies in the file."""
    body = path.read_bytes()
    at = body.index(episode_id(7).encode(), body.index(b"lane_departure"))
    flip(path, body.index(b"lane_departure", at))


def page(path: Path, table: str) -> int:
    """Return the offset of a table's first page."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    return (root - 1) * size


def cut(path: Path, share: float) -> None:
    os.truncate(path, int(path.stat().st_size * share))


FAULTS: dict[str, tuple[Callable[[Path], object], int, bool]] = {
    # what happens to the file; how many of 300 are there at least afterwards; whether it is set aside
    "as killed": (lambda p: None, N, False),
    "log cut in half": (lambda p: cut(beside(p, "-wal"), 0.5), 260, False),
    "log deleted": (lambda p: beside(p, "-wal").unlink(), 260, False),
    "a bit of the log": (lambda p: flip(beside(p, "-wal"), 5_000), 260, False),
    "all deleted": (lambda p: [p.unlink(), beside(p, "-wal").unlink()], 0, False),
    "the schema's page": (lambda p: [beside(p, "-wal").unlink(), zeros(p, 100, 3_900)], 0, True),
    "no database": (lambda p: p.write_bytes(b"no database at all" * 400), 0, True),
    "zeros": (lambda p: zeros(p, p.stat().st_size // 8192 * 4096, 100_000), 40, True),
    "the file cut in half": (lambda p: cut(p, 0.5), 40, True),
    "a table's first page": (lambda p: zeros(p, page(p, "episode"), 4_096), 260, True),
    "a bit of evidence": (in_body, N - 1, True),
    "a directory as the log": (lambda p: [beside(p, "-wal").unlink(), beside(p, "-wal").mkdir()], 260, False),
    "a directory as the index": (lambda p: beside(p, "-shm").mkdir(), N, False),
    "a link as the index": (lambda p: beside(p, "-shm").symlink_to("no-folder/nowhere"), N, False),
    "a directory in its place": (lambda p: [p.unlink(), p.mkdir()], 0, True),
    "zero length": (lambda p: [p.write_bytes(b""), beside(p, "-wal").unlink()], 0, False),
}


@pytest.mark.parametrize("name", FAULTS)
def test_after_a_fault_of_the_file_the_centre_opens_and_counts_what_it_lost(
    as_killed: Path, tmp_path: Path, name: str
) -> None:
    """What it lost is missing by key, or the RSUs are asked for everything of a time: never silently gone."""
    harm, n_left, is_aside = FAULTS[name]
    path = killed(as_killed, tmp_path / "site")
    harm(path)
    storage = opened(path)
    found: list[str] = []
    for damage in _damages(path):  # as the running centre meets it, now or by its look through the file
        storage.close()
        mend(path, damage, LOGGER, OLDEST_NS)
        storage = opened(path)
    found = stored(storage)
    assert n_left <= len(found) == len(set(found))
    assert any("damaged" in notice for notice in storage.notices()) == is_aside
    since_ns = ask_since_ns(storage.engine, OLDEST_NS)
    ViolationWriter(storage.engine, lambda: T0_NS).commit([], [beat("RSU001", N)])  # the next heartbeat
    reader = Reader(storage.engine)
    n_missing = reader.gaps().get("RSU001", (0, 0))[1]
    assert n_missing == N - len(found)
    assert (0 < since_ns < T0_NS) == (is_aside or not found), "and what no heartbeat names any more"
    shown = {row["id"] for row in reader.episodes(EpisodeFilter(limit=500))["items"]}
    assert shown == set(found), "each stored violation has its row, and no row is without"
    store(storage, 1, N)  # the RSUs answer
    assert len(stored(storage)) == N
    assert reader.gaps()["RSU001"] == (N, 0)
    with storage.engine.begin() as db:
        assert db.scalar(sa.select(sa.func.max(EPISODE.c.n))) == N, "numbered without gaps"
    storage.close()


def _damages(path: Path) -> list[str]:
    """Return what the look through the file finds."""
    found = Check(path)._fault()
    return [] if found is None else [found]


def test_a_new_number_of_the_feed_is_one_that_no_page_has_seen(as_killed: Path, tmp_path: Path) -> None:
    path = killed(as_killed, tmp_path / "site")
    FAULTS["the schema's page"][0](path)  # nobody knows the old numbers
    storage = opened(path)
    store(storage, 1, 1)
    with storage.engine.begin() as db:
        assert db.scalar(sa.select(sa.func.min(FEED.c.n))) > 10**12
    storage.close()


MOVES: dict[str, Callable[[Path], object]] = {
    "deleted": lambda p: p.unlink(),
    "deleted with its logs": lambda p: [beside(p, s).unlink() for s in ("", "-wal", "-shm")],
    "renamed": lambda p: p.rename(p.with_name("other")),
    "replaced by another database": lambda p: _replaced(p),
    "its log deleted": lambda p: beside(p, "-wal").unlink(),
}


def _replaced(path: Path) -> None:
    other = path.with_name("other.sqlite")
    with contextlib.closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE theirs (x)")
        db.commit()
    other.replace(path)


@pytest.mark.parametrize("name", MOVES)
def test_what_was_committed_into_a_moved_file_is_held_at_the_next_start(tmp_path: Path, name: str) -> None:
    path = tmp_path / "centre.sqlite"
    storage = opened(path)
    store(storage, 1, 40)
    MOVES[name](path)
    store(storage, 41, 60)  # SQLite commits as if nothing were wrong
    storage.secure()  # now these can be acknowledged
    assert storage.counts["database.written_back"] == 1
    again = killed(path, tmp_path / "after the kill")
    store(storage, 61, 80)
    storage.secure()
    assert storage.counts["database.written_back"] == 1, "once is enough"
    assert any("written back" in notice for notice in storage.notices())
    storage.close()
    for copy, n in ((again, 60), (path, 80)):
        held = opened(copy)
        assert stored(held) == [episode_id(n) for n in range(1, n + 1)]
        held.close()
    if "replaced" in name:
        (aside,) = tmp_path.glob("centre.sqlite.foreign-*")
        with contextlib.closing(sqlite3.connect(aside)) as db:
            assert db.execute("SELECT count(*) FROM theirs").fetchone() == (0,), "it is kept whole"


def test_where_the_file_can_t_be_written_back_nothing_is_acknowledged(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    storage = opened(folder / "centre.sqlite")
    store(storage, 1, 20)
    folder.rename(tmp_path / "gone")
    store(storage, 21, 40)
    with pytest.raises(MovedError, match="was deleted while the centre ran, and can't be written back"):
        storage.secure()
    folder.mkdir()  # the operator mounts it again
    storage.secure()
    assert len(stored(storage)) == 40
    storage.close()
    held = opened(folder / "centre.sqlite")
    assert len(stored(held)) == 40
    held.close()


def test_a_kill_between_the_copy_and_its_place_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "centre.sqlite"
    storage = opened(path)
    store(storage, 1, 40)
    path.unlink()
    assert storage._file is not None
    storage._file.copy_aside()
    storage.close()  # and the process is dead
    assert beside(path, READY).exists()
    beside(path, PART).write_bytes(b"half a copy")
    held = opened(path)
    assert len(stored(held)) == 40
    assert not beside(path, READY).exists()
    assert not beside(path, PART).exists()
    held.close()


def test_a_failing_disk_ends_the_mending_by_name(tmp_path: Path) -> None:
    path = tmp_path / "centre.sqlite"
    for n in range(3):
        path.write_bytes(b"no database at all" * (300 + n))
        opened(path).close()
    path.write_bytes(b"no database at all" * 400)
    with pytest.raises(SpentError, match="look at the disk"):
        opened(path)


def test_only_the_centre_s_own_user_can_read_its_files(tmp_path: Path) -> None:
    path = tmp_path / "centre.sqlite"
    path.touch(0o644)  # of an earlier version
    storage = opened(path)
    store(storage, 1, 20)
    for suffix in ("", "-wal", "-shm", ".lock"):
        assert beside(path, suffix).stat().st_mode & 0o777 == 0o600, suffix
    storage.close()


def test_a_database_that_can_t_be_opened_now_is_not_taken_for_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locked as here, or on a full disk: the start fails by name, and nothing is set aside."""
    monkeypatch.setattr("centre.store.SQLITE_WAIT_S", 0)
    path = tmp_path / "centre.sqlite"
    opened(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sa.exc.OperationalError, match="locked"):
            opened(path)
    storage = opened(path)
    assert storage.notices() == []
    storage.close()


def test_a_second_centre_on_one_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "centre.sqlite"
    storage = opened(path)
    with pytest.raises(TakenError, match="another centre"):
        hold(path, wait_s=0.0)
    storage.close()
    os.close(hold(path, wait_s=0.0))


def test_the_write_ahead_log_shrinks_once_a_snapshot_ends_and_is_a_fault_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("centre.storage.LOG_BYTES_MAX", 200_000)
    monkeypatch.setattr("centre.storage.LOG_S", 0.0)
    path = tmp_path / "centre.sqlite"
    storage = opened(path)
    store(storage, 1, 20)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as backup_tool:
        backup_tool.execute("BEGIN")
        backup_tool.execute("SELECT count(*) FROM episode").fetchone()
        store(storage, 21, 300)
        begun_s = time.monotonic()
        storage.tend()
        assert time.monotonic() - begun_s < 2.0, "it does not wait for the reader: the writer would"
        assert storage.log_fault is not None
        assert "another program holds a snapshot" in storage.log_fault
        assert storage.log_bytes > 200_000
        backup_tool.execute("COMMIT")
    storage.tend()
    assert storage.log_fault is None
    assert storage.log_bytes == 0
    storage.close()


def test_a_busy_database_moves_its_log_beside_the_writer(tmp_path: Path) -> None:
    """A commit that moved the log itself kept a live violation waiting."""
    storage = opened(tmp_path / "centre.sqlite")
    with contextlib.closing(storage):
        store(storage, 1, 200)
        alone = storage.log_bytes
        with storage.engine.begin() as db:  # the next transaction is open meanwhile
            db.execute(sa.text("INSERT INTO setting VALUES ('busy', '1')"))
            storage.copy_log()
        for first in range(201, 1_001, 200):
            store(storage, first, first + 199)
            storage.copy_log()
        assert storage.log_bytes < 3 * alone, "each time the log begins anew: it had five times as much"
    assert len(stored(opened(tmp_path / "centre.sqlite"))) == 1_000


def test_nothing_is_made_in_the_place_of_a_deleted_database(tmp_path: Path) -> None:
    path = tmp_path / "centre.sqlite"
    storage = opened(path)
    with contextlib.closing(storage):
        store(storage, 1, 20)
        path.unlink()
        storage.copy_log()
        assert not path.exists()
