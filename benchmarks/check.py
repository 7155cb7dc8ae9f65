"""Measure the ratios of reference.json anew and compare them. `python -m benchmarks.check [--quick]`

Only ratios are compared: both rivals are measured in one run on one machine, while absolute times differ.
`--update` writes the measured ratios as the new reference.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.harness import help_or_exit

MODULES = {
    "fusion": ["--compared"],
    "geofence": ["--compared"],
    "centre": ["server"],
}  # each with its arguments
REFERENCE = Path(__file__).with_name("reference.json")
# Less than this share of the reference is a regression. A busy machine moves fusion.cv from 240 to 310 and
# processors differ by more; a kernel that allocates or leaves its registers takes three times as long.
SHARE_MIN = 0.5


def faults(lines: list[dict[str, Any]], reference: dict[str, float]) -> list[str]:
    """Return the ratios that fell below SHARE_MIN of their reference, and those that were not measured."""
    ratios = {line["name"]: line["ratio"] for line in lines if line.get("ratio") is not None}
    found = [f"{name}: not measured" for name in reference if name not in ratios]
    for name, wanted in reference.items():
        if name in ratios and ratios[name] < SHARE_MIN * wanted:
            found.append(f"{name}: {ratios[name]:.3g} times its peer, the reference is {wanted:.3g}")
    return found


def measure(module: str, arguments: list[str]) -> list[dict[str, Any]]:
    """Run one benchmark; print its lines and return them."""
    argv = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(done.stdout)
    sys.stdout.flush()
    if done.returncode != 0:
        sys.exit(f"benchmarks.{module} ended with {done.returncode}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> int:
    """Measure all; return 1 if a ratio fell below SHARE_MIN of its reference."""
    help_or_exit()
    arguments = [word for word in sys.argv[1:] if word == "--quick"]
    lines = [line for module, more in MODULES.items() for line in measure(module, [*arguments, *more])]
    if "--update" in sys.argv[1:]:
        ratios = {line["name"]: round(line["ratio"], 2) for line in lines if line.get("ratio") is not None}
        REFERENCE.write_text(json.dumps(ratios, indent=1) + "\n", encoding="utf-8")
        return 0
    found = faults(lines, json.loads(REFERENCE.read_text(encoding="utf-8")))
    for fault in found:
        sys.stderr.write(f"benchmarks: {fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
