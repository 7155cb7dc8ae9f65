"""What `petroroad broker` shows to Prometheus of the broker's program, which has no such answer itself."""

import os
from pathlib import Path

from edge.exposition import Samples
from petroroad.processes.children import Child

TICKS_HZ = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class BrokerMetrics:
    """Follows the program through its starts."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._n_starts = 0
        self._ends_s: float | None = None

    def started(self, child: Child, certificate_ends_s: float | None = None) -> None:
        """Look at this child from now on; certificate_ends_s : of the one that it shows, in Unix time."""
        self._child, self._n_starts, self._ends_s = child, self._n_starts + 1, certificate_ends_s

    @property
    def runs(self) -> bool:
        return self._child is not None and self._child.running

    def samples(self) -> Samples:
        """Return the present values; those of a program that is just ending are left out."""
        found: dict[str, float] = {"broker_up": self.runs, "broker_starts_total": self._n_starts}
        if self._ends_s is not None:
            found["certificate_not_after_timestamp_seconds"] = self._ends_s
        if self._child is not None:
            found |= process_samples(self._child.process.pid)
        return found


def process_samples(pid: int) -> dict[str, float]:
    """Return CPU time, memory and open files of a process (proc(5)); nothing where it is gone."""
    folder = Path("/proc") / str(pid)
    try:
        fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        n_fds = len(os.listdir(folder / "fd"))
    except OSError:  # gone, or no Linux
        return {}
    return {
        "broker_cpu_seconds_total": (int(fields[11]) + int(fields[12])) / TICKS_HZ,
        "broker_resident_memory_bytes": int(fields[21]) * PAGE_BYTES,
        "broker_open_fds": n_fds,
    }
