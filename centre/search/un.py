"""The shipped table of UN numbers: names, class and emergency guide. Numbers that it lacks have no entry."""

import csv
import functools
import io
from importlib.resources import files
from typing import TypedDict

SOURCE = "UN Recommendations, 23rd edition (2023): numbers, names, classes; ERG 2024: guides"


class Goods(TypedDict):
    """One entry: `guide` is that of the Emergency Response Guidebook, P where it may polymerize."""

    un: str
    zh: str
    en: str
    hazmat_class: str
    guide: str


@functools.cache
def table() -> dict[str, Goods]:
    """Return the entries by their numbers of four digits."""
    text = files("centre.search").joinpath("un.csv").read_text(encoding="utf-8")
    return {
        row["un"]: Goods(
            un=row["un"], zh=row["zh"], en=row["en"], hazmat_class=row["class"], guide=row["guide"]
        )
        for row in csv.DictReader(io.StringIO(text))
    }
