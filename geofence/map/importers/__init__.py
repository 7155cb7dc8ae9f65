"""Converters of foreign maps to the canonical map. Pure: each takes what a reader of files has read."""

import json
from typing import Any


def map_document(kind: str, note: str, features: list[dict[str, Any]], **more: Any) -> str:
    """Return a canonical map; without lanes where none is known."""
    head = {
        "type": "FeatureCollection",
        "name": f"import {kind}",
        "datum": "CGCS2000",
        "epoch": 2000.0,
        "version": "import",
        "note": note,
    }
    return json.dumps(head | more | {"features": features}, ensure_ascii=False)
