"""Structured logs: one JSON object a line on stderr, at a bounded rate per event."""

import logging
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

PERIOD_S = 10.0  # one line per event in this time; the next says how many were left out
EVENTS_MAX = 512


class _Bounded:
    """A processor that drops what repeats too often and counts it."""

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


def setup(**facts: str) -> structlog.typing.FilteringBoundLogger:
    """Configure this process's log; `facts` (such as part="rsu", esn="RSU001") stand in every line."""
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
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(**facts)
    return logger
