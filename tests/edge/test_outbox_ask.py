"""The centre asks for violations again: from the outbox, from the recordings, else a void that says so."""

import asyncio
import contextlib
import shutil

import msgspec
import pytest

from edge.ask import ViolationAsk, decode_ask
from edge.outbox.outbox import Outbox
from edge.recording.recorder import Recorder
from edge.wire import encode
from tests.support.outbox_end import Wire, patient, put, running, until
from tests.support.outbox_killed import DONE, ESN, N_DONE, N_WAITING, WAITING, body, leave_behind, wall

pytestmark = pytest.mark.anyio
N = N_DONE + N_WAITING


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    folder = tmp_path_factory.mktemp("left")
    leave_behind(folder, idle_s=1.5)
    return folder


@contextlib.asynccontextmanager
async def serving(folder):
    """A restarted outbox whose backlog is acknowledged."""
    wire = Wire()
    with patient():
        path = folder / "outbox" / "o.sqlite"
        outbox = await Outbox.open(path, clock=wall(), recordings=folder / "recordings", esn=ESN)
        outbox.start()
        task = asyncio.create_task(outbox.run(wire.send))
        try:
            await until(lambda: all(item.n_sent for item in outbox._waiting.values()) and not outbox._loading)
            while outbox.depth:
                wire.ack(outbox)
                await asyncio.sleep(0.01)
            yield outbox, wire
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await outbox.close()


def items(wire):
    return {(batch.epoch, item.seq): item for batch in wire.batches for item in batch.items}


async def test_what_waits_is_sent_at_once_and_nothing_is_put_twice(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox, b"a")
        put(outbox, b"b")
        await until(lambda: len(wire.keys()) == 2)
        wire.batches.clear()
        ask = ViolationAsk(centre="c", epoch=outbox.epoch, seqs=(1, 2, 3))
        outbox.answer(ask)
        await until(lambda: len(wire.keys()) == 2)
        assert [item.violation for item in items(wire).values()] == [b"a", b"b"]
        assert outbox.depth == 2
        assert outbox.counts["outbox.ask_unknown"] == 1, "seq 3 was never given"
        wire.batches.clear()
        outbox.answer(ask)  # the same within a minute
        outbox.answer(ViolationAsk(centre="c", epoch=outbox.epoch + 1, seqs=(1,)))
        await until(lambda: outbox.counts["outbox.ask_unknown"] == 2)
        assert (outbox.counts["outbox.asked"], outbox.counts["outbox.ask_repeated"]) == (2, 1)
        assert (wire.batches, outbox.depth) == ([], 2)


async def test_an_acknowledged_item_without_a_recording_is_lost(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, wire):
        put(outbox, b"a")
        await until(lambda: wire.batches)
        wire.ack(outbox)
        outbox.answer(ViolationAsk(centre="c", epoch=outbox.epoch, seqs=(1,)))
        await until(lambda: wire.batches)
        assert items(wire)[outbox.epoch, 1].void.startswith("lost ")
        assert (outbox.depth, outbox.counts["outbox.lost"]) == (1, 1)
        wire.ack(outbox)
        assert outbox.depth == 0


async def test_acknowledged_items_come_again_from_the_recording_under_their_keys(tmp_path, left):
    folder = shutil.copytree(left, tmp_path / "state")
    async with serving(folder) as (outbox, wire):
        epoch = int(next((folder / "recordings").glob("*.mcap")).stem.rpartition("-")[2])
        outbox.answer(ViolationAsk(centre="c", epoch=epoch, seqs=(*range(1, N + 1), 77)))
        outbox.answer(ViolationAsk(centre="c", epoch=epoch - 1, seqs=(4,)))
        await until(lambda: outbox.depth == N + 1 and len(items(wire)) == N + 1)
        sent = items(wire)
        assert {key: item.violation for key, item in sent.items() if item.void is None} == {
            (epoch, i + 1): body(i) for i in range(N)
        }
        assert sent[epoch - 1, 4].void.startswith("lost ")  # that epoch is forgotten: nobody knows its end
        assert outbox.pending == ((epoch - 1, 4), (epoch, N))
        assert outbox.counts["outbox.ask_unknown"] == 1, "seq 77 was never given"
        wire.ack(outbox)
        await until(lambda: outbox.depth == 0)
        assert outbox.counts["outbox.recovered"] == N
        assert outbox.degraded == ()


async def test_a_new_centre_gets_all_from_a_time_on(tmp_path, left):
    folder = shutil.copytree(left, tmp_path / "state")
    async with serving(folder) as (outbox, wire):
        outbox.answer(ViolationAsk(centre="c", since_ns=1_500_000_000_000_000_000))
        await until(lambda: len(items(wire)) == N)
        assert {item.violation for item in items(wire).values()} == WAITING | DONE
        wire.ack(outbox)
        outbox.answer(ViolationAsk(centre="c", since_ns=3_000_000_000_000_000_000))
        await until(lambda: outbox._keeper.repair._mender.n_waiting == 0 and outbox._keeper.jobs.empty())
        assert (outbox.depth, wire.batches) == (0, [])


async def test_a_recording_of_an_earlier_version_gives_its_violations_under_new_keys(tmp_path):
    with Recorder(tmp_path / "recordings" / f"{ESN}-50.mcap") as recorder:
        recorder.write("/input", msgspec.msgpack.encode({"type": "start", "epoch": 50}), 10**18 + 1)
        for i in range(5):
            recorder.write(f"/violation/{ESN}", body(i), 10**18 + 2 + i)
        recorder.write("/violation/another", body(9), 10**18 + 9)
    path = tmp_path / "o.sqlite"
    async with running(path):
        pass  # a first start of this version: the outbox is not new
    async with running(path, recordings=tmp_path / "recordings", esn=ESN) as (outbox, wire):
        assert outbox.depth == 0
        outbox.answer(ViolationAsk(centre="c", epoch=50, seqs=tuple(range(1, 7))))
        await until(lambda: len(items(wire)) == 11)
        sent = items(wire)
        assert [sent[outbox.epoch, seq].violation for seq in range(1, 6)] == [body(i) for i in range(5)]
        voids = [sent[50, seq].void.split(" ")[0] for seq in range(1, 7)]
        assert voids == ["recovered"] * 5 + ["lost"]
        wire.ack(outbox)
        assert outbox.depth == 0


@pytest.mark.parametrize(
    "message",
    [
        {"centre": "c"},
        {"centre": "c", "epoch": 3},
        {"centre": "", "epoch": 3, "seqs": [1]},
        {"centre": "c", "epoch": 3, "seqs": [0]},
        {"centre": "c", "epoch": -3, "seqs": [1]},
        {"centre": "c", "epoch": 3, "seqs": list(range(1, 1_026))},
        {"centre": "c", "since_ns": 5},
    ],
)
def test_an_ask_that_means_nothing_is_refused(message):
    with pytest.raises(msgspec.DecodeError):
        decode_ask(msgspec.msgpack.encode(message))


async def test_different_asks_are_bounded(tmp_path):
    async with running(tmp_path / "o.sqlite") as (outbox, _):
        for seq in range(1, 101):
            outbox.answer(ViolationAsk(centre="c", epoch=outbox.epoch, seqs=(seq,)))
        assert (outbox.counts["outbox.asked"], outbox.counts["outbox.ask_full"]) == (64, 36)
        assert decode_ask(encode(ViolationAsk(centre="c", epoch=1, seqs=(2,)))).seqs == (2,)
