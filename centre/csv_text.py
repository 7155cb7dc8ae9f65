"""Rows as CSV that spreadsheets read, with nothing in it that they run. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence

Cell = str | int | float | None
BOM = "\ufeff"  # Excel reads UTF-8 only with it
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins so


def csv_text(rows: Iterable[Sequence[Cell]]) -> str:
    """Return rows as CSV, without the mark that a file begins with."""
    out = io.StringIO()
    csv.writer(out).writerows([_harmless(cell) for cell in row] for row in rows)
    return out.getvalue()


def _harmless(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet runs; numbers stay numbers."""
    if isinstance(cell, str) and cell.startswith(FORMULA):
        return f"'{cell}"
    return cell
