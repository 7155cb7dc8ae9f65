"""What an RSU does about its centres, on a real broker."""

import asyncio
import time

import pytest

from tests.support.delivery import StubCentre, broker, rsu_end

pytestmark = pytest.mark.anyio


async def test_the_first_acknowledgement_after_a_silence_ends_the_back_off(tmp_path):
    async with broker(tmp_path / "broker") as port, rsu_end(tmp_path, port) as rsu:
        centre = StubCentre(port)
        await centre.start()
        rsu.put()
        await rsu.until_delivered()
        centre.mute = True  # its birth is not repeated: nothing else says that it is back
        rsu.put(5)
        await asyncio.sleep(3.5)  # sent at 0, 1 and 3 s; the next time were 7 s
        centre.mute = False
        begun_s = time.monotonic()
        rsu.put()  # a new one is sent at once
        await rsu.until_delivered()
        assert time.monotonic() - begun_s < 2.0
        assert rsu.counts["outbox.resumed"] == 1
        await centre.kill()
