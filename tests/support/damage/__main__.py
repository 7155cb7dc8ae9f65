"""Draw damages and restarts: `python -m tests.support.damage [--what damage] [--seeds 20] [--first 1]`.

Exits with 1 where a case failed. With --folder, what a failed one left lies in its `kept/failed-SEED`.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from petroroad import numba_cache
from tests.support.damage.case import make_templates, run_case
from tests.support.damage.certificates import run_certificates
from tests.support.damage.restarts import run_copies, run_restarts, run_twins
from tests.support.damage.world import world

RUNS = {
    "damage": run_case,
    "restarts": run_restarts,
    "copies": run_copies,
    "twins": run_twins,
    "certificates": run_certificates,
}


async def draw(folder: Path, first: int, n: int, *, real: bool, what: str) -> int:
    """Run the cases; return how many failed."""
    n_failed = 0
    async with world(folder, real=real, tls=what == "certificates") as it:
        await make_templates(it)
        for seed in range(first, first + n):
            verdict = await RUNS[what](it, seed)
            n_failed += not verdict.ok
            sys.stdout.write(
                f"{'ok  ' if verdict.ok else 'FAIL'} {seed} {verdict.took_s} s {verdict.damage}\n"
            )
            for line in (*verdict.faults, *(verdict.notes)):
                sys.stdout.write(f"       {line}\n")
            sys.stdout.flush()
            if not verdict.ok:
                it.keep(f"failed-{seed}")
    return n_failed


def main() -> None:
    """Draw."""
    numba_cache.prepare()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--what", choices=RUNS, default="damage")
    parser.add_argument("--real", action="store_true", help="whole RSUs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        folder.mkdir(exist_ok=True, parents=True)
        n_failed = asyncio.run(draw(folder, given.first, given.seeds, real=given.real, what=given.what))
    sys.exit(1 if n_failed else 0)


if __name__ == "__main__":
    main()
