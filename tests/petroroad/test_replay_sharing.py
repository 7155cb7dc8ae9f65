"""A whole site replayed in several processes: the same bytes as in one, and a named end if one fails."""

import os
from dataclasses import replace

import pytest

from core.errors import CommandError
from petroroad.replay.run import pace_of, replay_file
from petroroad.replay.sharing import Child, n_shares, shared
from roadside.outputs import HandoverOffer, Snapshot
from tests.support.foreign.generate import generate
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record

ESNS = ["RSU001", "RSU002", "RSU003"]


@pytest.mark.parametrize("other", [2, pytest.param(3, marks=pytest.mark.long)])
def test_the_outputs_do_not_depend_on_the_number_of_processes(tmp_path, other, monkeypatch):
    monkeypatch.setattr("petroroad.replay.run.BYTES_MIN", 0)  # read ahead, by a process of its own
    recording, offers = tmp_path / "r.mcap", []
    record(generate(replace(SCENARIOS["handover"], duration_s=6.0), 3), recording)
    files = {jobs: tmp_path / f"{jobs}.mcap" for jobs in (1, other)}

    def watch(_esn, _now_ns, output):
        offers.extend([output] if isinstance(output, HandoverOffer) else [])

    runs = {
        jobs: replay_file(recording, None, pace_of("max"), files[jobs], watch, jobs=jobs) for jobs in files
    }
    assert files[other].read_bytes() == files[1].read_bytes()
    assert runs[other].replayed == runs[1].replayed
    assert runs[other].clocks == runs[1].clocks
    assert offers, "vehicles went from one process to another"


def emitting(mine, share):
    """Emit a snapshot of each RSU at each of three steps, and meet after each."""
    for share.step in range(3):
        for esn in mine:
            share.emit(esn, share.step, Snapshot(share.step, 0, esn.encode(), None))
        share.exchange([])
    return dict.fromkeys(mine)


@pytest.mark.parametrize("jobs", [1, 2, 3, 9])
def test_outputs_come_step_by_step(jobs):
    came = []
    n = n_shares(ESNS, jobs)
    ends = shared(ESNS, n, lambda esn, now_ns, _: came.append((now_ns, esn)), emitting)
    assert sorted(came) == [(step, esn) for step in range(3) for esn in ESNS]
    assert [step for step, _ in came] == sorted(step for step, _ in came)
    assert sorted(ends) == ESNS


def test_an_error_of_a_process_is_named():
    def work(mine, share):
        if isinstance(share, Child):
            raise ValueError("no such thing")
        return emitting(mine, share)

    with pytest.raises(CommandError, match="the replay of RSU002 failed: ValueError: no such thing"):
        shared(ESNS[:2], 2, lambda *_: None, work)


def test_the_end_of_a_process_is_noticed():
    def work(mine, share):
        if isinstance(share, Child):
            os._exit(9)
        return emitting(mine, share)

    with pytest.raises(CommandError, match="ended before its time"):
        shared(ESNS, 3, lambda *_: None, work)


def test_no_process_outlives_the_first():
    def work(mine, share):
        if isinstance(share, Child):
            return emitting(mine, share)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shared(ESNS, 3, lambda *_: None, work)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
