"""Permits as CSV: one row one permit, columns named as the keys of `[[permit]]`. Pure."""

from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import msgspec

from edge.csv_table import WORDS, as_digits, as_text, table_rows
from geofence.permits import PERMITS_MAX, PermitConfig

COLUMNS = tuple(PermitConfig.__struct_fields__)
MANY = ("roads", "zones")  # several names in one cell
LOCAL = timezone(timedelta(hours=8))  # China's one time zone: a spreadsheet writes no offset
FORMS = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S")


class PermitRow(NamedTuple):
    """A permit and the line that it is from."""

    line: int
    permit: PermitConfig


def permit_rows(text: str) -> tuple[PermitRow, ...]:
    """Return the permits; an empty cell is an absent key. ValueError names line, column and rule.

    A time without an offset from UTC is one of UTC+8.
    """
    found = table_rows(text, COLUMNS, "permit", PERMITS_MAX)
    return tuple(PermitRow(line, _permit(cells, line)) for line, cells in found)


def _permit(row: dict[str, str], line: int) -> PermitConfig:
    cells: dict[str, Any] = {}
    for column, value in row.items():
        plain = as_text(value)
        if not plain:  # forced to be text, and empty
            continue
        try:
            if column in MANY:
                cells[column] = [word for word in WORDS.split(plain) if word]
            elif column in ("start", "end"):
                cells[column] = _time(plain)
            else:
                cells[column] = as_digits(plain, column)
        except ValueError as error:
            raise ValueError(f"line {line}, column {column}: {error}") from error
    try:
        return msgspec.convert(cells, PermitConfig)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$.")
        column = path.rstrip("`").partition("[")[0]
        if column:
            rule = f"{rule}, not {row.get(column, '')!r}"
        raise ValueError(f"line {line}{f', column {column}' if column else ''}: {rule}") from error


def _time(text: str) -> datetime:
    for form in FORMS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=LOCAL)
        except ValueError:
            continue
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a time such as 2026-12-01 06:00, not {text!r}") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=LOCAL)
