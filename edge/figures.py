"""Counters by reason, and quantiles: the figures of a status, a summary and the page. Pure."""

import math
from collections.abc import Mapping, Sequence

TAIL_SAMPLES_MIN = 20  # with fewer, the slowest twentieth or hundredth of them is one sample by chance
TAIL = 0.9  # shares above it are of the tail
REASONS_MAX = 512
OTHER = "other"


class Counts:
    """Counts by reason; reasons beyond REASONS_MAX are counted together."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, reason: str, n: int = 1) -> None:
        """Count n of a reason."""
        if reason not in self._counts and len(self._counts) >= REASONS_MAX:
            reason = OTHER
        self._counts[reason] = self._counts.get(reason, 0) + n

    def __call__(self) -> dict[str, int]:
        """Return a copy."""
        return dict(self._counts)


def merged(*counts: Mapping[str, int]) -> dict[str, int]:
    """Return the sums by reason. Other threads may count meanwhile."""
    total: dict[str, int] = {}
    for part in counts:
        for reason, n in dict(part).items():  # a copy is one step of the interpreter, a loop is many
            total[reason] = total.get(reason, 0) + n
    return total


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the measured value that a share of `values` does not exceed (nearest rank); None without any.

    It is the one meaning of p50 and p99 in this product.
    """
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def quantile_ms(samples_ns: Sequence[int], share: float) -> float | None:
    """Return a quantile [ms] by nearest rank; None without samples, of the tail also with too few of them."""
    if share > TAIL and len(samples_ns) < TAIL_SAMPLES_MIN:
        return None
    found = quantile(samples_ns, share)
    return None if found is None else round(found / 1e6, 3)
