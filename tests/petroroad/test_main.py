"""Exit codes, one clear line for an operator's error, and what --help does not import."""

import signal
import socket
import subprocess
import sys
import time

import pytest

from edge.recording.recorder import Reading, read_messages
from petroroad.__main__ import main
from petroroad.cli import COMMANDS
from tests.support.demo_run import ROOT

EXAMPLE = ROOT / "tests" / "data" / "example" / "site.toml"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["replay", "--help"], 0),
        (["replay", "missing.mcap"], 2),
        (["replay", __file__], 2),  # no recording
        (["score", __file__], 2),
        (["import", "nmea", "missing.log", "--out", "x.mcap"], 2),
        (["broker", "--listen", "here"], 2),
        (["tail", "v2x/#/x"], 2),
        (["tail", "v2x/+x"], 2),
        (["tail", ""], 2),
        (["tail", "--count", "0"], 2),
        (["demo", "--rsus", "0"], 2),
        (["demo", "--rsus", "500"], 2),
        (["demo", "--vehicles", "1"], 2),
        (["demo", "--duration", "nan"], 2),
        (["demo", "--rate", "inf"], 2),
        (["demo", "--scenario", "no-such"], 2),
        (["demo", "--http", "0.0.0.0:8080"], 2),  # nobody logs in yet
        (["demo", "--http", "127.0.0.1"], 2),
        (["demo", "--http", "127.0.0.1:99999"], 2),
        (["demo", "--rate", "-1"], 2),
        (["demo", "--rate", "1e9"], 2),
        (["demo", "--run-dir", "/proc/petroroad"], 2),
        (["demo", "--run-dir", __file__], 2),
        (["demo", "--rate", "1e-9"], 2),  # it would never end
        (["demo", "--vehicles", "1000000000"], 2),
        (["sim", "run", "--vehicles", "1000000000"], 2),
        (["demo", "--http", "127.0.0.1:0"], 2),
        (["demo", "--rsus", "many"], 2),
        (["demo", "--no-such-option"], 2),
        (["demo", "--site", "missing.toml"], 2),
        (["demo", "--site", str(EXAMPLE), "--rsus", "1"], 2),  # only Panjin is simulated
        (["centre", "--config", "missing.toml"], 2),
        (["rsu", "--config", "missing.toml", "--esn", "A"], 2),
        (["chaos", "--seeds", "0"], 2),
        (["chaos", "--rsus", "1"], 2),  # nobody to hand over to
        (["chaos", "--seconds", "1"], 2),  # no time for a fault
        (["chaos", "--broker", "other"], 2),
        (["chaos", "--run-dir", "/proc/petroroad"], 2),
        (["gateway"], 2),  # what it needs is not given
    ],
)
def test_exit_status_keeps_wrong_use_from_failure(arguments, status, capsys):
    runs = set(ROOT.glob("runs/*"))
    assert main(arguments) == status
    assert set(ROOT.glob("runs/*")) == runs, "nothing was begun"
    if status:
        assert "Traceback" not in capsys.readouterr().err


def test_a_wrong_configuration_is_one_line_that_names_file_and_rule(tmp_path, capsys):
    path = tmp_path / "site.toml"
    path.write_text('[site]\nname = "x"\nmap = "m"\norigin = [122.0, 41.0]\nwrong = 1\n')
    (tmp_path / "m").write_text("{}")
    assert main(["centre", "--config", str(path)]) == 2
    shown = capsys.readouterr().err.strip().splitlines()
    assert len(shown) == 1
    assert str(path) in shown[0]
    assert "wrong" in shown[0]


def test_help_names_every_command_and_imports_no_kernel():
    code = "import sys; from petroroad.__main__ import main; main(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert "'numba'" not in done.stdout


@pytest.mark.parametrize(
    "module", ["edge.config", *(f"petroroad.commands.{name}" for name in ("broker", "demo", "tail"))]
)
def test_who_needs_no_kernel_loads_no_compiler(module):
    """It takes a third of a second."""
    code = f"import sys, {module}; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    assert main([name, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_ctrl_c_while_a_command_is_imported_is_no_traceback(monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("petroroad.cli.build", interrupted)
    assert main(["doctor"]) == 130


@pytest.mark.parametrize("module", ["edge", "cyclopts", "core.errors", "pyproj.geod"])
def test_ctrl_c_while_anything_is_imported_is_no_traceback(module):
    code = f"""
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == {module!r}:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from petroroad.__main__ import main
sys.exit(main(["doctor"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_the_end_of_a_process_collects_no_garbage():
    """A demo's parts end together, and what each of them takes for it is what Ctrl-C would wait for."""
    code = """
import atexit, gc, sys
from petroroad.__main__ import program
sys.argv[1:] = ["--version"]
atexit.register(lambda: print(len(gc.get_objects()), gc.get_freeze_count()))
program()
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    looked_at, frozen = map(int, done.stdout.split()[-2:])
    assert looked_at < frozen / 100


def test_what_could_not_be_printed_is_a_failure():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "petroroad", "--version"], cwd=ROOT, stdout=full, stderr=subprocess.DEVNULL
        )
    assert done.returncode != 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_whole_recording(tmp_path, number, status):
    path = tmp_path / "r.mcap"
    command = [sys.executable, "-m", "petroroad", "sim", "run", "--rsus", "RSU-23", "--record", str(path)]
    command += ["--rate", "1", "--duration", "600"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        try:
            deadline_s = time.monotonic() + 60.0
            while not (path.exists() and path.stat().st_size > 50_000) and time.monotonic() < deadline_s:
                time.sleep(0.05)  # another process's file: nothing tells when it grows
            running.send_signal(number)
            _, shown = running.communicate(timeout=30.0)
        finally:
            running.kill()
    assert (running.returncode, shown) == (status, "")
    reading = Reading()
    topics = {message.topic for message in read_messages(path, reading)}
    assert {"/site", "/truth"} < topics
    assert not reading.cut


def test_the_demo_says_at_once_that_the_page_s_port_is_in_use(capsys):
    runs = set(ROOT.glob("runs/*"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert main(["demo", "--http", address]) == 2
    assert f"--http {address}: can't listen: " in capsys.readouterr().err
    assert set(ROOT.glob("runs/*")) == runs


def test_the_demo_leaves_an_earlier_run_alone(tmp_path, capsys):
    (tmp_path / "site.toml").write_text("")
    assert main(["demo", "--run-dir", str(tmp_path)]) == 2
    assert "holds a run already" in capsys.readouterr().err


def test_sigterm_is_left_alone_while_a_command_is_imported(monkeypatch):
    """What an import raises may be swallowed there, and the signal with it: a part that nobody could end."""
    seen = []

    def imported(*_, **__):
        seen.append(signal.getsignal(signal.SIGTERM))

    monkeypatch.setattr("petroroad.cli.build", lambda: imported)
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a test before may have left a handler
    try:
        assert main(["doctor"]) == 0
        assert seen == [signal.getsignal(signal.SIGTERM)] == [signal.SIG_DFL]
    finally:
        signal.signal(signal.SIGTERM, before)
