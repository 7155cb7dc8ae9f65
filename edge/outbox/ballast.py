"""Disk space that is held in order to be given up when the disk is full: acknowledgements need it too."""

import os
from pathlib import Path


class Ballast:
    """One file of `n_bytes`."""

    def __init__(self, path: Path, n_bytes: int) -> None:
        self.path, self.n_bytes = path, n_bytes
        self.held = n_bytes == 0 or os.path.exists(path)

    def fill(self) -> None:
        """Reserve the space where there is room for four times as much; a full disk is no error."""
        if self.held:
            return
        try:
            room = os.statvfs(self.path.parent)
            if room.f_bavail * room.f_frsize < 4 * self.n_bytes:
                return
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.n_bytes)
                os.fchmod(file.fileno(), 0o600)
            self.held = True
        except OSError:
            self.free()

    def free(self) -> bool:
        """Give the space up; says whether there was any."""
        self.held = self.n_bytes == 0
        try:
            self.path.unlink()
        except OSError:  # freed before, or a read-only disk
            return False
        return True
