"""A recording that another process reads ahead: the same outputs, errors and order; it never stays behind."""

import os
import select
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import CommandError, RecordingError
from edge.config import load_site
from petroroad.replay import run as replay_run
from petroroad.replay.ahead import Ahead
from petroroad.replay.run import pace_of, replay_file
from petroroad.replay.source import Source
from roadside.arrivals import Own
from tests.support.foreign.generate import generate
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record
from tests.support.roadside_drive import EXAMPLE


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    path = tmp_path_factory.mktemp("ahead") / "easy.mcap"
    record(generate(replace(SCENARIOS["easy"], duration_s=4.0), 3), path)
    return path


def source_of(path: Path) -> Source:
    """Return a recording as an RSU's own."""
    frame = load_site(EXAMPLE).frame
    return Source([path], frame, lambda _: Own("R1"), follows_config=True, keeps_truth=False,
                  begins_behind_state=False)  # fmt: skip


def test_what_comes_out_does_not_depend_on_who_reads(recording, tmp_path, monkeypatch):
    begun = []
    monkeypatch.setattr(replay_run, "BYTES_MIN", 0)
    monkeypatch.setattr(replay_run, "Ahead", lambda *of: begun.append(of) or Ahead(*of))
    files = {jobs: tmp_path / f"{jobs}.mcap" for jobs in (1, 2)}
    runs = {jobs: replay_file(recording, None, pace_of("max"), files[jobs], jobs=jobs) for jobs in files}
    assert len(begun) == 1, "only with a core for it"
    assert files[1].read_bytes() == files[2].read_bytes()
    assert runs[1].replayed == runs[2].replayed
    assert (runs[1].skipped, runs[1].reading) == (runs[2].skipped, runs[2].reading)
    assert runs[2].replayed.observations > 500


def test_blocks_and_findings_are_those_of_a_source_that_is_read_here(recording):
    here, there = source_of(recording), source_of(recording)
    blocks = list(here.blocks())
    with Ahead(there, 1) as ahead:
        got = list(ahead.blocks(0))
    assert [block.log_ns for block in got] == [block.log_ns for block in blocks]
    assert b"".join(block.floats.tobytes() for block in got) == b"".join(
        block.floats.tobytes() for block in blocks
    )
    assert there.found == here.found
    assert there.found.observations > 500


def test_an_error_is_named_as_if_it_were_read_here(recording, tmp_path):
    path = tmp_path / "none.mcap"
    path.write_bytes(b"no recording")
    with Ahead(source_of(path), 1) as ahead, pytest.raises(RecordingError, match="is no MCAP recording"):
        list(ahead.blocks(0))

    def broken(_: Counter[str]) -> Own:
        raise ZeroDivisionError("a fault of ours")

    source = replace(source_of(recording), routes=broken)
    with Ahead(source, 1) as ahead, pytest.raises(CommandError, match="ZeroDivisionError: a fault of ours"):
        list(ahead.blocks(0))


def test_its_end_is_noticed(recording):
    with Ahead(source_of(recording), 1) as ahead:
        blocks = ahead.blocks(0)
        next(blocks)
        ahead._process.kill()
        with pytest.raises(CommandError, match="reads ahead ended before its time"):
            list(blocks)


def test_it_does_not_outlive_those_that_replay(recording):
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:  # a replay that is killed
        with Ahead(source_of(recording), 1):
            os.write(there, b"1")
            os._exit(9)
    os.waitpid(pid, 0)
    os.close(there)
    assert os.read(here, 1) == b"1", "the reader has begun"
    # the reader has the pipe's other end, too: once it has ended, there is nothing more to read
    assert select.select([here], [], [], 8.0)[0] == [here]
    assert os.read(here, 1) == b""
    os.close(here)
