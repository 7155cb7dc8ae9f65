"""Why the desk refuses a request."""

from typing import Any


class RefusedError(Exception):
    """A request that doesn't fit, with the status of its answer and what else the page needs to know."""

    def __init__(self, status: int, detail: str, extra: dict[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.extra = status, detail, extra or {}
