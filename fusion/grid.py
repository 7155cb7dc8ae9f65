"""A hashed grid over the site's plane: who lies near whom, without asking everybody."""

from fusion.kernel import INNER, kernel

CELL_M = 16.0
CELLS = 16_384  # a power of two; cells that share a place share a list


@kernel("i8(i8, i8)", **INNER)
def cell_of(a: int, b: int) -> int:
    """Return the place of column a, row b."""
    return (a * 73_856_093 ^ b * 19_349_663) & (CELLS - 1)
