"""Arrays in storage: columns have names, so that another version finds those that it knows."""

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from core.arrays import F64, I64


class Columns(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A table of n rows; a reader ignores columns that it does not know."""

    names: tuple[str, ...]
    dtype: Literal["<i8", "<f8"]
    rows: bytes  # (n, len(names)), row by row


def columns_of(names: Sequence[str], numbers: F64 | I64) -> Columns:
    """Return numbers (n, len(names)) with their columns' names."""
    assert numbers.shape[1] == len(names), "each column has one name"
    dtype: Literal["<i8", "<f8"] = "<i8" if numbers.dtype == np.int64 else "<f8"
    return Columns(names=tuple(names), dtype=dtype, rows=numbers.astype(dtype).tobytes())


def _column(columns: Columns, name: str) -> F64 | I64 | None:
    if name not in columns.names:
        return None
    table: F64 | I64 = np.frombuffer(columns.rows, dtype=columns.dtype).reshape(-1, len(columns.names))
    return table[:, columns.names.index(name)]


def read_ints(columns: Columns | None, names: Sequence[str]) -> I64:
    """Return the named columns (n, len(names)); one that is missing is 0."""
    return (
        np.asarray(_read(columns, names), dtype=np.int64) if columns else np.zeros((0, len(names)), np.int64)
    )


def read_floats(columns: Columns | None, names: Sequence[str]) -> F64:
    """Return the named columns (n, len(names)); one that is missing is 0."""
    return np.asarray(_read(columns, names), dtype=np.float64) if columns else np.zeros((0, len(names)))


def _read(columns: Columns, names: Sequence[str]) -> F64 | I64:
    n = len(columns.rows) // (8 * max(len(columns.names), 1))
    numbers: F64 | I64 = np.zeros((n, len(names)), dtype=columns.dtype)
    for k, name in enumerate(names):
        column = _column(columns, name)
        if column is not None:
            numbers[:, k] = column
    return numbers
