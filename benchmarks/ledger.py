"""Violations that the centre's ledger commits each second, and that its desk takes in: no broker.

`python -m benchmarks.ledger [N] [VERSIONS]`: N violations of eight RSUs, VERSIONS of each episode, in batches
of 32 and in transactions of the writer's own size, each of which is synchronised to a file. `ledger.cpu`
and `desk.cpu` are processor time, which does not depend on what else runs.
"""

import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from benchmarks.delivery_site import violation
from benchmarks.harness import help_or_exit, print_line
from centre.batch_decoder import Batch, decode_batch
from centre.commit_size import CommitSize
from centre.desk.intake import Intake
from centre.desk.policy import policy_of
from centre.desk.priority import Road
from centre.desk_tables import HANDLING
from centre.store import open_database
from centre.violation_writer import ViolationWriter
from edge import topics
from edge.sections import DeskConfig
from edge.wire import ITEMS_MAX, ViolationBatch, ViolationItem, encode

RSUS = 8


def batches(n: int, n_versions: int) -> list[Batch]:
    """Return n violations as decoded batches, the RSUs in turn."""
    made: list[Batch] = []
    for place in range(0, n, ITEMS_MAX):
        esn, now_ns = f"RSU{place // ITEMS_MAX % RSUS}", time.time_ns()
        items = []
        for number in range(place, min(place + ITEMS_MAX, n)):
            episode, version = divmod(number, n_versions)
            body = violation(esn, episode, now_ns, version + 1)
            items.append(ViolationItem(seq=number + 1, detected_ns=now_ns, sent_ns=now_ns, violation=body))
        payload = encode(ViolationBatch(epoch=10, items=tuple(items)))
        read = decode_batch(topics.violation_up(esn), esn, payload, now_ns)
        assert isinstance(read, Batch), "made by our own encoder"
        made.append(read)
    return made


def take_in(writer: ViolationWriter, n_alarms: int) -> float:
    """Let a desk take in what is committed; return the processor time [s]."""
    intake = Intake(policy_of(DeskConfig(), Road()), Counter())
    begun_s, is_more = time.thread_time(), True
    while is_more:
        is_more = writer.run(lambda db, found: intake.read_feed(db, found, time.time_ns()))
    cpu_s = time.thread_time() - begun_s
    count = sa.select(sa.func.count()).select_from(HANDLING)
    assert writer.run(lambda db, _: db.scalar(count)) == n_alarms, "each alarm has its row"
    return cpu_s


def main() -> int:
    """Print one JSON line per figure."""
    help_or_exit()
    n, n_versions = (int(text) for text in (*sys.argv[1:3], *("9600", "4")[len(sys.argv[1:3]) :]))
    todo = batches(n, n_versions)
    size, at = CommitSize(), 0
    with tempfile.TemporaryDirectory(prefix="petroroad-ledger-") as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'centre.sqlite'}")
        writer = ViolationWriter(engine, time.time_ns)
        begun_s, cpu_s, n_stored = time.perf_counter(), time.thread_time(), 0
        while at < len(todo):
            step, from_s = max(1, size.n_items // ITEMS_MAX), time.perf_counter()
            result = writer.commit(todo[at : at + step], [])
            size.measure(step * ITEMS_MAX, time.perf_counter() - from_s)
            at += step
            n_stored += result.counts["violation.stored"]
        took_s, cpu_s = time.perf_counter() - begun_s, time.thread_time() - cpu_s
        desk_s = take_in(writer, n // n_versions)
        engine.dispose()
    assert n_stored == n, "each is stored once"
    print_line("ledger.rate", n / took_s, "violations/s")
    print_line("ledger.cpu", 1e6 * cpu_s / n, "us/violation")
    print_line("desk.cpu", 1e6 * desk_s / n, "us/violation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
