"""Replays of recordings derived from real measurements: the same comes out as when it was looked at last."""

import json

import numpy as np
import pytest

from edge.wire import decode_snapshot, records_of
from petroroad.commands.replay import summary
from petroroad.replay.run import Run, pace_of, replay_file
from tests.support.golden import FOLDER, RENEW, made_with

RECORDINGS = sorted(FOLDER.glob("*.mcap"))
BYTES_MAX = 300_000


def test_there_are_golden_recordings_of_every_kind_and_small_ones():
    assert [path.stem for path in RECORDINGS] == ["nmea_um621", "openv2x_radar", "us101"]
    assert all(path.stat().st_size <= BYTES_MAX for path in RECORDINGS)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_golden_recording_replays_to_the_committed_outputs(path):
    run = replay_file(path, None, pace_of("max"), None)
    found, last = summary([run]), last_tracks(run)
    expected_file = path.with_suffix(".json")
    if RENEW:
        made = {"made_with": made_with(), **found, "last": last}
        expected_file.write_text(json.dumps(made) + "\n", encoding="utf-8")
    expected = json.loads(expected_file.read_text(encoding="utf-8"))
    if expected.pop("made_with") != made_with():
        del expected["digest_tracks"]  # equal bytes are promised on one CPU type and set of versions
    expected_last = expected.pop("last")
    assert {key: found[key] for key in expected} == expected
    assert last.keys() == expected_last.keys()
    for name, column in last.items():  # everywhere: to two of the snapshot's units
        np.testing.assert_allclose(column, expected_last[name], rtol=0, atol=2, err_msg=name)


def last_tracks(run: Run) -> dict[str, list[int]]:
    """Return the last snapshot that has tracks, as columns."""
    bodies = [body for esn in sorted(run.replayed.snapshots) for body in run.replayed.snapshots[esn]]
    tables = [records for records in map(records_of, map(decode_snapshot, bodies)) if len(records)]
    return {name: tables[-1][name].tolist() for name in ("track", "lon_e7", "lat_e7", "speed_cmps", "s_dm")}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_golden_recording_replays_to_the_same_bytes_at_another_pace(path):
    paced = replay_file(path, None, pace_of("100"), None).replayed
    unpaced = replay_file(path, None, pace_of("max"), None).replayed
    assert (paced.digest(), paced.digest_tracks()) == (unpaced.digest(), unpaced.digest_tracks())
