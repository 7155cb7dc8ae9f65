"""What a power cut or a bad sector can leave of an outbox: each fault alone costs at most one of 15."""

import asyncio
import contextlib
import os
import queue
import shutil
from pathlib import Path

import pytest

from edge.outbox.changes import Changes
from edge.outbox.jobs import Done
from edge.outbox.mending import Mended
from edge.outbox.outbox import Outbox
from edge.outbox.repair import Repair
from edge.outbox.salvage import Salvaged
from edge.outbox.store import Store
from tests.support.outbox_end import Wire, patient, until
from tests.support.outbox_killed import DONE, ESN, N_WAITING, WAITING, leave_behind, wall

pytestmark = pytest.mark.anyio
FRAME_BYTES = 24 + 4_096
DAMAGED, ALTERED = "outbox_damaged", "outbox_altered"


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What a killed process left, at once and after an idle second."""
    folders = {}
    for name, idle_s in (("busy", 0.0), ("idle", 1.5)):
        folders[name] = tmp_path_factory.mktemp(name)
        leave_behind(folders[name], idle_s=idle_s)
    return folders


def flip(path: Path, at: int) -> None:
    """Flip one bit."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 0x10]))


def file_of(folder: Path, suffix: str = "") -> Path:
    return folder / "outbox" / f"o.sqlite{suffix}"


def nothing(folder):
    """As killed."""


def wal_cut(folder):
    wal = file_of(folder, "-wal")
    os.truncate(wal, wal.stat().st_size // 2)


def wal_torn(folder):
    wal = file_of(folder, "-wal")
    os.truncate(wal, wal.stat().st_size - 2_000)


def wal_first_frame(folder):
    flip(file_of(folder, "-wal"), 32 + 24 + 100)


def wal_deleted(folder):
    file_of(folder, "-wal").unlink()


def schema_page(folder):
    flip(file_of(folder), 100)  # the kind of the first b-tree page


def inner_page(folder):
    with file_of(folder).open("r+b") as file:
        file.seek(2 * 4_096)
        file.write(bytes(4_096))


def every_third_page(folder):
    with file_of(folder).open("r+b") as file:
        for page in range(3, os.path.getsize(file_of(folder)) // 4_096, 3):
            file.seek(page * 4_096)
            file.write(bytes(4_096))


def half_a_file(folder):
    path = file_of(folder)
    os.truncate(path, path.stat().st_size // 2)


def file_deleted(folder):
    file_of(folder).unlink()


def zero_length(folder):
    os.truncate(file_of(folder), 0)


def directory_in_its_place(folder):
    file_deleted(folder)
    file_of(folder).mkdir()
    (file_of(folder) / "something").write_text("of an operator")


def directory_as_wal(folder):
    wal_deleted(folder)
    file_of(folder, "-wal").mkdir()


def directory_as_shm(folder):
    file_of(folder, "-shm").unlink(missing_ok=True)
    file_of(folder, "-shm").mkdir()


def link_as_wal(folder):
    wal_deleted(folder)
    file_of(folder, "-wal").symlink_to("no-folder/nowhere")


def link_to_nowhere(folder):
    file_deleted(folder)
    file_of(folder).symlink_to("no-folder/nowhere")


def link_to_nothing_yet(folder):
    """A link whose file SQLite can make."""
    file_deleted(folder)
    file_of(folder).symlink_to("nowhere")


def outbox_deleted(folder):
    shutil.rmtree(folder / "outbox")


def recordings_deleted(folder):
    shutil.rmtree(folder / "recordings")


def all_deleted(folder):
    outbox_deleted(folder)
    recordings_deleted(folder)


def bit_in_a_violation(folder):
    path = file_of(folder)
    at = path.read_bytes().rindex(b"speed")  # of a whole row, behind the key
    flip(path, at + 7)


def bit_in_a_violation_of_the_wal(folder):
    flip(file_of(folder, "-wal"), file_of(folder, "-wal").read_bytes().index(b"speed") + 7)


def mark_deleted(folder):
    file_of(folder, ".mark").unlink()


@pytest.mark.parametrize(
    ("fault", "state", "arrives", "said"),
    [
        (nothing, "busy", 15, ()),
        (nothing, "idle", 15, ()),
        (wal_cut, "busy", 14, DAMAGED),
        (wal_torn, "busy", 14, ()),  # the acknowledgement's frame: what it deleted comes again
        (wal_first_frame, "busy", 14, DAMAGED),
        (wal_deleted, "busy", 14, DAMAGED),
        (bit_in_a_violation_of_the_wal, "busy", 14, DAMAGED),
        (schema_page, "idle", 14, DAMAGED),
        (inner_page, "idle", 14, DAMAGED),
        (every_third_page, "idle", 14, DAMAGED),
        (half_a_file, "idle", 14, DAMAGED),
        (file_deleted, "busy", 14, DAMAGED),
        (file_deleted, "idle", 14, DAMAGED),
        (zero_length, "busy", 14, DAMAGED),
        (zero_length, "idle", 14, DAMAGED),
        (directory_in_its_place, "busy", 14, DAMAGED),
        (directory_in_its_place, "idle", 14, DAMAGED),
        (directory_as_wal, "busy", 14, DAMAGED),
        (directory_as_shm, "busy", 15, DAMAGED),
        (link_as_wal, "busy", 14, DAMAGED),
        (link_to_nowhere, "busy", 14, DAMAGED),
        (link_to_nothing_yet, "busy", 14, DAMAGED),
        (link_to_nothing_yet, "idle", 14, DAMAGED),
        (outbox_deleted, "idle", 14, DAMAGED),
        (mark_deleted, "busy", 15, ()),
        (recordings_deleted, "idle", 15, ()),
        (bit_in_a_violation, "idle", 15, ALTERED),
    ],
)
async def test_a_single_fault_costs_at_most_one_violation(tmp_path, left, fault, state, arrives, said):
    folder = shutil.copytree(left[state], tmp_path / "state")
    fault(folder)
    arrived, voids, outbox = await restarted(folder)
    assert arrived <= WAITING | DONE, "nothing altered is ever sent"
    assert len(arrived & WAITING) >= arrives
    assert len(voids) == N_WAITING - len(arrived & WAITING)
    assert (outbox.depth, outbox.pending) == (0, ())
    assert set(outbox.degraded) == ({said} if said else set())
    assert bool(outbox.counts.get("outbox.damaged")) == (said == DAMAGED)
    assert bool(outbox.counts.get("outbox.altered")) == (said == ALTERED)


async def test_without_outbox_and_recordings_it_begins_anew_and_says_nothing_wrong(tmp_path, left):
    folder = shutil.copytree(left["idle"], tmp_path / "state")
    all_deleted(folder)
    arrived, voids, outbox = await restarted(folder)
    assert (arrived, voids, outbox.depth, outbox.degraded) == (set(), [], 0, ())


@pytest.mark.parametrize("fault", [bit_in_a_violation, half_a_file])
async def test_what_no_file_holds_is_a_void_that_says_so(tmp_path, left, fault):
    """Two faults: the recording is gone as well."""
    folder = shutil.copytree(left["idle"], tmp_path / "state")
    fault(folder)
    recordings_deleted(folder)
    arrived, voids, outbox = await restarted(folder)
    assert arrived <= WAITING
    assert outbox.degraded == ((ALTERED,) if fault is bit_in_a_violation else (DAMAGED,))
    if fault is bit_in_a_violation:
        assert len(arrived) == 14
        assert [void.startswith("lost ") for void in voids] == [True]


async def test_open_episodes_come_back_with_the_recordings(tmp_path, left):
    folder = shutil.copytree(left["idle"], tmp_path / "state")
    outbox_deleted(folder)
    found = []
    _, _, outbox = await restarted(folder, on_episodes=lambda states, _: found.extend(states))
    assert outbox.degraded == (DAMAGED,)
    assert found == [b"open"] * 12  # each second one of 25 was left open


async def test_an_episode_that_closes_before_the_recordings_are_read_stays_closed(tmp_path, left):
    """It came from a neighbour, say. Opened again it would give the numbers of its versions twice."""
    folder = shutil.copytree(left["idle"], tmp_path / "state")
    outbox_deleted(folder)
    found = []

    def close(outbox):
        outbox.put(b"closed here", wall().now_ns(), "id-23", None)

    await restarted(folder, on_episodes=lambda states, _: found.extend(states), before=close)
    assert found == [b"open"] * 11


def test_an_episode_that_is_open_in_this_run_goes_into_the_new_file_only():
    """The file was damaged while the process ran: the pipeline has it."""
    jobs, changes = queue.SimpleQueue(), Changes()
    repair = Repair(None, jobs, 0, lambda reason: None, set())
    store = Store(None, 10)
    repair.begin(store, None, changes, frozenset({"own"}))
    news = Done(10, {})
    repair.put(Mended(episodes={"own": b"1", "lost": b"2"}, is_rebuild=True), store, changes, news)
    assert news.episodes == [b"2"]
    assert changes.episodes == {"own": b"1", "lost": b"2"}
    store.close()


def test_a_second_try_to_salvage_keeps_all_that_the_first_one_read(tmp_path, monkeypatch):
    """The disk refused to move the damaged file, and reads less of it now."""
    read = [Salvaged(last_seqs={3: 7}, episodes={"e": b"1"}, journeys={"j": b"2"}), Salvaged()]
    monkeypatch.setattr("edge.outbox.repair.salvage", lambda path, esn: read.pop(0))
    repair, store = Repair(None, queue.SimpleQueue(), 0, lambda reason: None, set()), Store(None, 10)
    for _ in range(2):
        repair.salvage(tmp_path / "outbox.sqlite")
    assert repair.begin(store, None, Changes()) == ((b"1",), (b"2",))
    assert store.last_seqs[3] == 7
    store.close()


async def restarted(folder, on_episodes=lambda states, ended: None, before=lambda outbox: None):
    """Restart on what is left, answer as a centre would until nothing comes any more."""
    arrived, voids, wire = set(), [], Wire()
    with patient():
        outbox = await Outbox.open(file_of(folder), clock=wall(), recordings=folder / "recordings", esn=ESN)
        outbox.on_episodes = on_episodes
        before(outbox)
        outbox.start()
        task = asyncio.create_task(outbox.run(wire.send))
        repair = outbox._keeper.repair
        for _ in range(3):
            await until(lambda: is_quiet(outbox, repair))
            await asyncio.sleep(0.1)  # the keeper may be at its last job, whose news the loop has not yet
            await until(lambda: is_quiet(outbox, repair))
            for batch in wire.batches:
                arrived |= {item.violation for item in batch.items if item.violation is not None}
                voids += [item.void for item in batch.items if item.void is not None]
            wire.ack(outbox)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await outbox.close()
    return arrived, voids, outbox


def is_quiet(outbox, repair):
    """Say whether the recordings are read, and all that waits is sent."""
    is_read = repair._mender is None or not (repair._mender.n_waiting or repair.is_rebuilding)
    is_sent = all(item.n_sent for item in outbox._waiting.values()) and len(outbox._waiting) == outbox.depth
    return is_read and outbox._keeper.jobs.empty() and is_sent and not outbox._loading
