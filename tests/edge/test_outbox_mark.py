"""The two marks of an outbox: which of them a start believes."""

import pytest

from edge.outbox.mark import Mark, MarkFile


def write(path, *marks):
    """Write marks as a run does, one after the other."""
    file = MarkFile(path)
    for mark in marks:
        file.write(mark)
    file.close()


@pytest.mark.parametrize("old", ["own", "twin"])
def test_a_mark_of_an_older_epoch_never_hides_a_newer_one_though_it_was_written_more_often(tmp_path, old):
    """A disk that was away for a while, or was another unit's before, has a longer count."""
    paths = {"own": tmp_path / "own.mark", "twin": tmp_path / "twin.mark"}
    new = {"own": "twin", "twin": "own"}[old]
    write(paths[old], *(Mark(epoch=5, last_seq=seq) for seq in range(1, 9)))
    write(paths[new], Mark(epoch=7, last_seq=2))
    file = MarkFile(paths["own"], paths["twin"])
    assert (file.found.epoch, file.found.last_seq) == (7, 2)
    file.write(Mark(epoch=8, last_seq=0))
    file.close()
    for path in paths.values():
        assert MarkFile(path).found.epoch == 8, "of both slots of a file the newer one counts"


def test_the_other_slot_of_another_rsus_file_does_not_hide_our_first_mark(tmp_path):
    """Two cards were exchanged, and the power went after the first commit."""
    path = tmp_path / "outbox.mark"
    write(path, *(Mark(esn="R2", epoch=4_000_000_000, last_seq=seq) for seq in (1, 2)))
    ours = MarkFile(path, esn="R1")
    assert ours.found is None
    ours.write(Mark(esn="R1", epoch=7, last_seq=3))
    ours.close()
    assert MarkFile(path, esn="R1").found == Mark(n=1, esn="R1", epoch=7, last_seq=3)


@pytest.mark.parametrize(
    ("own_ns", "twin_ns", "from_ns"),
    [(None, 30, 30), (20, None, 20), (20, 30, 20), (30, 20, 20), (None, None, None)],
)
def test_a_copy_that_asks_to_be_completed_is_read_from_the_oldest_time_that_either_mark_knows(
    tmp_path, own_ns, twin_ns, from_ns
):
    own, twin = tmp_path / "own.mark", tmp_path / "twin.mark"
    write(own, Mark(epoch=5, last_seq=3, rebuilding=True, oldest_ns=own_ns))
    write(twin, *(Mark(epoch=epoch, last_seq=4, oldest_ns=twin_ns) for epoch in (5, 6, 7)))
    found = MarkFile(own, twin).found
    assert (found.rebuilding, found.oldest_ns) == (True, from_ns)
    assert found.epoch == 7, "no epoch is used again, though the copy is older"
