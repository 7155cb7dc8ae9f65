"""The messages of a recording as blocks of inputs, and what is found beside them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import CommandError
from core.times import STAMP_NS_MAX, STAMP_NS_MIN
from edge.recording.chain import Readings, read_chain
from edge.recording.recorder import Recorded
from edge.schemas import SCHEMAS, kind_of
from geofence.map.frames import SiteFrame
from roadside.arrivals import Block, Routes, blocks_of

JUMP_NS = 86_400 * 10**9  # a replay ticks through every pause; a longer one is a damaged time
CHANNELS = frozenset({*(name.partition(".")[0] for name in SCHEMAS), "config", "input", "state"})


@dataclass(slots=True)
class Found:
    """What a reading found beside the inputs; complete once all was read."""

    recorded: dict[str, list[bytes]] = field(default_factory=dict)  # the live RSUs' violations by esn
    reading: Readings = field(default_factory=Readings)  # the damages of the files
    skipped: Counter[str] = field(default_factory=Counter)  # messages of channels that are none of ours
    unread: Counter[str] = field(default_factory=Counter)  # inputs that can't be read
    observations: int = 0


@dataclass(slots=True)
class Source:
    """The files of one recording, to be read once."""

    paths: Sequence[Path]
    frame: SiteFrame
    routes: Callable[[Counter[str]], Routes]  # is called with what counts the inputs that go nowhere
    follows_config: bool  # False: rules that were published meanwhile are left out
    keeps_truth: bool  # as it is, to be copied
    begins_behind_state: bool  # what is before the first state is passed over: damage left it there
    found: Found = field(default_factory=Found)

    def blocks(self) -> Iterator[Block]:
        """Yield the messages in blocks."""
        messages = self._messages()
        if self.begins_behind_state:
            for message in messages:
                if message.topic.startswith("/state/"):
                    break
        found = self.found
        return blocks_of(messages, self.frame, self.routes(found.skipped), found.unread, self._keeps)

    def _keeps(self, topic: str) -> bool:
        return self.keeps_truth and kind_of(topic)[0] == "truth"

    def _messages(self) -> Iterator[Recorded]:
        """Yield the messages; keep the violations that the live RSU sent, count its observations."""
        found, last_ns, last_topic = self.found, 0, ""
        for message in read_chain(self.paths, found.reading):
            log_ns, topic = message.log_ns, message.topic
            if not STAMP_NS_MIN <= log_ns <= STAMP_NS_MAX:
                rule = f"the log time {log_ns} of a {topic} is no time of ours (2001 to 2096)"
                raise CommandError(f"{self._newest()}: {rule}")
            # a clock_step is logged by the new clock where it is live, by the old one where it marks a pause
            if last_ns and log_ns - last_ns > JUMP_NS and "/input" not in (topic, last_topic):
                hours = (log_ns - last_ns) / 3.6e12
                rule = f"log times jump by {hours:.0f} h at a {topic}, without a clock_step"
                raise CommandError(f"{self._newest()}: {rule}")
            last_ns, last_topic = log_ns, topic
            head, rest = kind_of(topic)
            if head == "violation":
                found.recorded.setdefault(rest, []).append(message.body)
            if head not in CHANNELS:
                found.skipped[topic] += 1
            found.observations += head in ("radar", "gnss", "gateway")
            if self.follows_config or head != "config":
                yield message

    def _newest(self) -> Path:
        """Return the file that is being read."""
        return next(reversed(self.found.reading.parts), self.paths[0])
