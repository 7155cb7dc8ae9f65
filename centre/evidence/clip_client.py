"""Fetches clips of RSUs' recordings over the broker: one at a time from each RSU, piece by piece.

A piece that is lost is asked for again; a file whose beginning is here already, after a restart too, is
continued. What comes is checked against the length and the SHA-256 that the RSU stated.
"""

import asyncio
import hashlib
import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge import topics, wire
from edge.clip_messages import CLIP_BYTES_MAX, ClipFile, RsuAnswer, RsuCommand, decode_answer
from edge.subscriptions import Incoming

NAME = re.compile(r"[A-Za-z0-9_-]{1,120}\.mcap")
TRIES = 4  # of one question
ANSWER_S = 3.0  # until a question is asked again
PREPARE_S = 180.0  # an RSU cuts at a quarter of a core
POLL_S = 0.5  # between questions whether a clip is cut
CLIPS_PER_FETCH = 2  # where the RSU lost its clip midway, it is cut anew once

Publish = Callable[[str, bytes, int], bool]  # topic, payload, QoS
OnProgress = Callable[[int, int], None]  # bytes that are here, of all


class NoClipError(Exception):
    """There is no clip; says why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A clip that is here whole."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    reason: str  # what it lacks


class ClipClient:
    """Asks RSUs and receives their answers."""

    def __init__(self, publish: Publish, counts: Counter[str], *, answer_s: float = ANSWER_S) -> None:
        self._publish, self.counts, self._answer_s = publish, counts, answer_s
        self._waiting: dict[str, tuple[str, asyncio.Future[RsuAnswer]]] = {}  # by command
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def receive(self, message: Incoming) -> None:
        """Receive a `command/up` of an RSU."""
        try:
            answer = decode_answer(message.payload)
        except msgspec.DecodeError:
            self.counts["clip.unreadable"] += 1
            return
        if answer.outcome == "dropped":  # nobody waits for it
            return
        esn, future = self._waiting.get(answer.id, ("", None))
        if future is None or esn != message.topic.name or future.done():
            self.counts["clip.unasked"] += 1
            return
        future.set_result(answer)

    async def fetch(
        self, esn: str, violation: str, span_ns: tuple[int, int], folder: Path, on_progress: OnProgress
    ) -> Fetched:
        """Fetch the clip of a time into a folder, which may hold the beginning of it; raises NoClipError.

        span_ns : from, to.  Raises OSError where the disk doesn't take it
        """
        async with self._locks[esn]:
            for _ in range(CLIPS_PER_FETCH):
                ready = await self._ready(esn, violation, span_ns)
                fetched = await self._files(esn, violation, ready, folder, on_progress)
                if fetched is not None:
                    drop = RsuCommand(id=uuid.uuid4().hex, kind="drop", violation=violation)
                    self._publish(topics.rsu_command_down(esn), wire.encode(drop), 1)
                    return fetched
            raise NoClipError("what came is not what the RSU stated, twice")

    async def _ready(self, esn: str, violation: str, span_ns: tuple[int, int]) -> RsuAnswer:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + PREPARE_S
        while True:
            answer = await self._ask(esn, "clip", violation, from_ns=span_ns[0], to_ns=span_ns[1])
            if answer.outcome == "ready":
                return _checked(answer)
            if answer.outcome != "preparing":
                raise NoClipError(answer.reason or answer.outcome)
            if loop.time() > until_s:
                raise NoClipError(
                    f"the RSU has none after {PREPARE_S:.0f} s: {answer.reason or 'it still cuts'}"
                )
            await asyncio.sleep(POLL_S)

    async def _files(
        self, esn: str, violation: str, ready: RsuAnswer, folder: Path, on_progress: OnProgress
    ) -> Fetched | None:
        """Fetch all files; None where the RSU has lost them meanwhile, or they are not what it stated."""
        total, done = sum(file.n_bytes for file in ready.files), 0
        paths = []
        for i, file in enumerate(ready.files):
            path = folder / f"{esn}-{i}-{file.sha256.hex()[:16]}.part"
            at = await asyncio.to_thread(_size, path)
            while at < file.n_bytes:
                answer = await self._ask(esn, "piece", violation, file=i, offset=at)
                data = answer.data or b""
                is_it = answer.outcome == "piece" and (answer.file, answer.offset) == (i, at)
                if not is_it or not data or at + len(data) > file.n_bytes:
                    self.counts["clip.lost"] += 1
                    return None
                await asyncio.to_thread(_append, path, at, data)
                at += len(data)
                on_progress(done + at, total)
            if not await asyncio.to_thread(_is_whole, path, file):
                self.counts["clip.wrong"] += 1
                await asyncio.to_thread(path.unlink, missing_ok=True)
                return None
            done += file.n_bytes
            paths.append(path)
        return Fetched(tuple(paths), tuple(file.name for file in ready.files), ready.reason)

    async def _ask(self, esn: str, kind: str, violation: str, **fields: int) -> RsuAnswer:
        """Ask until there is an answer; raises NoClipError where none comes."""
        for _ in range(TRIES):
            key = uuid.uuid4().hex
            future: asyncio.Future[RsuAnswer] = asyncio.get_running_loop().create_future()
            self._waiting[key] = (esn, future)
            command = RsuCommand(id=key, kind=kind, violation=violation, **fields)
            try:
                self._publish(topics.rsu_command_down(esn), wire.encode(command), 1)
                async with asyncio.timeout(self._answer_s):
                    return await future
            except TimeoutError:
                self.counts["clip.unanswered"] += 1
            finally:
                del self._waiting[key]
        raise NoClipError(f"the RSU does not answer ({TRIES} questions, {self._answer_s:.0f} s each)")


def _checked(answer: RsuAnswer) -> RsuAnswer:
    """Return the answer; NoClipError where its files can't be taken."""
    names = [file.name for file in answer.files]
    if not names or len(set(names)) < len(names) or not all(NAME.fullmatch(name) for name in names):
        raise NoClipError("the RSU's clip has no files, or names that can't be")
    if sum(file.n_bytes for file in answer.files) > CLIP_BYTES_MAX:
        raise NoClipError(f"the RSU's clip is longer than {CLIP_BYTES_MAX} bytes")
    if not all(len(file.sha256) == 32 for file in answer.files):
        raise NoClipError("the RSU's clip has no digests")
    return answer


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _append(path: Path, at: int, data: bytes) -> None:
    with path.open("ab") as file:
        file.truncate(at)
        file.write(data)


def _is_whole(path: Path, stated: ClipFile) -> bool:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == stated.sha256
    except FileNotFoundError:
        return stated.n_bytes == 0
