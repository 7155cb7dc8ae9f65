"""The tables of docs/design.md, and what the code says of the same things in the same words."""

import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from geofence.grading import Grading, Hold
from geofence.violation import GRADES

DESIGN = (Path(__file__).parents[2] / "docs" / "design.md").read_text(encoding="utf-8")
BOUNDED = {  # the page's names of what many fields share
    ("int", 10**18, 4 * 10**18): "stamp",
    ("int", 0, 42 * 10**17): "device stamp",
    ("int", 0, 2**63 - 1): "count",
    ("int", 1, 2**63 - 1): "seq",
    ("int", 0, 2**32 - 1): "epoch",
    ("float", -180.0, 180.0): "longitude",
    ("float", -90.0, 90.0): "latitude",
    ("float", 0.0, 1.0): "probability",
}


def named_tables() -> dict[str, list[list[str]]]:
    """Return the rows, without their heads, of the tables under a line that names a struct: (`Name`)."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for line in DESIGN.splitlines():
        heading = re.match(r"\*\*.*\*\*.* ?\(`(\w+)`(?:, reserved)?\)", line)
        if heading is not None:
            name = heading[1]
        elif name and line.startswith("|"):
            found.setdefault(name, []).append(cells_of(line))
        elif found.get(name):
            name = ""
    return {name: rows[2:] for name, rows in found.items()}


def table(head: str) -> list[list[str]]:
    """Return the rows of the table whose head begins so."""
    lines = DESIGN[DESIGN.index(f"\n| {head} |") + 1 :].splitlines()
    rows = []
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        rows.append(cells_of(line))
    return rows


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def fields(struct: type[msgspec.Struct]) -> dict[str, tuple[str, str]]:
    """Return (form, default) of each field of a struct, by its name on the wire."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return {field.encode_name: (form(field.type), _default(field)) for field in info.fields}


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.default is not msgspec.NODEFAULT:
        return shown(field.default)
    assert field.default_factory is not msgspec.NODEFAULT
    return shown(field.default_factory())


def shown(value: Any) -> str:
    """Return a default as the page writes it."""
    if value is None or isinstance(value, msgspec.Raw):  # a packed nil
        return "nil"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{}"
    return "its own" if isinstance(value, msgspec.Struct) else str(value)


def holds(rows: tuple[Hold, ...]) -> str:
    """Return a grade's rows as the page writes them."""
    return ", ".join(f"> {row.over:g}" + (f" for {row.for_s:g} s" if row.for_s else "") for row in rows)


def grades(config: msgspec.Struct | None) -> list[str]:
    """Return the cells of a rule's three grades; "–" where its section has none."""
    if not isinstance(config, Grading):
        return ["–", "–", "–"]
    return [holds(getattr(config, grade)) for grade in GRADES[1:]]


def form(kind: inspect.Type) -> str:
    """Return a type with its bounds as the page writes it."""
    match kind:
        case inspect.IntType() | inspect.FloatType():
            return _number(kind)
        case inspect.StrType():
            return _text(kind)
        case inspect.BytesType(max_length=top):
            return "bin" if top is None else f"bin of at most {top} bytes"
        case inspect.LiteralType(values=values):
            return _choice([str(value) for value in values])
        case inspect.StructType(cls=cls):
            return f"`{cls.__name__}`"
        case inspect.DictType(value_type=value, max_length=top):
            return f"{{name: {form(value)}}}" + ("" if top is None else f", at most {top}")
        case inspect.TupleType(item_types=items):
            return f"({', '.join(form(item) for item in items)})"
        case inspect.UnionType(types=types):
            named = [form(one) for one in types if not isinstance(one, inspect.NoneType)]
            return " or ".join(named) + ("?" if len(named) < len(types) else "")
        case (
            inspect.VarTupleType(item_type=item, min_length=low, max_length=top)
            | inspect.ListType(item_type=item, min_length=low, max_length=top)
        ):
            return f"[{form(item)}]" + _lengths(low, top)
    return {
        inspect.BoolType: "bool",
        inspect.AnyType: "any",
        inspect.RawType: "packed",
        inspect.DateTimeType: "time",
    }[type(kind)]


def _lengths(low: int | None, top: int | None) -> str:
    if top is None:
        return f", at least {low}" if low else ""
    return f", {low} to {top}" if low else f", at most {top}"


def _choice(values: list[str]) -> str:
    if "lane_departure" in values:
        return "rule"
    return "grade" if set(values) == set(GRADES) else " / ".join(values)


def _number(kind: inspect.IntType | inspect.FloatType) -> str:
    name = "int" if isinstance(kind, inspect.IntType) else "float"
    named = BOUNDED.get((name, kind.ge, kind.le))
    if named is not None:
        return named
    if kind.ge is not None and kind.le is not None:
        return f"{name} {_plain(kind.ge)} to {_plain(kind.le)}"
    bounds = (("≥", kind.ge), (">", kind.gt), ("≤", kind.le), ("<", kind.lt))
    return ", ".join([name, *(f"{sign} {_plain(bound)}" for sign, bound in bounds if bound is not None)])


def _plain(bound: float) -> str:
    return f"{bound:g}".replace("e+0", "e").replace("e+", "e").replace("-", "−")


def _text(kind: inspect.StrType) -> str:
    if kind.pattern is not None:
        return "esn" if "{1,64}" in kind.pattern else "url"
    if kind.max_length is None:
        return "text, not empty" if kind.min_length else "text"
    low = f"{kind.min_length} to" if kind.min_length else "at most"
    return f"text, {low} {kind.max_length}"
