"""A process that reads and decodes a recording ahead of those that replay it.

Each block goes to all of them. A pipe holds about one, so that the reader is never far ahead.
"""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler

from core.errors import CommandError
from petroroad.replay.source import Found, Source
from roadside.arrivals import READ_ERRORS, Block

BYTES_MIN = 500_000  # of the files: less is decoded in the time that a process takes to start


class Ahead(AbstractContextManager["Ahead"]):
    """A process that reads `source` for n processes: this one, and n - 1 that are forked from it later."""

    def __init__(self, source: Source, n: int) -> None:
        context = multiprocessing.get_context("fork")  # site and map are loaded already
        pipes = [context.Pipe(duplex=False) for _ in range(n)]
        self._source, self._ends = source, [here for here, _ in pipes]
        theirs = [there for _, there in pipes]
        self._process = context.Process(target=_serve, args=(source, theirs, self._ends), daemon=True)
        self._process.start()
        for there in theirs:
            there.close()

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()
        for end in self._ends:
            end.close()

    def blocks(self, number: int) -> Iterator[Block]:
        """Yield the blocks for process `number`, then give its source what was found beside them."""
        for k, end in enumerate(self._ends):
            if k != number:  # else the reader would not see that its process has ended
                end.close()
        while True:
            try:
                what = self._ends[number].recv()
            except EOFError:
                raise CommandError("the process that reads ahead ended before its time") from None
            if isinstance(what, Exception):
                raise what
            if isinstance(what, Found):
                what.unread.update(self._source.found.unread)  # of what is decoded here
                self._source.found = what
                return
            yield what


def _serve(source: Source, links: list[Connection], others: list[Connection]) -> None:
    """Read for all; what fails is raised where the block would have been."""
    for other in others:
        other.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process ends, and ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        for block in source.blocks():
            _send(links, block)
            if not links:
                return
        _send(links, source.found)
    except READ_ERRORS as error:
        _send(links, error)
    except Exception as error:  # a bug: its name must reach the processes that wait, else they wait for ever
        _send(links, CommandError(f"the reading failed: {type(error).__name__}: {error}"))
        raise


def _send(links: list[Connection], what: Block | Found | Exception) -> None:
    """Send it to all; a link whose process has ended is dropped, and the others learn from that one why."""
    body = ForkingPickler.dumps(what)  # once for all, as `Connection.send` does for one
    for link in tuple(links):
        try:
            link.send_bytes(body)
        except (BrokenPipeError, ConnectionResetError):
            links.remove(link)
            link.close()
