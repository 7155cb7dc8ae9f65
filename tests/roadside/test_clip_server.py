"""The RSU's answers to the centre's questions for a clip."""

import asyncio
import contextlib
import hashlib
import time

import pytest

from core.times import NS
from edge import topics, wire
from edge.clip_messages import PIECE_BYTES_MAX, RsuCommand, decode_answer
from edge.recording.names import files_of
from edge.subscriptions import Subscriptions
from roadside import clip_server
from roadside.clip_server import ClipServer
from tests.support.series_made import T0, feed, made

pytestmark = pytest.mark.anyio
FROM, TO = T0 + 130 * NS, T0 + 200 * NS


class Rsu:
    """A server on real recordings, and its answers by the command's id."""

    def __init__(self, folder, free_bytes=0):
        self.series = made(folder / "recordings")
        feed(self.series, 0, 400)
        self.counts, self.answers = [], []
        self.server = ClipServer("R1", self.series, self._publish, self.counts.append, free_bytes)
        self.topics = Subscriptions(self.server.subscriptions(), lambda: self.counts.append("stray"))

    def _publish(self, topic, body):
        assert topic == topics.rsu_command_up("R1")
        self.answers.append(decode_answer(body))
        return True

    def send(self, body):
        self.topics.receive(topics.rsu_command_down("R1"), body)

    async def ask(self, kind, violation="v1", **fields):
        n = len(self.answers)
        self.send(wire.encode(RsuCommand(id=f"c{n}", kind=kind, violation=violation, **fields)))
        async with asyncio.timeout(10.0):
            while len(self.answers) == n:
                await asyncio.sleep(0.005)
        assert self.answers[-1].id == f"c{n}"
        return self.answers[-1]

    async def clip(self, violation="v1", **fields):
        async with asyncio.timeout(10.0):
            while (answer := await self.ask("clip", violation, **fields)).outcome == "preparing":
                await asyncio.sleep(0.01)
        return answer


@contextlib.asynccontextmanager
async def serving(folder, **options):
    rsu = Rsu(folder, **options)
    task = asyncio.create_task(rsu.server.run())
    try:
        yield rsu
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        rsu.series.close()


async def test_a_clip_comes_in_pieces_whatever_their_order_and_is_dropped(tmp_path, monkeypatch):
    monkeypatch.setattr(clip_server, "PIECE_BYTES_MAX", 1_000)
    async with serving(tmp_path) as rsu:
        ready = await rsu.clip(from_ns=FROM, to_ns=TO)
        (file,) = ready.files
        assert (ready.outcome, ready.reason) == ("ready", "")
        offsets = range(0, file.n_bytes, 1_000)
        pieces = {at: (await rsu.ask("piece", offset=at)).data for at in reversed(offsets)}
        body = b"".join(pieces[at] for at in offsets)
        assert hashlib.sha256(body).digest() == file.sha256
        assert (await rsu.ask("piece", offset=file.n_bytes)).data == b""
        assert (await rsu.ask("piece", file=1)).outcome == "none"
        assert rsu.server.folder.exists()
        assert (await rsu.ask("drop")).outcome == "dropped"
        assert not rsu.server.folder.exists()
        assert (await rsu.ask("piece")).outcome == "none"
        assert rsu.series.path in files_of(tmp_path / "recordings", "R1")


async def test_one_clip_at_a_time_and_the_next_once_nobody_asks_for_the_first(tmp_path, monkeypatch):
    async with serving(tmp_path) as rsu:
        await rsu.clip(from_ns=FROM, to_ns=TO)
        waiting = await rsu.ask("clip", "v2", from_ns=FROM, to_ns=TO)
        assert (waiting.outcome, waiting.reason) == ("preparing", "another clip is being fetched")
        assert (await rsu.ask("piece", "v1")).outcome == "piece"
        monkeypatch.setattr(clip_server, "HELD_S", 0.0)
        assert (await rsu.clip("v2", from_ns=FROM, to_ns=TO)).outcome == "ready"
        assert (await rsu.ask("piece", "v1")).outcome == "none"


async def test_what_can_t_be_is_answered_with_its_reason(tmp_path):
    async with serving(tmp_path) as rsu:
        gone = await rsu.clip(from_ns=T0 + 900 * NS, to_ns=T0 + 999 * NS)
        assert (gone.outcome, "no recording of that time" in gone.reason) == ("none", True)
        assert (await rsu.ask("clip", from_ns=TO, to_ns=FROM)).outcome == "failed"
        assert (await rsu.ask("fly")).outcome == "unsupported"
        rsu.send(b"nonsense")
        rsu.send(wire.encode({"id": "x", "kind": "piece", "violation": "v1", "offset": -1}))
        assert rsu.counts.count("mqtt.undecodable.command/down") == 2
    async with serving(tmp_path / "full", free_bytes=2**60) as rsu:
        assert (await rsu.clip(from_ns=FROM, to_ns=TO)).outcome == "no_room"


async def test_a_flood_of_questions_is_bounded_and_so_is_the_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(clip_server, "RATE_BYTES_HZ", 50_000.0)
    monkeypatch.setattr(clip_server, "BURST_BYTES", 1_000.0)
    async with serving(tmp_path) as rsu:
        (file,) = (await rsu.clip(from_ns=FROM, to_ns=TO)).files
        begun_s = time.monotonic()
        assert len((await rsu.ask("piece")).data) == file.n_bytes < PIECE_BYTES_MAX
        assert time.monotonic() - begun_s > 0.8 * (file.n_bytes - 1_000) / 50_000
        for n in range(50):
            rsu.send(wire.encode(RsuCommand(id=str(n), kind="drop", violation="v")))
        assert rsu.counts.count("clip.full") == 50 - clip_server.WAITING_MAX


async def test_a_piece_of_a_clip_that_could_not_be_cut_is_answered(tmp_path):
    async with serving(tmp_path) as rsu:
        gone = {"from_ns": T0 + 900 * NS, "to_ns": T0 + 999 * NS}
        assert (await rsu.ask("clip", **gone)).outcome == "preparing"
        async with asyncio.timeout(10.0):
            while (piece := await rsu.ask("piece")).reason.startswith("no such clip"):
                await asyncio.sleep(0.01)
        assert (piece.outcome, piece.reason) == ("none", "no clip was cut: ask for it again")
        assert (await rsu.ask("clip", **gone)).outcome == "none"


async def test_a_bug_of_the_cut_costs_the_clip_alone(tmp_path, monkeypatch):
    def broken(*_args, **_named):
        raise KeyError("a bug")

    async with serving(tmp_path) as rsu:
        with monkeypatch.context() as patched:
            patched.setattr(clip_server, "cut", broken)
            failed = await rsu.clip(from_ns=FROM, to_ns=TO)
        assert (failed.outcome, "KeyError: 'a bug'" in failed.reason) == ("failed", True)
        assert rsu.counts.count("clip.failed") == 1
        assert (await rsu.clip(from_ns=FROM, to_ns=TO)).outcome == "ready"
