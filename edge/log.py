"""Structured logs: one JSON object a line on stderr, at a bounded rate per event.

It alone imports structlog, without rich: that would draw tracebacks in colours, for 4 MiB of each process.
"""

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

from core.hiding import hidden

with hidden("rich"):
    import structlog

Logger: TypeAlias = structlog.typing.FilteringBoundLogger
PERIOD_S = 10.0  # one line per event in this time; the next says how many were left out
EVENTS_MAX = 512


class _Bounded:
    """A processor that drops events that repeat too often, and counts them."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}  # event: since when, left out

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        name = f"{event.get('event')}/{event.get('reason', '')}"
        now_s = time.monotonic()
        since_s, n_left_out = self._seen.get(name, (-PERIOD_S, 0))
        if now_s - since_s < PERIOD_S:
            self._seen[name] = (since_s, n_left_out + 1)
            raise structlog.DropEvent
        if len(self._seen) >= EVENTS_MAX:
            self._seen.clear()
        self._seen[name] = (now_s, 0)
        return {**event, "left_out": n_left_out} if n_left_out else event


class _Relay(logging.Handler):
    """Logs the lines of libraries as our own: JSON, at a bounded rate."""

    def emit(self, record: logging.LogRecord) -> None:
        logger = structlog.get_logger()
        logger.log(
            record.levelno, "library", reason=record.name, said=record.getMessage(), exc_info=record.exc_info
        )


class CountsLog:
    """Logs the counters that have grown; those that begin with one of `usual` get no line."""

    def __init__(self, logger: Logger, usual: Sequence[str]) -> None:
        self._logger, self._usual = logger, tuple(usual)
        self._before: Mapping[str, int] = {}

    def log(self, counts: Mapping[str, int]) -> None:
        """Log a line for each reason that has grown since the last call; the rate is bounded as any."""
        for reason in sorted(counts):
            if counts[reason] != self._before.get(reason, 0) and not reason.startswith(self._usual):
                self._logger.warning("counted", reason=reason, total=counts[reason])
        self._before = dict(counts)


def warn_unapplied(logger: Logger, settings: Sequence[str]) -> None:
    """Log at the start the settings of the site file that nothing applies yet (`Site.unapplied`)."""
    for setting in settings:
        logger.warning("setting.unapplied", reason=setting)


def setup(**facts: str) -> Logger:
    """Configure this process's log; every line has the `facts`, such as part="rsu", esn="RSU001"."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _Bounded(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_Relay()], level=logging.WARNING, force=True)
    logger: Logger = structlog.get_logger(**facts)
    return logger
