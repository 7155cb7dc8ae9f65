"""Which stamps of one signer on one topic were accepted: each counts once, whatever clocks do. Pure."""

RUNS_MAX = 16
SIGNER_RUNS_MAX = 32  # starts of the signer


class Accepted:
    """The stamps that were accepted.

    A signer names its run, a number that it draws at its start and where its clock is set back: within a run
    stamps grow, and each run is counted by itself, so that a new one needs not be newer than the last. Of
    more than SIGNER_RUNS_MAX the one that is furthest in the past is remembered as a span of stamps: no
    unknown run counts within it.

    The stamps of a signer of an earlier release, which names none, are spans: a gap that is longer than a
    message may be old ends one.

    A clock that was ahead and is set right since lets the newest stamp fall; what was accepted above it lies
    in runs of its own, so nothing of them counts again when the clock gets there. Of more than RUNS_MAX the
    two that lie closest become one. A stamp within a run is refused, also a new one: so a clock that was
    ahead all the time, and for longer than it was ahead by, is believed again once it gets beyond the run.
    """

    __slots__ = ("_gap_ns", "_newest_ns", "_newest_of", "_runs")

    def __init__(self, gap_ns: int) -> None:
        self._gap_ns, self._newest_ns = gap_ns, 0
        self._runs: list[tuple[int, int]] = []  # first and last, in order
        self._newest_of: dict[bytes, tuple[int, int]] = {}  # first and newest stamp of each run

    def is_repeated(self, stamp_ns: int, now_ns: int, run: bytes | None = None) -> bool:
        """Say whether a stamp may have been accepted before, or is older than one of its run that was."""
        if run is not None:
            known = self._newest_of.get(run)
            return self._is_within(stamp_ns) if known is None else stamp_ns <= known[1]
        # a newest one that would be stale now is of a clock that was ahead, and is set right since
        if stamp_ns <= self._newest_ns <= now_ns + self._gap_ns:
            return True
        return self._is_within(stamp_ns)

    def add(self, stamp_ns: int, run: bytes | None = None) -> None:
        """Add a stamp that is not repeated."""
        if run is not None:
            self._newest_of[run] = self._newest_of.get(run, (stamp_ns, stamp_ns))[0], stamp_ns
            if len(self._newest_of) > SIGNER_RUNS_MAX:
                oldest = min(self._newest_of, key=lambda each: self._newest_of[each][1])
                self._add_span(*self._newest_of.pop(oldest))
            return
        self._newest_ns = stamp_ns
        at = sum(first <= stamp_ns for first, _ in self._runs)
        if at and stamp_ns - self._runs[at - 1][1] <= self._gap_ns:
            self._runs[at - 1] = self._runs[at - 1][0], max(stamp_ns, self._runs[at - 1][1])
            return
        self._add_span(stamp_ns, stamp_ns)

    def _is_within(self, stamp_ns: int) -> bool:
        return any(first <= stamp_ns <= last for first, last in self._runs)

    def _add_span(self, first_ns: int, last_ns: int) -> None:
        self._runs.append((first_ns, last_ns))
        self._runs.sort()
        if len(self._runs) > RUNS_MAX:
            near = min(range(RUNS_MAX), key=lambda i: self._runs[i + 1][0] - self._runs[i][1])
            self._runs[near : near + 2] = [(self._runs[near][0], self._runs[near + 1][1])]
