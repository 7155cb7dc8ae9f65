"""A kernel's signature is read from its annotations."""

from typing import Annotated, NamedTuple

import numpy as np
import pytest
from numba import types

from core.arrays import B1, F1, F2, F64, I32x1
from core.kernel import checked_once, kernel, numba_type, signature_of, unchecked


class Pair(NamedTuple):
    """Two arrays that travel as one argument."""

    X: F2
    n: I32x1


def sample(pair: Pair, i: int, dt_s: float, on: B1) -> tuple[float, int]:
    """Return something of each argument."""
    return pair.X[i, 0] * dt_s, pair.n[i] + int(on[0])


def scale(row: F1, by: float) -> None:
    """Multiply in place."""
    for a in range(row.shape[0]):
        row[a] *= by


def test_the_annotations_give_the_signature():
    signature = signature_of(sample)
    pair, i, dt_s, on = signature.args
    assert pair == types.NamedTuple(
        [types.Array(types.float64, 2, "C"), types.Array(types.int32, 1, "C")], Pair
    )
    assert (i, dt_s, on) == (types.int64, types.float64, types.Array(types.boolean, 1, "C"))
    assert signature.return_type == types.Tuple([types.float64, types.int64])


@pytest.mark.parametrize("hint", [F64, str, list[float], Annotated[int, 1] | None])
def test_an_annotation_that_no_kernel_can_take_is_an_error(hint):
    with pytest.raises(TypeError, match="no type that a kernel takes"):
        numba_type(hint)


@pytest.mark.parametrize("missing", ["row", "by", "return"])
def test_a_missing_annotation_is_named(missing):
    def bare(row: F1, by: float) -> None:
        row[0] = by

    del bare.__annotations__[missing]
    with pytest.raises(TypeError, match=rf"test_kernel.*bare.*no annotation of {missing}"):
        kernel(bare)


class Twins(NamedTuple):
    """Two arrays of one type: Numba has another type for these."""

    one: F1
    other: F1


def swap_first(pair: Twins) -> None:
    """Swap the first numbers."""
    first = pair.one[0]
    pair.one[0], pair.other[0] = pair.other[0], first


def test_a_named_tuple_of_equal_arrays_is_taken():
    pair = Twins(np.ones(2), np.zeros(2))
    kernel(cache=False)(swap_first)(pair)
    assert (pair.one.tolist(), pair.other.tolist()) == ([0.0, 1.0], [1.0, 0.0])


def test_the_unchecked_entry_does_the_same():
    compiled = kernel(cache=False)(swap_first)
    pair = Twins(np.ones(2), np.zeros(2))
    compiled(pair)
    unchecked(compiled)(pair)
    assert (pair.one.tolist(), pair.other.tolist()) == ([1.0, 1.0], [0.0, 0.0])


def test_a_kernel_refuses_other_types():
    compiled = kernel(cache=False)(scale)
    row = np.ones(3)
    compiled(row, 2.0)
    assert row.tolist() == [2.0, 2.0, 2.0]
    with pytest.raises(TypeError):
        compiled(row.astype(np.float32), 2.0)
    with pytest.raises(TypeError):
        compiled(np.ones((3, 2))[:, 0], 2.0)


def total(pair: Pair, row: F1, by: float) -> float:
    """Return a sum over all arguments."""
    return pair.X[0, 0] + pair.n[0] + row[0] * by


ROW = np.ones(2)
PAIR = Pair(np.ones((2, 2)), np.ones(2, dtype=np.int32))


@pytest.mark.parametrize(
    ("pair", "row", "name"),
    [
        (PAIR, np.ones(2, dtype=np.float32), "row"),  # another number
        (PAIR, np.ones((2, 2)), "row"),  # another rank
        (PAIR, np.ones(4)[::2], "row"),  # not in one piece
        (PAIR, [1.0], "row"),  # no array
        (Pair(np.ones((2, 2)), np.ones(2, dtype=np.int64)), ROW, "pair"),  # within a tuple
        ((PAIR.X, PAIR.n), ROW, "pair"),  # another tuple
    ],
)
def test_the_first_call_checks_what_the_others_trust(pair, row, name):
    entry = checked_once(kernel(total))
    with pytest.raises(TypeError, match=f"total: {name} is not of its type"):
        entry(pair, row, 2.0)
    for _ in range(2):  # the refused call was none
        assert entry(PAIR, ROW, 2) == 4.0
