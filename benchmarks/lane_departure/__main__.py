"""Measure and print JSON lines; without --quick the tables of docs/geofence.md are written anew.

`--long` counts false warnings at the shipped rate as well. Parts may be named, to run these alone.
"""

import argparse

from benchmarks.lane_departure import alone, calibration, chain, crossing, delays, false_alarms, peers, shifts
from benchmarks.lane_departure.lines import SHOWN


def main() -> None:
    """Measure in the order of the package's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lane_departure", description=__doc__)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        help="delays chain false_alarms alone crossing shifts calibration peers",
    )
    parser.add_argument("--quick", action="store_true", help="fewer episodes and hours: under a minute")
    parser.add_argument("--long", action="store_true", help="1e5 vehicle-hours at the shipped rate: an hour")
    how = parser.parse_args()
    n_episodes = 1_000 if how.quick else 2_000
    parts = {
        "delays": lambda: delays.lines(n_episodes),
        "chain": lambda: chain.lines(n_episodes),
        "false_alarms": lambda: false_alarms.lines(150.0 if how.quick else 1e4, false_alarms.ASKED),
        "alone": lambda: alone.lines(how.quick),
        "crossing": lambda: crossing.lines(1 if how.quick else 300, 25 if how.quick else 400),
        "shifts": lambda: shifts.lines(4 if how.quick else 60),
        "calibration": lambda: calibration.lines(how.quick),
        "peers": lambda: peers.lines(2 if how.quick else 100, 250 if how.quick else 1_000),
    }
    wanted = how.parts or list(parts)
    if unknown := set(wanted) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))}: {', '.join(parts)}")
    for part in wanted:
        parts[part]()
    if how.long:
        false_alarms.lines(1e5, false_alarms.LONG)
    if not how.quick:
        from benchmarks.lane_departure import report  # loads the plots' library

        report.write(wanted, SHOWN)


if __name__ == "__main__":
    main()
