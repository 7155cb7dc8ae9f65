"""Lengths of intervals. Pure."""

from collections.abc import Sequence


def union_m(pieces: Sequence[tuple[float, float]]) -> float:
    """Return the length that intervals cover together; one that ends before it begins covers nothing."""
    covered_m, end_m = 0.0, float("-inf")
    for low, high in sorted(pieces):
        covered_m += max(0.0, high - max(low, end_m))
        end_m = max(end_m, high)
    return covered_m
