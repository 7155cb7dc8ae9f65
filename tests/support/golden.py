"""Outputs that were looked at once and are kept: which machine they hold for, and how they are renewed.

Snapshots and violations hold floating-point results. Equal bytes are promised on one CPU type and one set of
package versions only; elsewhere the tests compare counts.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from edge.versions import versions

FOLDER = Path(__file__).parents[1] / "data" / "golden"
RENEW = os.environ.get("PETROROAD_GOLDEN_UPDATE") == "1"  # make golden-update


def made_with() -> dict[str, str]:
    """Return versions and CPU; processors of one name may differ in what they can do."""
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0] if cpu.exists() else ""
    return versions() | {"cpu_flags": hashlib.sha256(flags.encode()).hexdigest()[:16]}


def kept(file: Path, name: str, found: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Return the kept entry of a file, and whether it was made on a machine like this one.

    With `make golden-update` the file gets `found` as that entry first.
    """
    if RENEW:
        entries = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        entries[name] = {"made_with": made_with(), **found}
        file.write_text(json.dumps(entries, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    entry = json.loads(file.read_text(encoding="utf-8"))[name]
    return entry, entry.pop("made_with") == made_with()
