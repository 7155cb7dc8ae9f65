"""Histograms of durations, cheap enough for each message: one search and two additions. Pure."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

# From one millisecond to one minute [s]. The bars of delivery (8, 25 and 60 ms on an idle machine) lie among
# the fine ones, a resend's back-off (1 to 10 s) and the alerts' limit (60 s) among the coarse ones.
# Neighbours differ by 2 to 3 times, so a quantile is right within that.
BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
)  # fmt: skip
SERIES_MAX = 512 * 24  # of one name: RSUs of a site, by stage and kind
Labels = tuple[str, ...]


class Histogram:
    """How many values lie in each bucket, and their sum."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)  # not cumulative; the last: beyond all bounds
        self.sum_s = 0.0

    def observe(self, *values_s: float) -> None:
        """Add values."""
        for value_s in values_s:
            self.counts[bisect_left(BOUNDS_S, value_s)] += 1
        self.sum_s += sum(values_s)


class Histograms:
    """The histograms of one metric by the values of its labels, each made at its first value."""

    def __init__(self, name: str, series_max: int = SERIES_MAX) -> None:
        """name : of the metric, as `edge.metric_names` has it"""
        self.name, self._series_max = name, series_max
        self._series: dict[Labels, Histogram] = {}
        self.n_dropped = 0  # values of series that found no room

    def observe(self, labels: Labels, *values_s: float) -> None:
        """Add values of one series; those of a series beyond the limit are only counted."""
        found = self._series.get(labels)
        if found is None:
            if len(self._series) >= self._series_max:
                self.n_dropped += len(values_s)
                return
            found = self._series[labels] = Histogram()
        found.observe(*values_s)

    def __getitem__(self, labels: Labels) -> Histogram:
        return self._series[labels]

    def __iter__(self) -> Iterator[tuple[Labels, Histogram]]:
        return iter(sorted(self._series.items()))

    def totals(self) -> Mapping[Labels, int]:
        """Return how many values each series has."""
        return {labels: sum(found.counts) for labels, found in self._series.items()}
