"""A client that hears all batches and acknowledgements, and says them again in another order."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec
import numpy as np

from edge import topics
from edge.link import Link, LinkSettings
from petroroad.chaos.checker import UNREADABLE
from petroroad.chaos.waiting import until

HEARD_MAX = 20_000  # messages; a run has some thousands
FRESH_NS = 500_000_000  # since its detection: its recording's chunk may still be open
REPEAT_S = 2.0  # for one
Said = tuple[str, bytes]


class Spy:
    """Run its `links` beside it. Each message is repeated once."""

    def __init__(
        self,
        settings: LinkSettings,
        now_ns: Callable[[], int],
        voices: Mapping[str, LinkSettings] = MappingProxyType({}),
    ) -> None:
        """`now_ns()`: the clock by which RSUs stamp.

        settings : of a part that may read all.  voices : by topic, of one that may publish there
        """
        self._now_ns = now_ns
        self._voices = {topic: Link(each) for topic, each in voices.items()}
        self.heard: list[Said] = []
        self.n_repeated = 0
        self._repeats: set[Said] = set()  # ours, which come back to us
        self._n_done = 0
        self._news: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.link = Link(
            settings,
            subscriptions=[(topics.violation_up("+"), 1), (topics.violation_ack("+"), 1)],
            on_message=self._hear,
        )

    @property
    def links(self) -> tuple[Link, ...]:
        return self.link, *self._voices.values()

    def _hear(self, topic: str, payload: bytes, _retained: bool) -> None:
        if (topic, payload) in self._repeats:
            return
        if self._is_news(payload):
            self._news[topic].set()
        if len(self.heard) < HEARD_MAX:
            self.heard.append((topic, payload))

    def _is_news(self, payload: bytes) -> bool:
        """Say whether these are an acknowledgement or a violation of this moment: no noise, no backlog."""
        try:
            message = msgspec.msgpack.decode(payload)
            if message.get("stored"):
                return True
            detected_ns = max(item.get("detected_ns") or 0 for item in message.get("items", ()))
            return bool(self._now_ns() - detected_ns < FRESH_NS)
        except (*UNREADABLE, AttributeError):
            return False

    async def until(self, topic: str, seconds: float) -> None:
        """Return at the next news under that topic, after `seconds` at the latest."""
        self._news[topic].clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news[topic].wait()

    async def repeat(self, chance: np.random.Generator) -> None:
        """Say again, in random order, what was heard since the last time."""
        fresh, self._n_done = self.heard[self._n_done :], len(self.heard)
        for i in chance.permutation(len(fresh)).tolist():
            topic, payload = fresh[i]
            self._repeats.add((topic, payload))
            voice = self._voices.get(topic, self.link)
            if await until(partial(voice.publish, topic, payload), REPEAT_S):  # else the broker is away
                self.n_repeated += 1
