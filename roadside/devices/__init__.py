"""Codecs of devices, and the count by kind of the messages that they do not read."""

from collections import Counter

from edge.figures import OTHER

KINDS_MAX = 64  # of one family; a peer that invents kinds must not fill the status


def count_kind(counts: Counter[str], family: str, kind: str, n: int = 1) -> None:
    """Count n of `family.kind`; kinds beyond KINDS_MAX of a family are counted together."""
    reason = f"{family}.{kind}"
    if reason not in counts and _n_kinds(counts, family) >= KINDS_MAX:
        reason = f"{family}.{OTHER}"
    counts[reason] += n


def _n_kinds(counts: Counter[str], family: str) -> int:
    return sum(reason.startswith(f"{family}.") for reason in counts)
