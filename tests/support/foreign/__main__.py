"""`python -m tests.support.foreign SCENARIO --seed N --out DIR` writes DIR/SCENARIO-N.mcap and its site."""

import argparse
from pathlib import Path

from tests.support.foreign.generate import generate
from tests.support.foreign.random_scenario import random_liars, random_scenario
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record

DRAWN = {"random": random_scenario, "liars": random_liars}
FILES = {"config": "site.toml", "map": "map.geojson", "registry": "vehicles.csv"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.support.foreign", description=__doc__)
    parser.add_argument("scenario", choices=[*DRAWN, *sorted(SCENARIOS)])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--gateway", action="store_true", help="as the only RSU records it, fixes by a gateway"
    )
    asked = parser.parse_args()
    drawn = DRAWN.get(asked.scenario)
    run = generate(SCENARIOS[asked.scenario] if drawn is None else drawn(asked.seed), asked.seed)
    name = f"{asked.scenario}-{asked.seed}"
    record(run, asked.out / f"{name}.mcap", through_gateway=asked.gateway)
    for key, text in run.site.items():
        path = asked.out / name / FILES[key]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{asked.out / name}.mcap: {len(run.messages)} messages, {len(run.motion.fleet)} vehicles")


if __name__ == "__main__":
    main()
