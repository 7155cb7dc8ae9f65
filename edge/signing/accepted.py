"""Which stamps of one signer on one topic were accepted: each counts once, whatever clocks do. Pure."""

RUNS_MAX = 16


class Accepted:
    """The stamps that were accepted, as runs: a gap that is longer than a message may be old ends one.

    A clock that was ahead and is set right since lets the newest stamp fall; what was accepted above it lies
    in runs of its own, so nothing of them counts again when the clock gets there. Of more than RUNS_MAX the
    two that lie closest become one. A stamp within a run is refused, also a new one: so a clock that was
    ahead all the time, and for longer than it was ahead by, is believed again once it gets beyond the run.
    """

    __slots__ = ("_gap_ns", "_newest_ns", "_runs")

    def __init__(self, gap_ns: int) -> None:
        self._gap_ns, self._newest_ns = gap_ns, 0
        self._runs: list[tuple[int, int]] = []  # first and last, in order

    def is_repeated(self, stamp_ns: int, now_ns: int) -> bool:
        """Say whether a stamp may have been accepted before, or is older than one that was."""
        # a newest one that would be stale now is of a clock that was ahead, and is set right since
        if stamp_ns <= self._newest_ns <= now_ns + self._gap_ns:
            return True
        return any(first <= stamp_ns <= last for first, last in self._runs)

    def add(self, stamp_ns: int) -> None:
        """Add a stamp that is not repeated."""
        self._newest_ns = stamp_ns
        at = sum(first <= stamp_ns for first, _ in self._runs)
        if at and stamp_ns - self._runs[at - 1][1] <= self._gap_ns:
            self._runs[at - 1] = self._runs[at - 1][0], max(stamp_ns, self._runs[at - 1][1])
            return
        self._runs.insert(at, (stamp_ns, stamp_ns))
        if len(self._runs) > RUNS_MAX:
            near = min(range(RUNS_MAX), key=lambda i: self._runs[i + 1][0] - self._runs[i][1])
            self._runs[near : near + 2] = [(self._runs[near][0], self._runs[near + 1][1])]
