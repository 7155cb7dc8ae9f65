"""Exit codes, one clear line for an operator's error, and what --help does not import."""

import subprocess
import sys

import pytest

from petroroad.__main__ import COMMANDS, main
from tests.demo_run import ROOT


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["replay", "--help"], 0),
        (["replay", "missing.mcap"], 1),
        (["replay", "--rate", "fast", "x.mcap"], 1),  # the missing file is found first
        (["demo", "--rate", "-1"], 2),
        (["demo", "--rsus", "many"], 2),
        (["demo", "--no-such-option"], 2),
        (["demo", "--site", "missing.toml"], 2),
        (["centre", "--config", "missing.toml"], 2),
        (["rsu", "--config", "missing.toml", "--esn", "A"], 2),
        (["gateway"], 2),  # what it needs is not given
    ],
)
def test_exit_status_tells_wrong_use_from_failure(arguments, status, capsys):
    assert main(arguments) == status
    if status:
        assert "Traceback" not in capsys.readouterr().err


def test_a_wrong_configuration_is_one_line_that_names_file_and_rule(tmp_path, capsys):
    path = tmp_path / "site.toml"
    path.write_text('[site]\nname = "x"\nmap = "m"\norigin = [122.0, 41.0]\nwrong = 1\n')
    (tmp_path / "m").write_text("{}")
    assert main(["centre", "--config", str(path)]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert str(path) in told[0]
    assert "wrong" in told[0]


def test_help_names_every_command_and_imports_no_kernel():
    code = "import sys; from petroroad.__main__ import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert "'numba'" not in done.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out
