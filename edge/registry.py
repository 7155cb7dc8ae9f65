"""The registry of vehicles as CSV: one row each, columns named as the keys of `[[vehicle]]`."""

import csv
import io
import re
from typing import Any

import msgspec

from edge.csv_table import SHORTENED, WORDS, as_digits, as_text, table_rows
from geofence.config import VehicleConfig

__all__ = ["SHORTENED", "registry_rows", "registry_text"]

NUMBERS = ("length_m", "width_m", "clock_offset_s")
# columns that a spreadsheet turns into 13900000001.0
DIGITS = ("terminal", "un", "hazmat_class", "phone", "driver_phone")
LEVERS = re.compile(r"[\s;]+|,\s+")  # between two numbers of one cell
COLUMNS = (
    "terminal",
    "plate",
    "class",
    "hazmat_class",
    "un",
    "carrier",
    "length_m",
    "width_m",
    "antenna_m",  # "forward left", two numbers in one cell
    "permits",  # words in one cell
    "clock_offset_s",
    "phone",
    "driver",
    "driver_phone",
)
SELDOM = COLUMNS[-4:]  # written only where a vehicle has them


def registry_rows(text: str) -> tuple[VehicleConfig, ...]:
    """Return the vehicles; an empty cell is an absent key. ValueError names line, column and rule.

    The forms that spreadsheets write are read too: semicolons or tabs, empty columns and rows at the end,
    whole numbers with a point, decimal commas.
    """
    found = table_rows(text, COLUMNS, "terminal")
    return tuple(_vehicle(cells, line) for line, cells in found)


def registry_text(vehicles: list[VehicleConfig]) -> str:
    """Return the vehicles as CSV, the inverse of `registry_rows`."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    unused = {name for name in SELDOM if not any(getattr(vehicle, name) for vehicle in vehicles)}
    columns = [name for name in COLUMNS if name not in unused]
    writer.writerow(columns)
    for vehicle in vehicles:
        cells = msgspec.to_builtins(vehicle)
        cells["antenna_m"] = " ".join(map(repr, vehicle.antenna_m))
        cells["permits"] = " ".join(vehicle.permits)
        writer.writerow([cells[name] for name in columns])  # None becomes an empty cell
    return out.getvalue()


def _vehicle(row: dict[str, str], line: int) -> VehicleConfig:
    cells: dict[str, Any] = {}
    for key, value in row.items():
        plain = as_text(value) if key in (*DIGITS, *NUMBERS, "plate") else value
        if plain:
            cells[key] = plain
    try:
        for key in NUMBERS:
            if key in cells:
                cells[key] = _number(cells[key])
        for key in DIGITS:
            if key in cells:
                cells[key] = as_digits(cells[key], key)
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
