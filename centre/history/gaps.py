"""Where the history has nothing, and why. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from centre.history.file import Spell
from core.times import NS

SILENT_NS = 5 * NS // 2  # without a snapshot of an RSU that sends ten a second: a gap
PAUSE_NS = 15 * NS  # between two notes that the history is kept: a gap of all
SPELLS_MAX = 500  # of one answer


class Gap(NamedTuple):
    """A time without snapshots.  esn : of one RSU; None: of all"""

    from_ns: int
    to_ns: int
    reason: str
    esn: str | None = None


def pauses(kept: Iterable[Spell], from_ns: int, to_ns: int) -> list[Gap]:
    """Return the times in which no history was kept: the centre did not run."""
    gaps: list[Gap] = []
    at_ns = from_ns
    for spell in sorted(kept):
        if spell.to_ns <= at_ns:
            continue
        if spell.from_ns - at_ns > PAUSE_NS:
            gaps.append(Gap(at_ns, min(spell.from_ns, to_ns), "centre_off"))
        at_ns = spell.to_ns
        if at_ns >= to_ns:
            break
    if to_ns - at_ns > PAUSE_NS:
        gaps.append(Gap(at_ns, to_ns, "centre_off"))
    return gaps[:SPELLS_MAX]


def losses(lost: Iterable[Spell], from_ns: int, to_ns: int) -> list[Gap]:
    """Return the times of which something could not be kept, each with its reason."""
    found = [
        Gap(max(each.from_ns, from_ns), min(each.to_ns, to_ns), each.reason or "")
        for each in lost
        if each.to_ns >= from_ns and each.from_ns <= to_ns
    ]
    return found[:SPELLS_MAX]


def silences(
    stamps: Mapping[str, Sequence[int]],
    is_offline: Callable[[str, int, int], bool],
    known: Sequence[Gap],
    from_ns: int,
    to_ns: int,
) -> list[Gap]:
    """Return each RSU's times without a snapshot that no gap of all RSUs (`known`) explains.

    stamps : of each RSU's snapshots, ascending
    `is_offline(esn, from_ns, to_ns)`: whether an RSU's connection was down within a time
    """
    gaps: list[Gap] = []
    for esn, its in stamps.items():
        points = [from_ns, *its, to_ns]
        for a, b in pairwise(points):
            if b - a <= SILENT_NS or any(_explains(gap, a, b) for gap in known):
                continue
            reason = "rsu_offline" if is_offline(esn, a, b) else "no_data"
            gaps.append(Gap(a, b, reason, esn))
    return sorted(gaps)[:SPELLS_MAX]


def _explains(gap: Gap, from_ns: int, to_ns: int) -> bool:
    return gap.from_ns <= from_ns + SILENT_NS and to_ns - SILENT_NS <= gap.to_ns
