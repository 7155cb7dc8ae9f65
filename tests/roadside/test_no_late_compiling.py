"""A service compiles nothing while it serves: every kernel is there once its modules are imported."""

from dataclasses import replace

import pytest
from numba.core.dispatcher import Dispatcher

from petroroad.replay.run import pace_of, replay_file
from tests.support.foreign.generate import generate
from tests.support.foreign.scenario import SCENARIOS
from tests.support.foreign.tape import record


@pytest.mark.parametrize("scenario", ["handover", "dark"])
def test_nothing_is_compiled_while_observations_are_judged(tmp_path, monkeypatch, scenario):
    recording, compiled = tmp_path / "r.mcap", []
    record(generate(replace(SCENARIOS[scenario], duration_s=3.0), 3), recording)

    def note(kernel, signature):
        compiled.append((kernel.__name__, signature))
        raise AssertionError(f"{kernel.__name__} is compiled while it serves")

    monkeypatch.setattr(Dispatcher, "compile", note)
    monkeypatch.setattr(Dispatcher, "_compile_for_args", lambda kernel, *_, **__: note(kernel, None))
    run = replay_file(recording, None, pace_of("max"), None)
    assert run.replayed.observations > 500
    assert compiled == []
