"""One JSON line for each figure, with the further numbers that it needs."""

import json
import math
import sys

import numpy as np

from core.arrays import F64

SHOWN: dict[str, dict[str, float | None]] = {}  # what was printed, for the report


def show(name: str, value: float | None, unit: str, **more: float | None) -> None:
    """Print one line; what is not finite (never found) is null."""

    def plain(number: float | None) -> float | None:
        return round(float(number), 6) if number is not None and math.isfinite(number) else None

    line = {"name": f"lane_departure.{name}", "value": plain(value), "unit": unit}
    beside = {key: plain(number) for key, number in more.items()}
    SHOWN[name] = {"value": plain(value)} | beside
    sys.stdout.write(json.dumps(line | beside) + "\n")
    sys.stdout.flush()


def median_s(delays_s: F64) -> float:
    """Return the median of delays (n,); NaN (never found) counts as longer than any other."""
    return float(np.quantile(np.nan_to_num(delays_s, nan=np.inf), 0.5, method="higher"))


def show_delays(name: str, delays_s: F64, **more: float) -> None:
    """Print the delays (n, 2) of notices, and beside them those of warnings."""
    notice, warning = delays_s.T
    show(
        name, median_s(notice), "s",
        p95=p95_s(notice), warning=median_s(warning), warning_p95=p95_s(warning), **more,
    )  # fmt: skip


def p95_s(delays_s: F64) -> float:
    """Return the 95th percentile, infinite where more were never found."""
    return float(np.quantile(np.nan_to_num(delays_s, nan=np.inf), 0.95, method="higher"))
