"""Writes a daily report to a file, from the database of a site, while the centre runs or not. Blocking."""

import os
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from centre import secrets
from centre.database_file import path_of
from centre.faults import SchemaError
from centre.reader import Reader
from centre.statistics.days import period_of
from centre.statistics.report import report
from centre.statistics.sheets import csv_bytes, sheets, xlsx_bytes
from centre.store import open_database
from centre.views.safe_json import json_safe
from centre.words import Lang
from core.errors import CommandError, UsageError
from edge.config import Site


def write(site: Site, day: str, out: Path, lang: Lang) -> int:
    """Write the report of a day; return how many violations it counts.

    The file is whole or not there at all. UsageError for a date or a file name that it can not use,
    CommandError where the database can not be read.
    """
    try:
        period = period_of(day)
    except ValueError as error:
        raise UsageError(f"--day {error}") from error
    if out.suffix not in (".csv", ".xlsx", ".json"):
        raise UsageError(f"--out {out}: must end in .csv, .xlsx or .json")
    shown, file = secrets.as_written(site), path_of(site.config.centre.database)
    if file is not None and not Path(file).exists():
        raise CommandError(f"{shown}: there is no database yet")
    try:
        engine = open_database(site.config.centre.database)
        found = report(Reader(engine), period) | {"day": day}
        engine.dispose()
    except (SchemaError, SQLAlchemyError) as error:
        raise CommandError(f"{shown}: can't be read: {str(error).splitlines()[0]}") from error
    if out.suffix == ".json":
        body = msgspec.json.encode(json_safe(found))
    else:
        body = (csv_bytes if out.suffix == ".csv" else xlsx_bytes)(sheets(found, lang))
    unfinished = out.with_name(f".{out.name}.unfinished")
    try:
        unfinished.write_bytes(body)
        os.replace(unfinished, out)
    except OSError as error:
        raise CommandError(f"{out}: can't be written: {error.strerror}") from error
    n: int = found["totals"]["violations"]
    return n
