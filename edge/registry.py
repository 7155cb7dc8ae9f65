"""The registry of vehicles as CSV: one row each, columns named as the keys of `[[vehicle]]`."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from geofence.config import VehicleConfig

NUMBERS = ("length_m", "width_m", "clock_offset_s")
DIGITS = ("terminal", "un", "hazmat_class")  # columns that a spreadsheet turns into 13900000001.0
WITH_POINT = re.compile(r"[0-9]+\.0+")
SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+|#+")  # 1.39E+10, ####: the digits are gone
QUOTED = re.compile(r"""="(.*)"|'(.*)""")  # how a spreadsheet is made to keep a number as text
FULL_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}  # of an input method, to ASCII
DELIMITERS = (",", ";", "\t")
LEVERS = re.compile(r"[\s;]+|,\s+")  # between two numbers of one cell
WORDS = re.compile(r"[\s,;\[\]\"']+")
COLUMNS = (
    "terminal", "plate", "class", "hazmat_class", "un", "carrier", "length_m", "width_m",
    "antenna_m",  # "forward left", two numbers in one cell
    "permits",  # words in one cell
    "clock_offset_s",
)  # fmt: skip
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
ROWS_MAX = 100_000


def registry_rows(text: str) -> tuple[VehicleConfig, ...]:
    """Return the vehicles; an empty cell is an absent key. ValueError names line, column and rule.

    The forms that spreadsheets write are read too: semicolons or tabs, empty columns and rows at the end,
    whole numbers with a point, decimal commas.
    """
    _check_characters(text)
    text = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(text), delimiter=_delimiter(text), strict=True)
    rows: list[VehicleConfig] = []
    read_to = 0  # the line where the last whole row ends
    try:
        names = next((cells for cells in reader if any(cells) and not cells[0].startswith("sep=")), [])
        names = [name.strip().lower() for name in names]
        _check_columns(names)
        read_to = reader.line_num
        for cells in reader:
            read_to = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            rows.append(_vehicle(names, cells, reader.line_num))
            if len(rows) > ROWS_MAX:
                raise ValueError(f"has more than {ROWS_MAX} rows")
    except csv.Error as error:
        raise ValueError(f"line {read_to + 1}: is no CSV: {error}") from error  # where the row begins
    return tuple(rows)


def _delimiter(text: str) -> str:
    """Return the separator of the cells by the first line; a spreadsheet may name it before."""
    first = text.lstrip().partition("\n")[0]
    if first.startswith("sep=") and len(first.strip()) == 5:
        return first[4]
    return max(DELIMITERS, key=first.count)  # of none the first


def _check_columns(names: Sequence[str]) -> None:
    named = [name for name in names if name]  # those without a name hold nothing, or are refused by line
    unknown = set(named) - set(COLUMNS)
    if unknown or "terminal" not in named:
        has = ", ".join(sorted(unknown)) or "no terminal"
        raise ValueError(f"line 1: columns must be of {', '.join(COLUMNS)} (has {has})")
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"line 1: column {twice} is there twice")


def _check_characters(text: str) -> None:
    found = CONTROL.search(text)
    if found is not None:  # csv accepts them, and a terminal of that name never reports
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"line {line}: has the control character {found[0]!r}")


def registry_text(vehicles: list[VehicleConfig]) -> str:
    """Return the vehicles as CSV, the inverse of `registry_rows`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = COLUMNS if any(vehicle.clock_offset_s for vehicle in vehicles) else COLUMNS[:-1]
    writer.writerow(columns)
    for vehicle in vehicles:
        cells = msgspec.to_builtins(vehicle)
        cells["antenna_m"] = " ".join(map(repr, vehicle.antenna_m))
        cells["permits"] = " ".join(vehicle.permits)
        writer.writerow([cells[name] for name in columns])  # None becomes an empty cell
    return out.getvalue()


def _vehicle(names: Sequence[str], values: Sequence[str], line: int) -> VehicleConfig:
    cells: dict[str, Any] = {}
    for i, value in enumerate(map(str.strip, values)):
        if not value:
            continue
        if i >= len(names) or not names[i]:
            raise ValueError(f"line {line}: has more cells than the header")
        if names[i] in (*DIGITS, *NUMBERS, "plate"):
            quoted = QUOTED.fullmatch(value)
            value = (quoted[1] or quoted[2] or "") if quoted is not None else value
            value = value.translate(FULL_WIDTH)
        if value:
            cells[names[i]] = value
    try:
        for key in NUMBERS:
            if key in cells:
                cells[key] = _number(cells[key])
        for key in DIGITS:
            if key in cells and SHORTENED.fullmatch(cells[key]):
                raise ValueError(f"{key} is {cells[key]!r}: format the column as text and fill it in again")
            if key in cells and WITH_POINT.fullmatch(cells[key]):
                cells[key] = cells[key].partition(".")[0]
        if "class" in cells:
            cells["class"] = cells["class"].lower()
        if "antenna_m" in cells:
            words = [word for word in LEVERS.split(cells["antenna_m"].strip("[]() ")) if word]
            cells["antenna_m"] = [_number(word) for word in words]
        if "permits" in cells:
            cells["permits"] = [word for word in WORDS.split(cells["permits"]) if word]
        return msgspec.convert(cells, VehicleConfig)
    except ValueError as error:  # of float(), or msgspec's
        raise ValueError(f"line {line}: {error}") from error


def _number(text: str) -> float:
    """Return a number, with a decimal comma too."""
    return float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
