"""The promise under faults, with real processes; faulty copies of the product must be found out."""

import json
import subprocess
import sys

import pytest

from petroroad.chaos.checker import FAULTS, RAISED_MIN
from petroroad.cli import run
from tests.chaos.mutants import MUTANTS
from tests.support.demo_run import ROOT, command

pytestmark = [pytest.mark.e2e, pytest.mark.paced]

SECONDS = 15
LATER = pytest.mark.long
SEEDS = (1, 2, 3)  # a faulty copy is found by one of them


def run_chaos(*arguments):
    """Run the command; returns its exit code, the line of each seed, and that of all."""
    argv = command("chaos", "--json", *arguments)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, lines[:-1], lines[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--seconds", SECONDS),
        pytest.param(("--seeds", 5, "--first", 11), marks=LATER),
        pytest.param(("--seeds", 5, "--first", 21, "--broker", "mosquitto"), marks=LATER),
        pytest.param(("--seeds", 2, "--first", 31, "--hard"), marks=LATER),
        pytest.param(("--seeds", 1, "--first", 51, "--broker", "cluster"), marks=LATER),
        pytest.param(("--seeds", 2, "--first", 41, "--hard", "--broker", "mosquitto"), marks=LATER),
    ],
    ids=lambda arguments: " ".join(map(str, arguments)),
)
def test_nothing_is_lost_or_shown_twice(arguments):
    status, lines, total = run_chaos(*arguments)
    wrong = [line for line in lines if not line["ok"]]
    assert wrong == []
    assert status == 0
    assert total["raised"] >= RAISED_MIN * len(lines)
    assert sum(total[name] for name in FAULTS) == 0
    assert total["faults"]["kill"] > 0


def test_a_cluster_needs_postgresql_and_says_so(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("petroroad.processes.postgresql.DEBIAN", "/nowhere/*/bin")
    assert run(["chaos", "--broker", "cluster"]) == 1
    assert "sudo apt-get install postgresql" in capsys.readouterr().err
    assert run(["chaos", "--broker", "cluster", "--hard"]) == 2
    assert "--hard" in capsys.readouterr().err


@pytest.mark.parametrize("name", [pytest.param(name, marks=LATER) for name in MUTANTS])
def test_a_faulty_copy_is_found_out(name):
    _, counted = MUTANTS[name]
    seen = []
    for seed in SEEDS:
        argv = [sys.executable, "-m", "tests.chaos.judge_mutant", name, str(seed), str(SECONDS)]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        line = json.loads(done.stdout)
        assert "error" not in line, line
        if line[counted]:
            assert not line["ok"]
            return
        seen.append(line)
    pytest.fail(f"{name} was not found out: {seen}")
