"""Real disks for tests: a small tmpfs that can be filled, made read-only and made larger."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest


class SmallDisk:
    """One mounted tmpfs."""

    def __init__(self, folder: Path, size: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))

    def remount(self, options: str) -> None:
        """Change the mount, such as `ro`, `rw` or `size=9m`."""
        self._run("mount", "-o", f"remount,{options}", str(self.folder))

    def fill(self) -> Path:
        """Fill the disk to the last byte; the file that does so is returned."""
        filler = self.folder / "filler"
        with contextlib.suppress(OSError), filler.open("ab", buffering=0) as file:
            for size in (65_536, 4_096, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass
        return filler

    def umount(self) -> None:
        """Remove it."""
        self._run("umount", str(self.folder))

    @staticmethod
    def _run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "3m"):
    """A small disk; who may not mount one skips the test, whom root's mount fails fails."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a tmpfs")
    disk = SmallDisk(folder, size)
    try:
        yield disk
    finally:
        disk.umount()
