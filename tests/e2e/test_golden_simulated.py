"""Simulated and imported observations give the same violations and snapshots as at commit e3aa853.

Each digest in `tests/data/golden/simulated.json` was taken before the packages were rebuilt. A digest may
change only where a judgement, an estimate or a published field is meant to change. The commit that changes it
says which and why, and renews the file with `make golden-update`; the whole minutes need
`make golden-update TESTS=--long`.
"""

from pathlib import Path

import pytest

from petroroad.__main__ import main
from petroroad.commands.replay import summary
from petroroad.replay.run import pace_of, replay_file
from tests.support import golden

KEPT = golden.FOLDER / "simulated.json"
DATA = golden.FOLDER.parent
COUNTS = ("observations", "tracks", "violations")
ELSEWHERE = 0.05  # another CPU rounds otherwise: a few tracks and versions more or fewer


@pytest.mark.parametrize(
    ("seed", "duration_s", "name"),
    [
        (5, 20, "seed 5, 20 s"),
        *(pytest.param(seed, 60, f"seed {seed}", marks=pytest.mark.long) for seed in (5, 6, 7)),
    ],
)
def test_golden_simulated_traffic_is_judged_as_before(tmp_path, seed, duration_s, name):
    recording = tmp_path / "r.mcap"
    arguments = ["--seed", str(seed), "--duration", str(duration_s), "--record", str(recording)]
    assert main(["sim", "run", *arguments]) == 0
    assert_as_kept(name, recording)


@pytest.mark.parametrize(
    ("kind", "file"), [("nmea", "nmea_cold_start.txt"), ("openv2x-radar", "openv2x_radar.json")]
)
def test_golden_import_is_tracked_as_before(tmp_path, kind, file):
    recording = tmp_path / "r.mcap"
    assert main(["import", kind, str(DATA / file), "--out", str(recording)]) == 0
    assert_as_kept(file, recording)


def assert_as_kept(name: str, recording: Path) -> None:
    told = summary([replay_file(recording, None, pace_of("max"), None)])
    found = {key: told[key] for key in ("digest", "digest_tracks", *COUNTS)}
    expected, same_machine = golden.kept(KEPT, name, found)
    if same_machine:
        assert found == expected
    else:
        for key in COUNTS:
            assert found[key] == pytest.approx(expected[key], rel=ELSEWHERE), key
