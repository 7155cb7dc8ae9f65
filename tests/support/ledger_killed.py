"""A writer of the ledger in a process of its own: prints the seqs that it would acknowledge; no test itself.

`python -m tests.support.ledger_killed URL ESN N [SETTLING]`: it kills itself at the start of that settling.
"""

import os
import signal
import sys
from collections import Counter

from centre.batch_decoder import decode_batch
from centre.settling import Settler
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from tests.support.centre_samples import MS, T0_NS, item, payload, violation


def main(url: str, esn: str, n: int, last: int | None) -> None:
    writer = ViolationWriter(open_database(url), lambda: T0_NS + 700 * MS)
    settle, n_settled = Settler.settle, 0

    def settle_until(self: Settler, counts: Counter[str]) -> bool:
        nonlocal n_settled
        n_settled += 1
        if n_settled == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return settle(self, counts)

    Settler.settle = settle_until  # type: ignore[method-assign]
    for seq in range(1, n + 1):
        body = payload(10, item(seq, violation(seq % 7 + 1, version=seq, esn=esn)))
        done = writer.commit([decode_batch("t", esn, body, T0_NS)], [])
        print(done.acknowledgements[0].stored[0], flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]) if sys.argv[4:] else None)
