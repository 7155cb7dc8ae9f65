"""Answers the centre's `command/down`: cuts a clip out of this RSU's recordings, and sends it in pieces.

Alerts never wait for it: a thread cuts at a quarter of a core, the pieces leave on the snapshots' connection,
no faster than RATE_BYTES_HZ, and each only when it is asked for. One clip at a time lies on the disk.
"""

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from edge import topics, wire
from edge.clip_messages import PIECE_BYTES_MAX, REASON_LENGTH_MAX, RsuAnswer, RsuCommand, decode_command
from edge.recording.clip import Clip, NoClipError, cut
from edge.recording.names import files_of
from edge.recording.recorder import Recorder
from edge.subscriptions import Incoming, Subscription
from edge.token_bucket import TokenBucket

FOLDER = "clip"  # beside the recordings
WAITING_MAX = 8  # commands; the centre repeats what is dropped
RATE_BYTES_HZ, BURST_BYTES = 512_000.0, 131_072.0
HELD_S = 15.0  # a clip that was asked for within this time isn't replaced by another centre's
KEPT_S = 600.0  # after the last question for it
LOOK_S = 5.0  # between looks whether a clip is too old

Publish = Callable[[str, bytes], bool]
Wanted = tuple[str, int | None, int | None]  # violation, from, to


class ClipServer:
    """The clips of one RSU.

    publish : sends an answer at QoS 0; one that is lost is asked for again
    """

    def __init__(
        self, esn: str, recorder: Recorder, publish: Publish, count: Callable[[str], None], free_bytes: int
    ) -> None:
        """free_bytes : that others find on the disk beside a clip"""
        self._esn, self._recorder, self._publish, self._count = esn, recorder, publish, count
        self._free_bytes = free_bytes
        self._queue: asyncio.Queue[RsuCommand] = asyncio.Queue(WAITING_MAX)
        self._bucket = TokenBucket.full(RATE_BYTES_HZ, BURST_BYTES, time.monotonic())
        self._wanted: Wanted | None = None
        self._cutting: asyncio.Task[Clip] | None = None
        self._asked_s = 0.0
        self._is_ending = False

    @property
    def _recordings(self) -> Path:
        return self._recorder.path.parent

    @property
    def folder(self) -> Path:
        """Where the clip lies."""
        return self._recordings.parent / FOLDER / self._esn

    def subscriptions(self) -> list[Subscription]:
        """Return the topic of the commands."""
        return [Subscription(topics.rsu_command_down(self._esn), 1, self._receive)]

    def _receive(self, message: Incoming) -> None:
        try:
            if len(message.payload) > wire.PAYLOAD_BYTES_MAX:
                raise ValueError("too long")
            self._queue.put_nowait(decode_command(message.payload))
        except asyncio.QueueFull:
            self._count("clip.full")
        except (msgspec.DecodeError, ValueError):
            self._count("mqtt.undecodable.command/down")

    async def run(self) -> None:
        """Answer commands until cancelled."""
        await asyncio.to_thread(self._clear)
        try:
            while True:
                try:
                    async with asyncio.timeout(LOOK_S):
                        command = await self._queue.get()
                except TimeoutError:
                    await self._forget_old()
                    continue
                answer = await self._answer(command)
                body = wire.encode(answer)
                await asyncio.sleep(self._bucket.spend(len(body), time.monotonic()))
                self._publish(topics.rsu_command_up(self._esn), body)
        finally:
            self._is_ending = True
            if self._cutting is not None:
                self._cutting.cancel()

    async def _answer(self, command: RsuCommand) -> RsuAnswer:
        match command.kind:
            case "clip":
                return await self._clip(command)
            case "piece":
                return await self._piece(command)
            case "drop":
                if self._wanted is not None and self._wanted[0] == command.violation and self._is_cut:
                    await self._drop()
                return RsuAnswer(id=command.id, outcome="dropped")
        return RsuAnswer(id=command.id, outcome="unsupported", reason=f"no such command: {command.kind:.32}")

    @property
    def _is_cut(self) -> bool:
        return self._cutting is not None and self._cutting.done()

    async def _clip(self, command: RsuCommand) -> RsuAnswer:
        """Begin a clip, or say how far it is."""
        if command.from_ns is None or command.to_ns is None or command.to_ns < command.from_ns:
            return RsuAnswer(id=command.id, outcome="failed", reason="a clip needs from_ns and a later to_ns")
        wanted, now_s = (command.violation, command.from_ns, command.to_ns), time.monotonic()
        if wanted != self._wanted:
            is_held = self._wanted is not None and now_s - self._asked_s < HELD_S
            if is_held or (self._cutting is not None and not self._cutting.done()):
                return RsuAnswer(id=command.id, outcome="preparing", reason="another clip is being fetched")
            await self._drop()
            self._wanted = wanted
            self._cutting = asyncio.create_task(
                asyncio.to_thread(self._cut, command.from_ns, command.to_ns), name="rsu.clip"
            )
            self._count("clip.begun")
        self._asked_s = now_s
        assert self._cutting is not None
        if not self._cutting.done():
            return RsuAnswer(id=command.id, outcome="preparing")
        error = self._cutting.exception()
        if error is None:
            clip = self._cutting.result()
            reason = clip.reason[:REASON_LENGTH_MAX]
            return RsuAnswer(id=command.id, outcome="ready", reason=reason, files=tuple(clip.described))
        await self._drop()  # asked again, it is tried again
        if isinstance(error, NoClipError):
            return RsuAnswer(id=command.id, outcome=error.outcome, reason=error.reason[:REASON_LENGTH_MAX])
        if isinstance(error, OSError):
            return RsuAnswer(id=command.id, outcome="no_room", reason=f"the disk: {error.strerror}")
        self._count("clip.failed")  # a bug costs the clip alone: whoever judges must not end for it
        reason = f"it can't be cut: {type(error).__name__}: {error}"[:REASON_LENGTH_MAX]
        return RsuAnswer(id=command.id, outcome="failed", reason=reason)

    async def _piece(self, command: RsuCommand) -> RsuAnswer:
        if self._wanted is None or self._wanted[0] != command.violation or not self._is_cut:
            return RsuAnswer(id=command.id, outcome="none", reason="no such clip here: ask for it again")
        assert self._cutting is not None
        if self._cutting.exception() is not None:  # `clip` says why
            return RsuAnswer(id=command.id, outcome="none", reason="no clip was cut: ask for it again")
        self._asked_s = time.monotonic()
        files = self._cutting.result().files
        if command.file >= len(files):
            return RsuAnswer(id=command.id, outcome="none", reason=f"the clip has {len(files)} files")
        try:
            data = await asyncio.to_thread(_read, files[command.file], command.offset)
        except OSError as error:
            await self._drop()
            return RsuAnswer(id=command.id, outcome="none", reason=f"the disk: {error.strerror}")
        return RsuAnswer(id=command.id, outcome="piece", file=command.file, offset=command.offset, data=data)

    def _cut(self, from_ns: int, to_ns: int) -> Clip:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < self._free_bytes:
            raise NoClipError("no_room", f"less than {self._free_bytes} bytes are free")
        self._recorder.close_chunk()  # what is newest lies in memory
        files = files_of(self._recordings, self._esn)
        return cut(files, self._esn, from_ns, to_ns, self.folder, is_ending=lambda: self._is_ending)

    async def _drop(self) -> None:
        self._wanted, self._cutting = None, None
        await asyncio.to_thread(self._clear)

    async def _forget_old(self) -> None:
        is_old = time.monotonic() - self._asked_s > KEPT_S
        if self._wanted is not None and is_old and self._is_cut:
            await self._drop()

    def _clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def _read(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(PIECE_BYTES_MAX)
