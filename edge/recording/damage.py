"""The findings of a reading of a recording, beside its messages: damaged parts, and the messages lost."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

ENCODING = "msgpack"
NAMED_MAX = 100  # damages that are kept one by one; the rest is counted


@dataclass(slots=True)
class Damage:
    """One damaged part of a file."""

    part: str  # chunk, record, summary, magic
    at_byte: int
    from_ns: int | None = None  # log times between which messages are lost
    to_ns: int | None = None
    messages: int | None = None  # lost with it; None: the file doesn't say

    def text(self) -> str:
        """Return it in words for an operator."""
        where = f"{self.part} at byte {self.at_byte}"
        if self.messages == 0:
            return where
        lost = "messages" if self.messages is None else f"{self.messages} messages"
        begin, end = time_text(self.from_ns) or "the start", time_text(self.to_ns) or "the end"
        return f"{where}: {lost} between {begin} and {end}"


@dataclass(slots=True)
class Reading:
    """The findings beside the messages; complete once all messages were read."""

    cut: bool = False  # the file ends too early, as after a crash or while it is being written
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    damages: list[Damage] = field(default_factory=list)  # the first NAMED_MAX
    n_damages: int = 0
    damaged_chunks: int = 0
    n_messages: int = 0  # of all channels
    unknown_channel: int = 0  # messages of a channel that no sound part of the file names
    foreign: dict[str, int] = field(default_factory=dict)  # messages of another encoding, by channel
    stated: int | None = None  # how many messages the file's own statistics count

    @property
    def damaged(self) -> bool:
        """Say whether messages are lost, or may be, other than by a cut."""
        return bool(self.n_damages or self.unknown_channel or self.lost)

    @property
    def lost(self) -> int:
        """Return how many messages are lost, as far as the file says; those of unknown channels too."""
        if self.stated is not None:
            return max(0, self.stated - self.n_messages) + self.unknown_channel
        return sum(damage.messages or 0 for damage in self.damages) + self.unknown_channel

    @property
    def lost_is_least(self) -> bool:
        """Say whether more may be lost than `lost`."""
        unsure = any(damage.messages is None for damage in self.damages) or self.n_damages > NAMED_MAX
        return self.stated is None and unsure

    def add(self, damage: Damage) -> Damage:
        """Note one damage."""
        self.n_damages += 1
        self.damaged_chunks += damage.part == "chunk"
        if len(self.damages) < NAMED_MAX:
            self.damages.append(damage)
        return damage

    def share_lost(self) -> None:
        """Give the messages that only the file's statistics show as lost to the damage without a count."""
        unsure = [damage for damage in self.damages if damage.messages is None]
        if self.stated is None or not unsure or self.n_damages > NAMED_MAX:
            return
        rest = self.stated - self.n_messages - sum(damage.messages or 0 for damage in self.damages)
        if rest <= 0 or len(unsure) == 1:
            for damage in unsure:
                damage.messages = max(0, rest)

    def facts(self) -> dict[str, object]:
        """Return the losses as JSON values."""
        return {
            "cut": self.cut,
            "damaged_chunks": self.damaged_chunks,
            "messages_lost": self.lost,
            "messages_lost_is_least": self.lost_is_least,
            "unknown_channel": self.unknown_channel,
            "foreign": dict(sorted(self.foreign.items())),
            "damages": [
                {
                    "part": damage.part,
                    "at_byte": damage.at_byte,
                    "messages": damage.messages,
                    "from": time_text(damage.from_ns),
                    "to": time_text(damage.to_ns),
                }
                for damage in self.damages
            ],
        }

    def text(self) -> str:
        """Return the state of the file in a line."""
        found = ["cut off"] * self.cut
        if self.damaged:
            least = "at least " * self.lost_is_least
            found.append(f"damaged, {least}{self.lost} messages lost")
            found += [damage.text() for damage in self.damages[:3]]
            found += [f"{self.n_damages - 3} more damages"] * (self.n_damages > 3)
        if self.unknown_channel:
            found.append(f"{self.unknown_channel} messages of a channel that nothing names")
        if self.foreign:
            found.append(
                f"{sum(self.foreign.values())} messages not in {ENCODING}: {', '.join(self.foreign)}"
            )
        return "; ".join(found) or "whole"


def time_text(ns: int | None) -> str | None:
    """Return a log time as ISO 8601 in UTC; as the number where no calendar has it."""
    if ns is None:
        return None
    try:
        return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return str(ns)
