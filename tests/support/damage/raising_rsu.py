"""`petroroad rsu` that raises made-up violations at each SIGUSR1: `raising_rsu.py SITE ESN STATE RAISED`.

They take the way of real ones, through recording and outbox. RAISED is a file beside the state that gets the
bytes of each once the outbox has committed it: the record of what was promised.
"""

import sys
from pathlib import Path

import uvloop

from edge.clock import Clock
from edge.config import load_site
from geofence import violation as codec
from petroroad.commands.running import until_signal
from roadside import rsu
from roadside.outputs import Raised
from tests.support.damage.raised import episode, exiting_by_name, note, requests

N_EPISODES = 6  # at each signal


class RaisingService(rsu.RsuService):
    """An RSU's service that raises beside its pipeline."""

    raised: Path
    n = 0

    def background(self):
        return super().background() | {"raise": self._raise_when_asked()}

    async def _raise_when_asked(self) -> None:
        async for _ in requests():
            bodies = [body for _ in range(N_EPISODES) for body in self._raise()]
            await note(self.raised, self.agent.outbox, bodies)

    def _raise(self) -> list[bytes]:
        self.n += 1
        agent = self.agent
        found = episode(agent.esn, agent.outbox.epoch, self.n)
        for one in found:
            agent.last_ns = max(agent.clock.now_ns(), agent.last_ns + 1)
            agent._pass_on(Raised(one, codec.encode(one), None))
        return [codec.encode(one) for one in found]


def main(site_file: str, esn: str, state: str, raised: str) -> None:
    """Serve until SIGTERM."""
    RaisingService.raised = Path(raised)
    rsu.RsuService = RaisingService
    uvloop.run(until_signal(rsu.run(load_site(Path(site_file)), esn, Path(state), Clock.from_env())))


if __name__ == "__main__":
    with exiting_by_name():
        main(*sys.argv[1:])
