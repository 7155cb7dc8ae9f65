"""Measure everything and print JSON lines. `--long` counts false warnings at the shipped rate as well."""

import argparse

from benchmarks.lane_departure import alone, calibration, chain, delays, false_alarms


def main() -> None:
    """Measure in the order of the package's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lane_departure", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer episodes and hours: under a minute")
    parser.add_argument("--long", action="store_true", help="1e5 vehicle-hours at the shipped rate: an hour")
    how = parser.parse_args()
    n_episodes = 1_000 if how.quick else 2_000
    delays.lines(n_episodes)
    chain.lines(n_episodes)
    false_alarms.lines(150.0 if how.quick else 1e4, false_alarms.ASKED)
    if how.long:
        false_alarms.lines(1e5, false_alarms.LONG)
    alone.lines(how.quick)
    calibration.lines(how.quick)


if __name__ == "__main__":
    main()
