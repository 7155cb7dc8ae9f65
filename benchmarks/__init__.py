"""Figures against named rivals, as JSON lines: `python -m benchmarks.NAME [--quick]`."""

from petroroad import numba_cache

numba_cache.prepare()  # Python imports this package before a benchmark of it, and so before any kernel
