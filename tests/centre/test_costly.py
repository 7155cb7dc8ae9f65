"""What costs much is read less often, and what costs little is always of this moment."""

import time

import pytest

from centre import costly
from centre.costly import Costly, timed

pytestmark = pytest.mark.anyio


class Clock:
    """A monotonic clock that stands until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(costly.time, "monotonic", lambda: self.now_s)


@pytest.mark.parametrize(("cost_s", "fresh_s"), [(0.001, 0.0), (0.02, 0.4), (0.5, 1.0)])
async def test_a_result_is_given_again_by_its_cost(
    monkeypatch: pytest.MonkeyPatch, cost_s: float, fresh_s: float
) -> None:
    clock, n_reads = Clock(monkeypatch), 0

    async def read() -> tuple[int, float]:
        nonlocal n_reads
        n_reads += 1
        return n_reads, cost_s

    figures = Costly(read)
    assert await figures.newest() == 1
    if fresh_s:
        clock.now_s = 100.0 + fresh_s - 0.01
        assert await figures.newest() == 1
    clock.now_s = 100.0 + fresh_s
    assert await figures.newest() == 2


async def test_what_fails_is_read_again_at_once() -> None:
    answers = [(1, 0.0), OSError("away"), (2, 9.0)]

    async def read() -> tuple[int, float]:
        found = answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    figures = Costly(read)
    assert await figures.newest() == 1
    with pytest.raises(OSError, match="away"):
        await figures.newest()
    assert await figures.newest() == await figures.newest() == 2


def test_the_cost_is_that_of_the_thread() -> None:
    """A wait costs nothing: a loaded machine makes no figure older."""

    def query(seconds: float) -> str:
        time.sleep(seconds)
        return "found"

    found, cost_s = timed(query)(0.05)
    assert found == "found"
    assert cost_s < 0.03
