"""Which names a file of the history remembers that it has: few, whatever passes in an hour."""

import pytest

from centre.history import file as module
from centre.history.file import HistoryFile, NameRow
from centre.history.gather import Name

NEW = Name("13900000001", "辽L·A0001", 0.9)


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "NAMES_REMEMBERED", 3)
    file = HistoryFile.create(tmp_path / "hour.sqlite")
    yield file
    file.close()


def names_in(file):
    return file.db.execute("SELECT track, from_ns FROM name ORDER BY track, from_ns").fetchall()


def test_a_name_that_is_there_is_not_added_again(file):
    for stamp_ns in (1, 2, 3):
        assert file.add_names([NameRow(7, stamp_ns, NEW)]) == 0
    assert names_in(file) == [(7, 1)]
    file.add_names([NameRow(7, 4, NEW._replace(plate=None))])
    assert names_in(file) == [(7, 1), (7, 4)]


def test_few_are_remembered_and_those_that_are_seen_stay(file):
    """All tracks of the hour were: megabytes an hour at a busy centre."""
    for k in range(10):
        file.add_names([NameRow(7, k, NEW), NameRow(100 + k, k, NEW)])
    assert len(file._names) == 3
    assert [row for row in names_in(file) if row[0] == 7] == [(7, 0)]


def test_a_file_has_room_for_so_many_names(file, monkeypatch):
    monkeypatch.setattr(module, "NAMES_MAX", 5)
    assert file.add_names([NameRow(k, 1, NEW) for k in range(8)]) == 3
    assert len(names_in(file)) == 5
