"""Texts for drivers: `command/down` to JT/T 808 0x8300, the terminal's answer to `command/up`. Pure.

Each command has an id and gets exactly one outcome, also when the terminal never answers.
"""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge.decoding import decoder

COMMANDS_WAITING_MAX = 1_000
COMMANDS_REMEMBERED_MAX = 4_096
ANSWER_WITHIN_NS = 10_000_000_000
_ACCEPTED = (0, 4)  # ok, alarm confirmed

Result = Literal["delivered", "refused", "not_connected", "no_answer", "unsupported", "overloaded"]
Send = Callable[[str, str], int | None]  # terminal, text -> serial number, None: not connected


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """`command/down` of a gateway."""

    id: Annotated[str, Meta(min_length=1, max_length=64)]
    kind: Annotated[str, Meta(max_length=32)] = "text"
    terminal: Annotated[str, Meta(max_length=64)] = ""
    text: Annotated[str, Meta(max_length=500)] = ""


class CommandOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """`command/up`: the outcome of one command."""

    id: str
    terminal: str
    outcome: Result
    stamp_ns: int


_decode = decoder(msgspec.msgpack.Decoder(Command))


class Commands:
    """The texts that were sent to drivers and have no answer yet."""

    def __init__(self, send: Send, counts: Counter[str]) -> None:
        self._send = send
        self._counts = counts
        self._waiting: dict[tuple[str, int], tuple[str, int]] = {}  # (terminal, serial) -> (id, deadline)
        self._seen: dict[str, None] = {}

    def execute(self, body: bytes, now_ns: int) -> list[CommandOutcome]:
        """Execute a `command/down`; a repeated id (QoS 1) is not sent again."""
        try:
            command = _decode(body)
        except msgspec.MsgspecError:  # nobody to answer: it may even lack an id
            self._counts["command.malformed"] += 1
            return []
        if command.id in self._seen:
            self._counts["command.duplicate"] += 1
            return []
        self._remember(command.id)
        if command.kind != "text":
            return [self._outcome(command.id, command.terminal, "unsupported", now_ns)]
        if len(self._waiting) >= COMMANDS_WAITING_MAX:
            return [self._outcome(command.id, command.terminal, "overloaded", now_ns)]
        seq = self._send(command.terminal, command.text)
        if seq is None:
            return [self._outcome(command.id, command.terminal, "not_connected", now_ns)]
        self._waiting[command.terminal, seq] = (command.id, now_ns + ANSWER_WITHIN_NS)
        return []

    def answered(self, terminal: str, seq: int, result: int, now_ns: int) -> list[CommandOutcome]:
        """Return the outcome of the command that a terminal answers."""
        found = self._waiting.pop((terminal, seq), None)
        if found is None:
            return []
        return [self._outcome(found[0], terminal, "delivered" if result in _ACCEPTED else "refused", now_ns)]

    def overdue(self, now_ns: int) -> list[CommandOutcome]:
        """Return the outcomes of the commands that waited too long for an answer."""
        late = [key for key, (_, deadline_ns) in self._waiting.items() if now_ns > deadline_ns]
        return [self._outcome(self._waiting.pop(key)[0], key[0], "no_answer", now_ns) for key in late]

    def _outcome(self, command_id: str, terminal: str, outcome: Result, now_ns: int) -> CommandOutcome:
        self._counts[f"command.{outcome}"] += 1
        return CommandOutcome(id=command_id, terminal=terminal, outcome=outcome, stamp_ns=now_ns)

    def _remember(self, command_id: str) -> None:
        self._seen[command_id] = None
        if len(self._seen) > COMMANDS_REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]
