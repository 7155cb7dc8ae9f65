"""The registry of vehicles as CSV: one row each, columns named as the keys of `[[vehicle]]`."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from geofence.config import VehicleConfig

NUMBERS = ("length_m", "width_m", "clock_offset_s")
COLUMNS = (
    "terminal", "plate", "class", "hazmat_class", "un", "carrier", "length_m", "width_m",
    "antenna_m",  # "forward left", two numbers in one cell
    "permits",  # words in one cell
    "clock_offset_s",
)  # fmt: skip
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
ROWS_MAX = 100_000


def registry_rows(text: str) -> tuple[VehicleConfig, ...]:
    """Return the vehicles; an empty cell is an absent key. ValueError names line, column and rule."""
    _check_characters(text)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    rows = []
    try:
        _check_columns(reader.fieldnames or ())
        for row in reader:
            rows.append(_vehicle(row, reader.line_num))
            if len(rows) > ROWS_MAX:
                raise ValueError(f"has more than {ROWS_MAX} rows")
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num + 1}: is no CSV: {error}") from error  # where the row begins
    return tuple(rows)


def _check_columns(names: Sequence[str]) -> None:
    unknown = set(names) - set(COLUMNS)
    if unknown or "terminal" not in names:
        has = ", ".join(sorted(unknown)) or "no terminal"
        raise ValueError(f"line 1: columns must be of {', '.join(COLUMNS)} (has {has})")


def _check_characters(text: str) -> None:
    found = CONTROL.search(text)
    if found is not None:  # csv takes them, and a terminal of that name never reports
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


def _vehicle(row: dict[str | None, Any], line: int) -> VehicleConfig:
    if None in row:  # more cells than columns
        raise ValueError(f"line {line}: has more cells than the header")
    cells: dict[str, Any] = {str(key): value.strip() for key, value in row.items() if value and value.strip()}
    try:
        for key in NUMBERS:
            if key in cells:
                cells[key] = float(cells[key])
        if "antenna_m" in cells:
            cells["antenna_m"] = [float(word) for word in cells["antenna_m"].split()]
        if "permits" in cells:
            cells["permits"] = cells["permits"].split()
        return msgspec.convert(cells, VehicleConfig)
    except ValueError as error:  # of float(), or msgspec's
        raise ValueError(f"line {line}: {error}") from error
