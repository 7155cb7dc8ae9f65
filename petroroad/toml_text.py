"""Write TOML that `tomllib` reads: tables, arrays of tables and plain values; moments with an offset."""

import json
import math
from datetime import datetime
from typing import Any

Table = dict[str, Any]


def dumps(table: Table) -> str:
    """Return the TOML text of a document; raises TypeError on a value that TOML does not have."""
    return "\n".join(_lines(table, ())) + "\n"


def _lines(table: Table, path: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in table.items() if not _is_nested(value)}
    lines = [f"{_key(key)} = {_value(value)}" for key, value in plain.items()]
    for key, value in table.items():
        if not _is_nested(value):
            continue
        here = (*path, key)
        name = ".".join(map(_key, here))
        if isinstance(value, dict):
            lines += ["", f"[{name}]", *_lines(value, here)]
        else:
            for row in value:
                lines += ["", f"[[{name}]]", *_lines(row, here)]
    return lines


def _is_nested(value: Any) -> bool:
    rows = isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
    return isinstance(value, dict) or rows


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _string(key)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON allows it, TOML does not


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.isoformat()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + "}"
    raise TypeError(f"TOML has no {type(value).__name__}")
