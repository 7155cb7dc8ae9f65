"""A demo that can not start says which part and why, before any traffic."""

import os
import socket
import subprocess

import pytest

from tests.support.demo_run import ROOT, command

pytestmark = [pytest.mark.e2e]


def test_a_part_that_can_not_start_is_named_with_its_log(run_folder, tmp_path):
    broken = tmp_path / "mosquitto"
    broken.write_text("#!/bin/sh\necho 'no room for a broker'\nexit 3\n")
    broken.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    argv = command("demo", "--run-dir", run_folder("broken"), "--broker", "mosquitto", "--duration", 5)
    done = subprocess.run(
        argv,
        cwd=ROOT,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "broker ended with status 3" in done.stderr
    assert "broker.log" in done.stderr
    assert "no room for a broker" in done.stderr
    assert "Traceback" not in done.stderr.partition("the end of")[0]


def test_a_port_that_is_taken_is_told_before_anything_is_begun(run_folder):
    folder = run_folder("taken")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        argv = command("demo", "--run-dir", folder, "--http", address, "--duration", 5)
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert f"--http {address}: can't listen" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not folder.exists()
