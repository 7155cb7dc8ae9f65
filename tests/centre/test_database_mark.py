"""A database that holds less than was acknowledged is noticed at its start, and the RSUs are asked."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from centre.database_file import SUFFIXES, beside
from centre.database_mark import SUFFIX, Mark, newest, read, write
from centre.settings import NOTHING_TO_ASK, ask_since_ns
from centre.settling import Settler
from centre.storage import Storage
from centre.store import ASK, centre_name
from tests.centre.test_storage import OLDEST_NS, T0_NS, opened, store


def marked(storage: Storage) -> None:
    """As the writer does after each transaction."""
    with storage.engine.begin() as db:
        storage.mark(newest(db))


def _copied(path: Path, backup: Path) -> None:
    for suffix in SUFFIXES:
        beside(path, suffix).unlink(missing_ok=True)
    shutil.copyfile(backup, path)


def _copied_and_mark_deleted(path: Path, backup: Path) -> None:
    _copied(path, backup)
    beside(path, SUFFIX).unlink()


def _over_the_file(path: Path, backup: Path) -> None:
    """As `cp` does: the file is the same one, its content another."""
    for suffix in SUFFIXES[1:]:
        beside(path, suffix).unlink(missing_ok=True)
    before = path.stat().st_ino
    shutil.copyfile(backup, path)
    assert path.stat().st_ino == before


def _nothing(path: Path, backup: Path) -> None:
    """An ordinary restart."""


@pytest.mark.parametrize(("harm", "asks"), [
    (_nothing, False), (_copied, True), (_copied_and_mark_deleted, True), (_over_the_file, True),
])  # fmt: skip
def test_an_older_copy_in_its_place_is_noticed(
    tmp_path: Path, harm: Callable[[Path, Path], None], asks: bool
) -> None:
    path, backup = tmp_path / "centre.sqlite", tmp_path / "backup.sqlite"
    storage = opened(path)
    name = centre_name(storage.engine)
    assert ask_since_ns(storage.engine, OLDEST_NS) == OLDEST_NS, "it is new"
    store(storage, 1, 20)
    storage.tend()
    shutil.copyfile(path, backup)
    store(storage, 21, 40)
    marked(storage)
    storage.close()
    seen = read(path)
    assert seen is not None
    harm(path, backup)
    storage = opened(path)
    since_ns = ask_since_ns(storage.engine, OLDEST_NS)
    assert (OLDEST_NS < since_ns < T0_NS) == asks
    assert (centre_name(storage.engine) != name) == asks, "RSUs that need two centres send again what waits"
    store(storage, 41, 42)
    with storage.engine.begin() as db:
        assert newest(db) > seen.feed_n, "no page has seen the number"
    storage.close()


@pytest.mark.parametrize("asks", [False, True])
def test_a_loss_of_power_that_takes_a_settling_makes_no_older_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asks: bool
) -> None:
    """The transaction is on the disk, its rows of the feed are not; the mark was written after both."""
    path = tmp_path / "centre.sqlite"
    storage = opened(path)
    name = centre_name(storage.engine)
    store(storage, 1, 20)
    with storage.engine.begin() as db:
        before = newest(db)
    with monkeypatch.context() as lost:
        lost.setattr(Settler, "settle", lambda _self, _counts: False)
        store(storage, 21, 40)
    storage.mark(before + 20 + asks)  # one more, and a whole transaction is missing
    storage.close()
    storage = opened(path)
    assert (centre_name(storage.engine) != name) == asks
    store(storage, 41, 42)
    with storage.engine.begin() as db:
        assert newest(db) > before + 20 + asks, "no page has seen the number"
    storage.close()


def test_a_copy_from_before_the_first_violation_is_noticed(tmp_path: Path) -> None:
    """All RSUs were asked when it was new; it says so, and what they had acknowledged since is gone."""
    path, backup = tmp_path / "centre.sqlite", tmp_path / "backup.sqlite"
    storage = opened(path)
    centre_name(storage.engine)
    ask_since_ns(storage.engine, OLDEST_NS)
    with storage.engine.begin() as db:
        db.execute(ASK.insert().values(esn="RSU001", since_ns=OLDEST_NS, times=1, asked_ns=T0_NS))
    storage.tend()
    shutil.copyfile(path, backup)
    store(storage, 1, 20)
    marked(storage)
    storage.close()
    _copied(path, backup)
    storage = opened(path)
    assert ask_since_ns(storage.engine, OLDEST_NS + 1) == OLDEST_NS + 1, "as new"
    with storage.engine.begin() as db:
        assert db.execute(ASK.select()).all() == []
    storage.close()


def test_a_new_database_is_no_older_one(tmp_path: Path) -> None:
    storage = opened(tmp_path / "centre.sqlite")
    storage.close()
    storage = opened(tmp_path / "centre.sqlite")
    assert ask_since_ns(storage.engine, NOTHING_TO_ASK + 5) == 5
    storage.close()


@pytest.mark.parametrize("before", [None, b"", b'{"inode":1,"feed_n":2}', b"x" * 500])
def test_a_mark_takes_the_place_of_whatever_lies_there(tmp_path: Path, before: bytes | None) -> None:
    """Of an earlier version's, which was shorter, and of half of one, too."""
    path = tmp_path / "centre.sqlite"
    path.touch()
    mark = beside(path, SUFFIX)
    if before is not None:
        mark.write_bytes(before)
    for feed_n in (7, 2**63 - 1, 8):
        write(path, feed_n)
        assert read(path) == Mark(path.stat().st_ino, feed_n)
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, mark.name]
