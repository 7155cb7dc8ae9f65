"""A worker in a process of its own that kills itself before its first commit; no test itself.

`python -m tests.support.journey_worker_killed NATS_PORT FOLDER ACK_WAIT_S`
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from centre.writer import Writer
from edge import queues
from tests.centre.test_worker_queue import worker


async def main(port: int, folder: Path, ack_wait_s: float) -> None:
    queues.ACK_WAIT_S = ack_wait_s
    execute = Writer.execute

    async def die(self: Writer, *commands: Any) -> Any:
        if any(getattr(command, "versions", ()) for command in commands):
            os.kill(os.getpid(), signal.SIGKILL)
        return await execute(self, *commands)

    Writer.execute = die  # type: ignore[method-assign]
    async with worker(folder, SimpleNamespace(port=port)):
        await asyncio.sleep(20.0)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
