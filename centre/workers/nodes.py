"""Whether each node of the cluster of brokers answers: with two of three away nothing is delivered.

nats-server has no answer for Prometheus, and a worker is connected to one node. So it asks each node itself.
"""

import asyncio
from collections.abc import Sequence

from edge.config import address_of

LOOK_S = 10.0
ANSWER_S = 3.0
GREETING = b"INFO "  # a node says it to whoever connects, before TLS


class NodeWatch:
    """Asks the nodes in turn.  up : whether each answered, by its address; empty before the first look"""

    def __init__(self, servers: Sequence[str]) -> None:
        self._servers = tuple(servers)
        self.up: dict[str, bool] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Ask all nodes once, at the same time."""
        found = await asyncio.gather(*(_answers(server) for server in self._servers))
        self.up = dict(zip(self._servers, found, strict=True))


async def _answers(server: str) -> bool:
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(*address_of(server))
            try:
                return (await reader.readexactly(len(GREETING))) == GREETING
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):  # off, frozen, or not a node
        return False
