"""A table of an operator as CSV, in the forms that spreadsheets write: cells by line and column. Pure.

Semicolons or tabs, empty columns and rows at the end, a byte order mark, cells that are forced to be text.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence

WITH_POINT = re.compile(r"[0-9]+\.0+")
SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+|#+")  # 1.39E+10, ####: the digits are gone
QUOTED = re.compile(r"""="(.*)"|'(.*)""")  # how a spreadsheet is made to keep a number as text
FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}  # of an input method, to ASCII
DELIMITERS = (",", ";", "\t")
WORDS = re.compile(r"[\s,;\[\]\"']+")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
ROWS_MAX = 100_000


def table_rows(
    text: str, columns: Sequence[str], key: str, rows_max: int = ROWS_MAX
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line and the cells that hold something, by column; ValueError names line and rule.

    columns : that the table may have.  key : the one that it must have
    """
    _check_characters(text)
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text), strict=True)
    read_to = n_rows = 0  # the line where the last whole row ends
    try:
        names = next((cells for cells in reader if any(cells) and not cells[0].startswith("sep=")), [])
        names = [name.strip().lower() for name in names]
        _check_columns(names, columns, key)
        read_to = reader.line_num
        for values in reader:
            read_to = reader.line_num
            cells = _cells(names, values, reader.line_num)
            if not cells:
                continue
            n_rows += 1
            if n_rows > rows_max:
                raise ValueError(f"has more than {rows_max} rows")
            yield read_to, cells
    except csv.Error as error:
        raise ValueError(f"line {read_to + 1}: is no CSV: {error}") from error  # where the row begins


def _cells(names: Sequence[str], values: Sequence[str], line: int) -> dict[str, str]:
    cells = {}
    for i, value in enumerate(map(str.strip, values)):
        if not value:
            continue
        if i >= len(names) or not names[i]:
            raise ValueError(f"line {line}: has more cells than the header")
        cells[names[i]] = value
    return cells


def _delimiter(text: str) -> str:
    """Return the separator of the cells by the first line; a spreadsheet may name it before."""
    first = text.lstrip().partition("\n")[0]
    if first.startswith("sep=") and len(first.strip()) == 5:
        return first[4]
    return max(DELIMITERS, key=first.count)  # of none the first


def _check_columns(names: Sequence[str], columns: Sequence[str], key: str) -> None:
    named = [name for name in names if name]  # those without a name hold nothing, or are refused by line
    unknown = set(named) - set(columns)
    if unknown or key not in named:
        has = ", ".join(sorted(unknown)) or f"no {key}"
        raise ValueError(f"line 1: columns must be of {', '.join(columns)} (has {has})")
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"line 1: column {twice} is there twice")


def _check_characters(text: str) -> None:
    found = CONTROL.search(text)
    if found is not None:  # csv accepts them, and a terminal of that name never reports
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line}: has the control character {found[0]!r}")


def as_text(value: str) -> str:
    """Return a cell that a spreadsheet was forced to keep as text, in ASCII where it is full width."""
    quoted = QUOTED.fullmatch(value)
    value = (quoted[1] or quoted[2] or "") if quoted is not None else value
    return value.translate(FULL_WIDTH)


def as_digits(value: str, column: str) -> str:
    """Return a number that is a name, as a text was; ValueError where a spreadsheet shortened it."""
    if SHORTENED.fullmatch(value):
        raise ValueError(f"{column} is {value!r}: format the column as text and fill it in again")
    return value.partition(".")[0] if WITH_POINT.fullmatch(value) else value
