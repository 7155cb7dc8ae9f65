"""Figures against named rivals, as JSON lines: `python -m benchmarks.NAME [--quick]`."""

from edge import numba_cache

numba_cache.prepare()  # before any module here imports a kernel
