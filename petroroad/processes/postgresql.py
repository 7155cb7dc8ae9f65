"""A PostgreSQL server of its own on this machine's loopback, for a run that ends and starts it at will."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from core.errors import CommandError
from petroroad.processes.children import Child, ChildSpec, start

USER = "petroroad"
SERVER_USER = "postgres"  # of this machine: the server refuses to run as root
DEBIAN = "/usr/lib/postgresql/*/bin"  # where Debian keeps the programs, which no PATH names
MISSING = "is missing: sudo apt-get install postgresql"


@dataclass(frozen=True, slots=True)
class Postgresql:
    """An initialised server: its programs, its folder and its port."""

    programs: Path
    folder: Path
    port: int

    def address(self, port: int | None = None) -> str:
        """Return the address of its database as `[centre] database` has it, by way of a port of a proxy."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{port or self.port}/postgres"

    @property
    def conninfo(self) -> str:
        """The same as the driver alone takes it, without any proxy."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/postgres?connect_timeout=2"

    async def start(self, log: Path) -> Child:
        """Start the server; it serves a moment later."""
        options = {"listen_addresses": "127.0.0.1", "port": str(self.port), "fsync": "on"}
        options["unix_socket_directories"] = str(self.folder)
        argv = [str(self.programs / "postgres"), "-D", str(self.folder / "data")]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        # another user's process forgets whose death ends it, unless setpriv says so again
        as_user = ("setpriv", f"--reuid={SERVER_USER}", f"--regid={SERVER_USER}", "--clear-groups")
        before = (*as_user, "--pdeathsig", "KILL") if _is_root() else ()
        return await start(ChildSpec(name="postgresql", argv=(*before, *argv), log=log))

    def release(self) -> None:
        """Delete its files."""
        shutil.rmtree(self.folder, ignore_errors=True)


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; raises CommandError that says how to get them."""
    beside = [shutil.which(name) for name in ("initdb", "postgres")]
    found = [str(Path(path).parent) for path in beside if path is not None]
    for folder in (*found, *sorted(glob(DEBIAN), reverse=True)):
        if all((Path(folder) / name).exists() for name in ("initdb", "postgres")):
            return Path(folder)
    raise CommandError(f"PostgreSQL (initdb, postgres) {MISSING}")


def check_driver() -> None:
    """Raise CommandError where Python has no driver for PostgreSQL."""
    try:
        import psycopg  # noqa: F401  only where a run needs it
    except ImportError as error:
        raise CommandError(f"the driver is missing: pip install 'petroroad[postgresql]' ({error})") from error


async def initialised(port: int) -> Postgresql:
    """Make the files of a new server outside any private folder; raises CommandError."""
    found = programs()
    # a path that the server's user can reach: a run's own folder is closed to it
    server = Postgresql(found, Path(tempfile.mkdtemp(prefix="petroroad-postgresql-")), port)
    if _is_root():
        shutil.chown(server.folder, SERVER_USER)
    argv = [str(found / "initdb"), "-D", str(server.folder / "data"), "-A", "trust", "-U", USER, "-E", "UTF8"]
    try:
        await asyncio.to_thread(
            subprocess.run, [*argv, "--no-sync"], check=True, capture_output=True, text=True,
            cwd=server.folder, user=SERVER_USER if _is_root() else None,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        server.release()
        raise CommandError(f"initdb: {error.stderr.strip().splitlines()[-1:] or error.returncode}") from error
    return server


def _is_root() -> bool:
    return os.geteuid() == 0
