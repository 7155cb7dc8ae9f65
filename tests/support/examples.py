"""How many examples of a property a run tries: few, and six times as many with `--long`."""

from hypothesis import settings

LONG_TIMES = 6


def examples(n: int) -> int:
    """Return n, or more of them with `--long`: for properties whose examples are dear, or need many."""
    return n * LONG_TIMES if settings.get_current_profile_name() == "long" else n
