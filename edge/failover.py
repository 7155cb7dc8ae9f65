"""Which broker's address a process uses: one beside which a centre serves, the first one where it may choose.

The broker of a dead centre may live: the link is up, and nothing is ever acknowledged. So after UNANSWERED_S
without an acknowledgement the other addresses are looked at, each with a short connection of its own, and the
link moves to one beside which a centre is seen to serve. Looking before moving means that a link never leaves
for nothing, and that two addresses without a centre are not changed for each other for ever.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from edge import topics
from edge.centre_status import CentreStatus, decode_centre_status
from edge.link import Link, LinkSettings

UNANSWERED_S = 10.0  # without an acknowledgement while something waits
LOOK_S = 5.0  # at one address: a centre's heartbeat comes each 2 s
LOOK_AGAIN_S = 10.0  # between two rounds over the others
FIRST_S_MIN, FIRST_S_MAX = 30.0, 600.0  # between two looks at the first address from another one
FLAP_S = 300.0  # the first was left again so soon after a return: it is looked at half as often
TURN_S = 0.5

# serves: a centre's live heartbeat.  unknown: a broker where no centre has a status (an older centre's).
# dead: the centres are offline or silent.  unreachable: no broker
Found = Literal["serves", "unknown", "dead", "unreachable"]


@dataclass(slots=True)
class Preference:
    """When to look at other addresses, and where to move. Pure; times are monotonic [s].

    n : number of addresses.  jitter : returns a random share, 0 to 1: many RSUs must not move at once
    """

    n: int
    jitter: Callable[[], float]
    _others_s: float = 0.0  # the next round over the others not before
    _first_s: float | None = None  # the next look at the first
    _every_s: float = field(default_factory=lambda: FIRST_S_MIN)
    _returned_s: float | None = None

    def to_look_at(self, at: int, unanswered_s: float, now_s: float) -> tuple[int, ...]:
        """Return the addresses to look at now, the preferred one first; at : the present one."""
        if at == 0:
            self._first_s = None
        elif self._first_s is None:
            self._first_s = now_s + self._spread(self._every_s)
        if unanswered_s >= UNANSWERED_S and now_s >= self._others_s:
            self._others_s = now_s + self._spread(LOOK_AGAIN_S)
            return tuple(i for i in range(self.n) if i != at)
        if self._first_s is not None and now_s >= self._first_s:
            self._first_s = now_s + self._spread(self._every_s)
            return (0,)
        return ()

    def choose(self, found: dict[int, Found], *, unanswered: bool, here_serves: bool) -> int | None:
        """Return where to move; None: stay.

        unanswered : we look because nobody acknowledges.  here_serves : a centre lives at the present address
        """
        for i, state in found.items():
            if state == "serves":
                return i
        if unanswered and not here_serves:
            return next((i for i, state in found.items() if state == "unknown"), None)
        return None

    def moved(self, to: int, now_s: float) -> None:
        """Note a move."""
        if to == 0:
            self._returned_s = now_s
        elif self._returned_s is not None:
            is_flapping = now_s - self._returned_s < FLAP_S
            self._every_s = min(2.0 * self._every_s, FIRST_S_MAX) if is_flapping else FIRST_S_MIN
            self._returned_s = None

    def _spread(self, seconds: float) -> float:
        return seconds * (1.0 + 0.2 * self.jitter())


@dataclass(slots=True)
class Failover:
    """Moves a link, and with it its followers, to a broker beside which a centre serves; `run` it.

    unanswered_s(now_s) : for how long what was sent has waited without an acknowledgement
    here_serves(now_s) : whether a centre is known to serve at the present address
    log(event, **facts) : writes a line for the operator
    is_old(status) : whether something newer of its centre is known: an old one shows no centre that serves
    """

    link: Link
    followers: Sequence[Link]
    unanswered_s: Callable[[float], float]
    here_serves: Callable[[float], bool]
    log: Callable[..., object] = lambda event, **facts: None
    counts: dict[str, int] = field(default_factory=dict)
    is_old: Callable[[CentreStatus], bool] = lambda _status: False

    async def run(self) -> None:
        """Look and move until cancelled; with one address there is nothing to do."""
        addresses = self.link.settings.addresses
        preference = Preference(len(addresses), lambda: int.from_bytes(os.urandom(2)) / 65_535)
        loop = asyncio.get_running_loop()
        while len(addresses) > 1:
            await asyncio.sleep(TURN_S)
            at, now_s = self.link.at, loop.time()
            if not self.link.connected:  # it tries all addresses itself
                continue
            unanswered = self.unanswered_s(now_s) >= UNANSWERED_S
            wanted = preference.to_look_at(at, self.unanswered_s(now_s), now_s)
            if not wanted:
                continue
            found = {i: await look(self.link.settings, addresses[i], self.is_old) for i in wanted}
            now_s = loop.time()
            still = unanswered and self.unanswered_s(now_s) >= UNANSWERED_S
            if (unanswered and not still) or self.link.at != at:  # answered meanwhile, or the link was lost
                continue
            to = preference.choose(found, unanswered=still, here_serves=self.here_serves(now_s))
            if to is not None:
                self._move(to, still, found)
                preference.moved(to, now_s)

    def _move(self, to: int, unanswered: bool, found: dict[int, Found]) -> None:
        self.counts["link.moved"] = self.counts.get("link.moved", 0) + 1
        host, port = self.link.settings.addresses[to]
        reason = "no acknowledgement" if unanswered else "the first address serves again"
        self.log("link.moved", to=f"{host}:{port}", why=reason, seen=found[to])
        for link in (self.link, *self.followers):
            link.move_to(to)


async def look(
    settings: LinkSettings,
    address: tuple[str, int],
    is_old: Callable[[CentreStatus], bool] = lambda _status: False,
) -> Found:
    """Return what is at an address, by a connection of its own that ends after LOOK_S at the latest."""
    reached = serves = said = False
    done = asyncio.Event()

    def receive(_topic: str, payload: bytes, retained: bool) -> None:
        nonlocal serves, said
        status = _status(payload)
        if status is None:
            return
        said = True
        if not retained and status.state == "online" and status.ready and not is_old(status):
            serves = True
            done.set()

    def reach() -> None:
        nonlocal reached
        reached = True

    link = Link(
        replace(settings, addresses=(address,), client_id=f"{settings.client_id}-p"),
        subscriptions=[(topics.centre_status("+"), 1)],
        on_message=receive,
        on_up=reach,
    )
    running = asyncio.create_task(link.run())
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await done.wait()
    finally:
        running.cancel()
        await asyncio.wait([running])
    if serves:
        return "serves"
    if not reached:
        return "unreachable"
    return "dead" if said else "unknown"


def _status(payload: bytes) -> CentreStatus | None:
    try:
        return decode_centre_status(payload)
    except (msgspec.DecodeError, ValueError):  # not ours
        return None
