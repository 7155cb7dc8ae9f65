"""A PostgreSQL server of one test, which only this machine's users reach, by a socket; no test itself."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import find_program


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """Run a server; yields the address of an empty database."""
    initdb = find_program("initdb")
    if initdb is None:
        pytest.skip("postgresql is missing: sudo apt-get install postgresql")
    # a socket's path has 107 bytes at most, and another user has to reach it
    folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    if user is not None:
        shutil.chown(folder, user)
    folder.chmod(0o755)

    def run(name: str, *arguments: str) -> None:
        command = [str(Path(initdb).parent / name), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

    run("initdb", "-A", "trust", "-U", "petroroad", "-E", "UTF8", "--no-sync")
    run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", f"-c listen_addresses='' -k {folder}", "start")
    try:
        yield f"postgresql+psycopg://petroroad@/postgres?host={folder}"
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
