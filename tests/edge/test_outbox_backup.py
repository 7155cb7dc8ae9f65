"""A backup of a live outbox."""

import json
import shutil
import sqlite3

import pytest

from core.errors import CommandError, UsageError
from edge.outbox.backup import back_up
from edge.outbox.history import History, Recorded
from edge.outbox.mending import Rebuild
from edge.outbox.outbox import Outbox
from edge.outbox.store import Store
from edge.recording.recorder import Recorder
from petroroad.cli import run
from tests.edge.test_outbox_power_loss import restarted
from tests.support.outbox_end import put, running, until
from tests.support.outbox_killed import ESN, WAITING, leave_behind, wall

pytestmark = pytest.mark.anyio


async def test_a_live_outbox_is_copied_as_of_one_moment(tmp_path, capsys):
    path, to = tmp_path / "outbox" / "R1.sqlite", tmp_path / "copy"
    Recorder(tmp_path / "recordings" / "R1-5.mcap").close()
    async with running(path) as (outbox, wire):
        for i in range(50):
            put(outbox, b"%d" % i)
        await until(lambda: len(wire.keys()) == 50)
        assert run(["rsu", "backup", "--esn", "R1", "--state", str(tmp_path), "--to", str(to)]) == 0
        put(outbox, b"later")
        await until(lambda: outbox.last_seq == 51)
        epoch = outbox.epoch
    assert "50 items wait, 1 recordings listed, sound" in capsys.readouterr().out
    about = json.loads((to / "R1.backup.json").read_bytes())
    assert (about["items"], about["epochs"], about["file"]) == (50, {str(epoch): 50}, "R1.sqlite")
    assert [each["name"] for each in about["recordings"]] == ["R1-5.mcap"]
    assert sorted(each.name for each in to.iterdir()) == ["R1.backup.json", "R1.sqlite", "R1.sqlite.mark"]
    assert {each.stat().st_mode & 0o777 for each in to.iterdir()} == {0o600}
    store = Store(to / "R1.sqlite", 0)
    assert [row.violation for row in store.load(99, ())] == [b"%d" % i for i in range(50)]
    store.close()


def test_what_can_not_be_copied_is_one_line(tmp_path, capsys):
    assert run(["rsu", "backup", "--esn", "R1", "--state", str(tmp_path), "--to", str(tmp_path / "to")]) == 2
    assert "there is no outbox" in capsys.readouterr().err
    path = tmp_path / "R1.sqlite"
    Store(path, 5).close()
    with pytest.raises(UsageError, match="own directory"):
        back_up(path, "R1", tmp_path, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="the backup failed"):
        back_up(path, "R1", tmp_path, tmp_path / "file" / "to")


def test_a_damaged_outbox_leaves_an_earlier_copy_as_it_was(tmp_path):
    path, to = tmp_path / "outbox" / "R1.sqlite", tmp_path / "to"
    path.parent.mkdir()
    Store(path, 5).close()
    back_up(path, "R1", tmp_path, to)
    before = (to / "R1.sqlite").read_bytes()
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(bytes(4_096))
    with pytest.raises(CommandError, match=r"the backup failed: .*(damaged|malformed)"):
        back_up(path, "R1", tmp_path, to)
    assert (to / "R1.sqlite").read_bytes() == before
    assert sqlite3.connect(to / "R1.sqlite").execute("PRAGMA quick_check").fetchone() == ("ok",)
    assert not (to / "R1.sqlite.part").exists()


async def test_a_start_on_a_copy_finds_what_was_recorded_after_it(tmp_path):
    path, to = tmp_path / "outbox" / "o.sqlite", tmp_path / "to"
    path.parent.mkdir()
    Store(path, 5).close()
    back_up(path, ESN, tmp_path / "recordings", to)
    leave_behind(tmp_path)
    for each in path.parent.iterdir():
        each.unlink()
    for name in ("o.sqlite", "o.sqlite.mark"):
        (to / name).rename(path.parent / name)
    arrived, voids, outbox = await restarted(tmp_path)
    assert (arrived, voids, outbox.depth, outbox.degraded) == (WAITING, [], 0, ())


@pytest.mark.parametrize("left", ["mark", "no mark", "no mark at all"])
async def test_an_older_copy_put_back_by_hand_is_completed_from_the_recordings(tmp_path, left):
    """A copy of the whole folder is sound in itself, mark and all; only the recordings know more."""
    outbox_folder, to = tmp_path / "outbox", tmp_path / "copy"
    outbox_folder.mkdir()
    (tmp_path / "recordings").mkdir()
    async with running(outbox_folder / "o.sqlite", recordings=tmp_path / "recordings", esn=ESN) as (
        early,
        wire,
    ):
        put(early, b"early")
        await until(wire.keys)
    shutil.copytree(outbox_folder, to)
    leave_behind(tmp_path)
    shutil.rmtree(outbox_folder)
    shutil.copytree(to, outbox_folder)
    if left != "mark":
        (outbox_folder / "o.sqlite.mark").unlink()
    if left == "no mark at all":
        (tmp_path / "recordings" / f"{ESN}.mark").unlink()
    arrived, voids, outbox = await restarted(tmp_path)
    assert (arrived, voids, outbox.depth) == (WAITING | {b"early"}, [], 0)
    assert outbox.degraded == ("outbox_damaged",)


@pytest.mark.parametrize("marked", [True, False])
async def test_another_rsus_outbox_is_set_aside_and_ours_comes_from_the_recordings(tmp_path, marked):
    """Two cards were exchanged. Sent under our name, its violations would be refused, and so lost."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs" / "outbox"
    leave_behind(ours)
    async with running(theirs / "o.sqlite", recordings=tmp_path / "theirs", esn="RSU-2") as (other, wire):
        other.raise_epoch(4_000_000_000)  # so that its marks look newer than ours
        put(other, b"theirs", b"open")
        await until(wire.keys)
        other.keep("journey of theirs", b"on its way")
    shutil.rmtree(ours / "outbox")
    shutil.copytree(theirs, ours / "outbox")
    if not marked:
        (ours / "outbox" / "o.sqlite.mark").unlink()
    episodes = []
    arrived, voids, outbox = await restarted(ours, on_episodes=lambda states, _: episodes.extend(states))
    assert (arrived, voids, outbox.depth, outbox.degraded) == (WAITING, [], 0, ("outbox_foreign",))
    assert (outbox.counts["outbox.foreign"], outbox.counts.get("outbox.damaged")) == (1, None)
    assert (len(episodes), outbox.journeys) == (12, ())
    (aside,) = (ours / "outbox").glob("o.sqlite.damaged-*[0-9]")
    assert sqlite3.connect(aside).execute("SELECT violation FROM item").fetchall() == [(b"theirs",)]
    assert sqlite3.connect(ours / "outbox" / "o.sqlite").execute("SELECT esn FROM owner").fetchone() == (ESN,)


async def test_another_rsus_outbox_on_a_disk_that_refuses_is_never_sent(tmp_path, monkeypatch):
    """It can be neither moved nor written; ours is served from memory."""
    path = tmp_path / "o.sqlite"
    async with running(path, esn="RSU-2") as (other, wire):
        put(other, b"theirs")
        await until(wire.keys)
    monkeypatch.setattr("edge.outbox.keeper.set_aside", lambda path, wall_s: None)
    async with running(path, esn=ESN) as (outbox, wire):
        put(outbox, b"ours")
        await until(wire.keys)
        assert [item.violation for batch in wire.batches for item in batch.items] == [b"ours"]
        assert {"outbox_foreign", "outbox_in_memory"} <= set(outbox.degraded)
        assert outbox.depth == 1
    assert sqlite3.connect(path).execute("SELECT violation FROM item").fetchall() == [(b"theirs",)]


async def test_an_episode_that_ended_after_an_older_copy_was_made_is_said_to_have_ended(tmp_path):
    """The copy has it open. What else it keeps is given at the start, and stays."""
    outbox_folder, to, recordings = tmp_path / "outbox", tmp_path / "copy", tmp_path / "recordings"
    outbox_folder.mkdir()
    recordings.mkdir()
    with Recorder(recordings / f"{ESN}-1.mcap") as recorder:
        outbox = await Outbox.open(outbox_folder / "o.sqlite", clock=wall(), recordings=recordings, esn=ESN)

        def record(body):
            recorder.write(f"/delivery/{ESN}", body, wall().now_ns())

        def say(name, body, state):
            recorder.write(f"/violation/{ESN}", body, wall().now_ns())
            outbox.put(body, wall().now_ns(), name, state)

        outbox.start(before_commit=recorder.close_chunk, record=record)
        outbox.keep("late", b"kept")
        for name in ("ended", "open", "again"):
            say(name, b"opens " + name.encode(), name.encode())
        await until(lambda: outbox.last_seq == 3)
        shutil.copytree(outbox_folder, to)
        closed_ns = wall().now_ns()
        for name in ("ended", "again"):
            say(name, b"closes " + name.encode(), None)
        outbox.keep("late", None)
        say("again", b"goes on", b"newest")
        await until(lambda: outbox.last_seq == 6)
        await outbox.close()
    shutil.rmtree(outbox_folder)
    shutil.copytree(to, outbox_folder)
    said, found, states = {}, [], ()

    def before(outbox):
        nonlocal states
        states = outbox.episodes

    def hear(episodes, ended):
        found.extend(episodes)
        said.update(ended)

    arrived, voids, outbox = await restarted(tmp_path, on_episodes=hear, before=before)
    assert sorted(states) == [b"again", b"ended", b"kept", b"open"], "nothing is held back"
    assert (len(arrived), voids, found) == (6, [], [])
    assert said.keys() == {"ended", "late"}
    assert closed_ns <= said["ended"] <= wall().now_ns()


def test_a_rebuilding_reads_on_until_it_knows_of_each_open_episode_at_most_a_day():
    """An older copy has it open; it ended before the oldest item that waits was detected."""
    hour_ns, newest_ns = 3_600 * 10**9, 10**18

    def n_read(ended_at):
        history, rebuild = History(), Rebuild(9, newest_ns, newest_ns - hour_ns, {"ended"})
        for n in range(60):
            if n == ended_at:
                history.episodes["ended"] = None
            file = Recorded(last_ns=newest_ns - n * hour_ns)
            rebuild.visit(file, history)
            if rebuild.is_enough(file):
                return n + 1
        return None

    assert [n_read(ended_at) for ended_at in (0, 10, 59)] == [4, 12, 27]


async def test_a_sound_outbox_that_lost_its_marks_alone_is_not_called_damaged(tmp_path):
    (tmp_path / "outbox").mkdir()
    leave_behind(tmp_path)
    (tmp_path / "outbox" / "o.sqlite.mark").unlink()
    (tmp_path / "recordings" / f"{ESN}.mark").unlink()
    arrived, voids, outbox = await restarted(tmp_path)
    assert (arrived, voids, outbox.depth, outbox.degraded) == (WAITING, [], 0, ())


async def test_an_epoch_is_never_used_again_though_the_clock_is_back_and_the_outbox_gone(
    tmp_path, monkeypatch
):
    """Else new items would get keys of old ones, and what was recorded under these would not be sought."""
    leave_behind(tmp_path)
    for each in (tmp_path / "outbox").iterdir():
        each.unlink()
    recorded = max(int(each.stem.rpartition("-")[2]) for each in (tmp_path / "recordings").glob("*.mcap"))
    monkeypatch.setattr("edge.outbox.outbox.time.time_ns", lambda: recorded * 10**9 - 10**9)
    arrived, voids, outbox = await restarted(tmp_path)
    assert outbox.epoch == recorded + 1
    assert (arrived, voids) == (WAITING, [])
