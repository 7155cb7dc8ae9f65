"""Connections that never log in take no terminal's place, however many there are."""

import asyncio
from types import SimpleNamespace

import pytest

from roadside.gateway.terminals import ADDRESS_MAX
from tests.roadside.test_gateway_terminals import WAIT_S, serving

pytestmark = pytest.mark.anyio


class Made:
    """A connection without a socket."""

    def __init__(self, name: str, address: str, ended: list[str]) -> None:
        self.address, self.session, self._ended = address, SimpleNamespace(terminal=name), ended

    def abort(self) -> None:
        self._ended.append(self.session.terminal)


@pytest.mark.parametrize(
    "limits", [{"connections_max": 4}, {"address_max": 4}], ids=["all", "of one address"]
)
async def test_a_terminal_logs_in_beside_connections_that_never_do(limits) -> None:
    async with serving(login_s=WAIT_S, **limits) as (site, port):
        known = await site.truck().log_in(port)
        silent = [site.truck() for _ in range(8)]
        for truck in silent:
            await truck.connect(port)
        await site.truck("13900000002").log_in(port)
        for truck in silent[:5]:  # the oldest left for it and for each other
            assert await truck.hung_up()
        assert site.counts["connection.crowded"] >= 5
        assert site.server.n_terminals == 2
        assert not known.reader.at_eof()


async def test_only_who_has_not_logged_in_leaves_for_a_newcomer_and_the_oldest_first() -> None:
    ended = []
    async with serving(connections_max=3, address_max=2) as (site, _port):

        def newcomer(name: str, address: str) -> str | None:
            made = Made(name, address, ended)
            found = site.server.enter(made, address)
            if name.startswith("terminal"):
                site.server.joined(made)
            return found

        assert [newcomer(name, "10.0.0.1") for name in ("terminal 1", "a")] == [None, None]
        assert (newcomer("b", "10.0.0.1"), ended) == (None, ["a"])
        assert newcomer("c", "10.0.0.2") is None
        assert (newcomer("d", "10.0.0.3"), ended) == (None, ["a", "b"])
        assert (newcomer("terminal 2", "10.0.0.3"), ended) == (None, ["a", "b", "c"])
        assert (newcomer("terminal 3", "10.0.0.3"), ended) == (None, ["a", "b", "c", "d"])
        assert newcomer("e", "10.0.0.4") == "full"
        assert newcomer("f", "10.0.0.3") == "full"
        assert site.counts["connection.crowded"] == 4
        site.server.connections.clear()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("address", "address_max", "n_admitted"),
    [("10.0.0.5", None, ADDRESS_MAX), ("127.0.0.1", None, 100), ("127.0.0.1", 10, 10), ("10.0.0.5", 80, 80)],
)
async def test_connections_of_an_address_are_limited_as_the_site_says(address, address_max, n_admitted):
    """Programs of this machine, such as the simulator, have no limit unless the site sets one."""
    async with serving(address_max=address_max) as (site, _):
        reasons = []
        for n in range(100):
            made = Made(f"terminal {n}", address, [])
            reasons.append(site.server.enter(made, address))
            if reasons[-1] is None:
                site.server.joined(made)
        assert reasons.count(None) == n_admitted
        site.server.connections.clear()
