"""Whether the broker's program answers: the kernel accepts connections for a frozen one, too."""

import asyncio

ANSWER_S = 5.0
# MQTT 3.1.1 CONNECT of a client without a name; where TLS is wanted it is refused: an answer, too
CONNECT = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x0a\x00\x00"


async def answers(host: str, port: int) -> bool:
    """Say whether the program reacts to a client: by an answer, a refusal, or by hanging up."""
    try:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(CONNECT)
                await reader.read(1)
            except ConnectionError:  # it has hung up on us
                pass
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return True


class Probe:
    """Asks again and again.  n_answers : grows as long as it answers: the progress of the watchdog"""

    def __init__(self, host: str, port: int, every_s: float) -> None:
        self._host, self._port, self._every_s = host, port, every_s
        self.n_answers = 0

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            if await answers(self._host, self._port):
                self.n_answers += 1
            await asyncio.sleep(self._every_s)
