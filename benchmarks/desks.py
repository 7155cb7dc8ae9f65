"""How long one desk's act takes to the other, for `benchmarks.centre`: two programs at one worklist."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx

EVERY_S = 0.2
PATIENCE_S = 10.0
ACKNOWLEDGED = '"state":"acknowledged"'


async def act(
    address: str, other: AbstractAsyncContextManager[Any], took_ms: list[float], user_agent: str
) -> None:
    """Acknowledge one new alarm after the other until cancelled; append what each took [ms].

    other : the connection of the other desk to `/api/stream`, not open yet
    A time is from the request to the event at the other desk, with the commit in between.
    """
    headers = {"user-agent": user_agent}
    async with other as socket, httpx.AsyncClient(base_url=f"http://{address}", headers=headers) as http:
        done: set[str] = set()
        while True:
            items = (await http.get("/api/handling")).raise_for_status().json()["items"]
            fresh = [each["id"] for each in items if each["state"] == "new" and each["id"] not in done]
            for alarm_id in fresh[:20]:
                done.add(alarm_id)
                begun_s = time.perf_counter()
                path, body = f"/api/alarms/{alarm_id}/acts", {"act": "acknowledge"}
                answer = asyncio.create_task(http.post(path, json=body, timeout=PATIENCE_S))
                await asyncio.wait_for(_seen(socket, alarm_id), PATIENCE_S)
                took_ms.append(1e3 * (time.perf_counter() - begun_s))
                (await answer).raise_for_status()
                await asyncio.sleep(EVERY_S)
            await asyncio.sleep(EVERY_S)


async def _seen(socket: Any, alarm_id: str) -> None:
    """Read the stream until it has said that this alarm is acknowledged."""
    async for message in socket:
        text = str(message)
        at = text.find(f'"id":"{alarm_id}"')
        while at >= 0:
            if ACKNOWLEDGED in text[at : text.find("\n", at)]:
                return
            at = text.find(f'"id":"{alarm_id}"', at + 1)
