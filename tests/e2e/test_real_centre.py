"""The stage of the browser paths ends, and says why, where its RSU fails; without broker or browser."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.support import real_centre as stage
from tests.support.real_centre import RealCentre

pytestmark = pytest.mark.e2e


class Rsu:
    """An RSU without a link: connects or not, and then fails or not."""

    yesterday = ()

    def __init__(self, *, connects: bool, fails: bool) -> None:
        self.began_ns, self._connects, self._fails = 0, connects, fails
        self.may_fail = asyncio.Event()

    async def run(self) -> None:
        if self._connects:
            self.began_ns = time.time_ns()
            await self.may_fail.wait()
        if self._fails:
            raise OSError("the link broke")
        await asyncio.Event().wait()

    async def fail(self) -> None:
        self.may_fail.set()

    async def deliver(self, *bodies: bytes) -> None:
        assert bodies == ()


class Parts(RealCentre):
    """The RSU alone."""

    def __init__(self, folder: Path, made: Rsu) -> None:
        super().__init__(folder, "nats", lambda _: None)
        self._made = made

    def wait(self) -> None:
        """Wait until they have ended by themselves."""
        self._thread.join(30.0)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        await self._serve_rsu(self._made)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fails", "why"),
    [(True, OSError), (False, TimeoutError)],  # a link that breaks, and one that never connects
)
def test_an_rsu_that_does_not_connect_is_an_error_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool, why: type[Exception]
) -> None:
    monkeypatch.setattr(stage, "GIVEN_UP_S", 0.5)
    parts = Parts(tmp_path, Rsu(connects=False, fails=fails))
    with pytest.raises(RuntimeError, match="do not start") as raised:
        parts.start()
    assert isinstance(raised.value.__cause__, why)
    parts.end()


def test_an_rsu_that_fails_later_is_an_error_of_the_end(tmp_path: Path) -> None:
    rsu = Rsu(connects=True, fails=True)
    parts = Parts(tmp_path, rsu)
    parts.start()
    parts.begin(rsu.fail())
    parts.wait()
    with pytest.raises(RuntimeError, match="a part failed") as raised:
        parts.end()
    assert isinstance(raised.value.__cause__, OSError)


def test_an_rsu_that_serves_ends_without_an_error(tmp_path: Path) -> None:
    parts = Parts(tmp_path, Rsu(connects=True, fails=False))
    parts.start()
    parts.end()
