"""A database on a disk that takes no writes at the start: all of it is read, and not a byte is written."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from centre.database_file import beside
from centre.presence import begin_presence
from centre.reader import EpisodeFilter, Reader
from centre.refused_disk import FULL, READ_ONLY, open_for_reading, why_refused
from centre.settings import NOTHING_TO_ASK, ask_since_ns
from centre.storage import MovedError, Storage
from centre.store import centre_name
from tests.centre.test_storage import OLDEST_NS, killed, opened, store
from tests.support.centre_samples import T0_NS
from tests.support.small_disk import SmallDisk, small_disk


def _filled(folder: Path, *, in_log: bool) -> tuple[Path, str]:
    """Return a database with 40 violations as a kill left it, half of them in its log, and its name."""
    storage = opened(folder / "first.sqlite")
    name = centre_name(storage.engine)
    store(storage, 1, 20)
    storage.tend()
    store(storage, 21, 40) if in_log else None
    path = killed(folder / "first.sqlite", folder / "killed")
    storage.close()
    return path, name


def _put(disk: SmallDisk, path: Path) -> Path:
    to = disk.folder / "centre.sqlite"
    for suffix in ("", "-wal"):
        if beside(path, suffix).exists():
            beside(to, suffix).write_bytes(beside(path, suffix).read_bytes())
    return to


def _refuse(disk: SmallDisk, how: str) -> None:
    disk.fill() if how == FULL else disk.remount("ro")


def _shown(storage: Storage) -> int:
    return len(Reader(storage.engine).episodes(EpisodeFilter(limit=500))["items"])


@pytest.mark.parametrize("in_log", [True, False])
@pytest.mark.parametrize("how", [FULL, READ_ONLY])
def test_what_is_stored_is_read_and_nothing_is_written(tmp_path: Path, how: str, in_log: bool) -> None:
    path, name = _filled(tmp_path, in_log=in_log)
    with small_disk(tmp_path / "disk", "6m") as disk:
        to = _put(disk, path)
        _refuse(disk, how)
        before = {each.name: each.read_bytes() for each in disk.folder.glob("centre.sqlite*")}
        storage = opened(to)
        assert str(storage.refused).startswith(how)
        assert _shown(storage) == (40 if in_log else 20), "with what only the log holds"
        presence = begin_presence(
            storage.engine, centre="centre", acks=1, now_ns=lambda: T0_NS, ready=lambda: False
        )
        assert presence.database == name, "RSUs would send everything again to another one"
        with pytest.raises(MovedError, match=how):
            storage.admit_writes()
        with pytest.raises(sa.exc.OperationalError), storage.engine.begin() as db:
            db.execute(sa.text("DELETE FROM violation_version"))
        storage.close()
        after = {each.name: each.read_bytes() for each in disk.folder.glob("centre.sqlite*")}
        assert {name: after[name] for name in before} == before
        assert set(after) <= {*before, "centre.sqlite.lock", "centre.sqlite-shm"}, "an empty one, of the try"


def test_it_heals_where_there_is_room_again(tmp_path: Path) -> None:
    path, _ = _filled(tmp_path, in_log=True)
    with small_disk(tmp_path / "disk", "6m") as disk:
        to = _put(disk, path)
        filler = disk.fill()
        storage = opened(to)
        assert why_refused(disk.folder) == FULL
        storage.close()
        filler.unlink()
        disk.remount("size=12m")
        assert why_refused(disk.folder) is None
        storage = opened(to)
        assert storage.refused is None
        store(storage, 41, 60)
        assert _shown(storage) == 60
        storage.close()


@pytest.mark.parametrize("there", ["nothing", "an empty file", "another version's", "no database"])
def test_where_nothing_can_be_read_an_empty_database_is_shown(tmp_path: Path, there: str) -> None:
    path, _ = _filled(tmp_path, in_log=True)
    with small_disk(tmp_path / "disk", "6m") as disk:
        to = disk.folder / "centre.sqlite"
        if there == "another version's":
            storage = opened(path)
            with storage.engine.begin() as db:
                db.execute(sa.text("UPDATE setting SET value = '1' WHERE key = 'schema_version'"))
            storage.close()
            _put(disk, path)
        elif there != "nothing":
            to.write_bytes(b"" if there == "an empty file" else b"no database at all" * 400)
        disk.fill()
        storage = opened(to)
        assert str(storage.refused).startswith(FULL)
        assert _shown(storage) == 0
        assert ask_since_ns(storage.engine, OLDEST_NS) == NOTHING_TO_ASK, "nobody could store the answers"
        assert centre_name(storage.engine).startswith("centre-")
        storage.close()


def test_an_empty_one_is_the_same_in_every_thread_and_can_t_be_written(tmp_path: Path) -> None:
    engine = open_for_reading(tmp_path / "centre.sqlite")
    with engine.connect() as one, engine.connect() as other:
        assert one.scalar(sa.text("SELECT value FROM setting WHERE key = 'centre'")) == other.scalar(
            sa.text("SELECT value FROM setting WHERE key = 'centre'")
        )
    with pytest.raises(sa.exc.OperationalError), engine.begin() as db:
        db.execute(sa.text("DELETE FROM setting"))
    engine.dispose()


def test_a_folder_that_is_not_there_is_the_operator_s_fault(tmp_path: Path) -> None:
    assert why_refused(tmp_path / "nowhere") is None
    with pytest.raises(sa.exc.OperationalError):
        opened(tmp_path / "nowhere" / "centre.sqlite")


def test_a_new_database_on_a_read_only_disk_is_the_operator_s_fault(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.remount("ro")
        with pytest.raises(sa.exc.OperationalError):
            opened(disk.folder / "centre.sqlite")
