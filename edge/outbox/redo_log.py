"""Writes the outbox's changes into the recording, before they are committed: `edge.delivery_log`."""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from edge.delivery_log import Delivery, Given, encode_delivery
from edge.outbox.changes import Key, Row
from edge.outbox.jobs import Acked, Done, Episode, Job, Put


class RedoLog:
    """`record` gets the bytes of each message; None: nobody records."""

    def __init__(self, record: Callable[[bytes], None] | None = None) -> None:
        self._record = record

    def write(self, jobs: Sequence[Job], news: Done) -> None:
        """Write what the jobs of one commit change."""
        if self._record is None:
            return
        done = [key for job in jobs if isinstance(job, Acked) for key in job.keys]
        episodes: dict[str, bytes | None] = {}
        for job in jobs:
            if isinstance(job, Put) and job.episode_id is not None:
                episodes[job.episode_id] = job.episode
            elif isinstance(job, Episode) and job.state is None:  # a neighbour continues it
                episodes[job.episode_id] = None
        fresh = [row for row, is_new in news.restored if is_new]
        self._write(_given([*news.rows, *fresh]), done, episodes)

    def moved(self, rows: Iterable[tuple[Key, Row]]) -> None:
        """Write that items got other keys."""
        pairs = list(rows)
        self._write(_given(row for _, row in pairs), [old for old, _ in pairs], {})

    def _write(self, given: tuple[Given, ...], done: list[Key], episodes: dict[str, bytes | None]) -> None:
        if self._record is not None and (given or done or episodes):
            self._record(encode_delivery(Delivery(given=given, done=tuple(done), episodes=episodes)))


def _given(rows: Iterable[Row]) -> tuple[Given, ...]:
    return tuple(
        Given(
            epoch=row.key.epoch,
            seq=row.key.seq,
            detected_ns=row.detected_ns,
            sha256=None if row.violation is None else hashlib.sha256(row.violation).digest(),
            void=row.void if row.violation is None else None,
        )
        for row in rows
    )
