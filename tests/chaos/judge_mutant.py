"""`python -m tests.chaos.judge_mutant NAME SEED SECONDS`: one seed of a faulty copy; prints the verdict.

A process of its own: it takes mounts that nobody else sees.
"""

import asyncio
import json
import shutil
import sys

from petroroad import numba_cache

DRAIN_S = 8.0  # what is lost is never drained


def main():
    """Run it; the folder is not kept, since it has to fail."""
    numba_cache.prepare()
    from petroroad.chaos.disks import private_mounts
    from petroroad.chaos.run import Asked, run

    name, seed, seconds = sys.argv[1:]
    has_mounts = private_mounts()
    program = (sys.executable, "-m", "tests.chaos.mutants", name)
    asked = Asked(
        seed=int(seed), seconds=float(seconds), drain_s=DRAIN_S, has_mounts=has_mounts, program=program
    )
    line = asyncio.run(run(asked)).line
    if "kept" in line:
        shutil.rmtree(line["kept"])
    print(json.dumps(line))


if __name__ == "__main__":
    main()
