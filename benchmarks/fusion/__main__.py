"""Measure everything, print JSON lines; without `--quick` write the report into docs/fusion.md as well."""

import argparse
import multiprocessing
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

from benchmarks.fusion import boards, late, model, peers, replays, scans, start, variants
from benchmarks.fusion.traffic import KINDS
from benchmarks.harness import Line

DOCS = Path(__file__).resolve().parents[2] / "docs"
PROCESSES = 2  # what is scored is not timed, so that two run at a time


def asked() -> argparse.Namespace:
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fusion", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one seed, seconds of traffic, no report")
    parser.add_argument("--compared", action="store_true", help="the ratios of reference.json alone")
    parser.add_argument("--seeds", type=int, default=3, help="recordings of each scenario (default 3)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where fusion.md lies that gets the report")
    return parser.parse_args()


def shown(lines: Iterable[Line]) -> Iterator[Line]:
    """Print the lines as they come."""
    for line in lines:
        line.show()
        yield line


def compared() -> Iterator[Line]:
    """Yield what `benchmarks.check` compares, also timed while nothing else runs."""
    yield from model.cv_lines()
    yield from model.polar_lines()
    yield from late.lines()


def alone(quick: bool) -> Iterator[Line]:
    """Yield what is timed while nothing else runs."""
    yield from compared()
    yield from scans.lines()
    yield from start.lines(1 if quick else 5)


def main() -> None:
    """Measure in three parts: what is timed alone, what is scored, the replays."""
    how = asked()
    if how.compared:
        list(shown(compared()))
        return
    found = list(shown(alone(how.quick)))
    seeds = boards.SEEDS[: 1 if how.quick else how.seeds]
    rival_seeds = peers.SEEDS[:2] if how.quick else peers.SEEDS
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="petroroad-replays-") as folder,
        ProcessPoolExecutor(PROCESSES, mp_context=context) as pool,
    ):
        recorded = [pool.submit(replays.written, name, folder, how.quick) for name in replays.PLANS]
        waiting = [
            pool.submit(boards.scored, name, seed, how.quick) for seed in seeds for name in boards.NAMES
        ]
        names = () if how.quick else variants.VARIANTS
        varied = {name: pool.submit(variants.scored, name) for name in names}
        rivals: dict[str, list[Future[peers.Scores]]] = {
            kind: [pool.submit(peers.scores_of, kind, seed, how.quick) for seed in rival_seeds]
            for kind in KINDS
        }
        scored = [one.result() for one in waiting]
        found += shown(boards.lines_of(scored))
        by_kind = {kind: [one.result() for one in runs] for kind, runs in rivals.items()}
        for kind, by_seed in by_kind.items():
            found += shown(peers.lines_of(kind, by_seed))
        for one in recorded:
            one.result()
        for name in replays.PLANS:
            found += shown(replays.timed(name, folder, how.quick))
    if not how.quick:
        from benchmarks.fusion import report  # draws with Matplotlib, which a quick run does without

        by_variant = {name: one.result() for name, one in varied.items()}
        report.write(how.docs, found, report.Measured(scored, by_kind, by_variant))


if __name__ == "__main__":
    main()
