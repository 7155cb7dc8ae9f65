"""How long a silent terminal counts as live, by its usual rhythm. Pure; times are monotonic [s]."""

SILENT_S = 30.0  # a terminal that reported nothing for so long is not live
SILENT_PERIODS = 3.0  # nor one that missed so many of its usual reports
SILENT_S_MIN = 3.0
WINDOW_S = 60.0  # the longest gap between reports within this time and the one before is the usual one
GAPS_MIN = 4  # before, nobody knows the rhythm


class Rhythm:
    """The reports of one connection.

    Reports of an event, or those of a blind area, follow each other at once: a short gap says nothing of the
    rhythm, so the longest one of the last minutes counts.
    """

    __slots__ = ("_before_s", "_began_s", "_longest_s", "_n_gaps", "reported_s")

    def __init__(self) -> None:
        self.reported_s: float | None = None  # the last report
        self._began_s = self._before_s = self._longest_s = (
            0.0  # of the window, of the one before, of this one
        )
        self._n_gaps = 0

    def note(self, now_s: float) -> None:
        """Note a report."""
        if self.reported_s is None:
            self._began_s = now_s
        else:
            if now_s - self._began_s > WINDOW_S:
                self._before_s, self._longest_s, self._began_s = self._longest_s, 0.0, now_s
            self._longest_s = max(self._longest_s, now_s - self.reported_s)
            self._n_gaps += 1
        self.reported_s = now_s

    def hold_s(self) -> float:
        """Return for how long after its last report the terminal counts as live."""
        if self._n_gaps < GAPS_MIN:
            return SILENT_S
        usual_s = max(self._before_s, self._longest_s)
        return min(SILENT_S, max(SILENT_S_MIN, SILENT_PERIODS * usual_s))

    def is_live(self, now_s: float) -> bool:
        """Say whether the terminal still reports."""
        return self.reported_s is not None and now_s - self.reported_s <= self.hold_s()
