"""Commands for terminals: `command/down` to JT/T 808, the terminals' answers to `command/up`. Pure.

A text for the driver (0x8300), or the site's zones as fences (0x8604).

Each command has an id and gets exactly one outcome, also when the terminal never answers.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from edge.gateway_command import Command, CommandOutcome, Result, decode_command

COMMANDS_WAITING_MAX = 1_000
COMMANDS_REMEMBERED_MAX = 4_096
ANSWER_WITHIN_NS = 10_000_000_000
_ACCEPTED = (0, 4)  # ok, alarm confirmed

Send = Callable[[str, str], int | None]  # terminal, text -> serial number, None: not connected
SetFences = Callable[[str], list[int] | None]  # terminal -> serial numbers, None: not connected


class Commands:
    """The commands that were sent to terminals and have no answer yet."""

    def __init__(self, send: Send, counts: Counter[str], set_fences: SetFences | None = None) -> None:
        """set_fences : None where there are no zones to send."""
        self._send, self._set_fences = send, set_fences
        self._counts = counts
        self._waiting: dict[tuple[str, int], tuple[str, int]] = {}  # (terminal, serial) -> (id, deadline)
        self._unanswered: dict[str, set[int]] = {}  # serial numbers of each command
        self._seen: dict[str, None] = {}

    def execute(self, body: bytes, now_ns: int) -> list[CommandOutcome]:
        """Execute a `command/down`; a repeated id (QoS 1) is not sent again."""
        try:
            command = decode_command(body)
        except msgspec.MsgspecError:  # nobody to answer: it may even lack an id
            self._counts["command.malformed"] += 1
            return []
        if command.id in self._seen:
            self._counts["command.duplicate"] += 1
            return []
        self._remember(command.id)
        if command.kind not in ("text", "fences") or (command.kind == "fences" and not self._set_fences):
            return [self._outcome(command.id, command.terminal, "unsupported", now_ns)]
        if len(self._waiting) >= COMMANDS_WAITING_MAX:
            return [self._outcome(command.id, command.terminal, "overloaded", now_ns)]
        seqs = self._sent(command)
        if seqs is None:
            return [self._outcome(command.id, command.terminal, "not_connected", now_ns)]
        self._unanswered[command.id] = set(seqs)
        for seq in seqs:
            self._waiting[command.terminal, seq] = (command.id, now_ns + ANSWER_WITHIN_NS)
        return []

    def _sent(self, command: Command) -> list[int] | None:
        """Send a command; return the serial numbers of its messages, None: not connected."""
        if command.kind == "fences" and self._set_fences is not None:
            return self._set_fences(command.terminal)
        seq = self._send(command.terminal, command.text)
        return None if seq is None else [seq]

    def answered(self, terminal: str, seq: int, result: int, now_ns: int) -> list[CommandOutcome]:
        """Return the outcome of the command that a terminal answers."""
        found = self._waiting.pop((terminal, seq), None)
        if found is None:
            return []
        command_id, others = found[0], self._unanswered.get(found[0], set())
        others.discard(seq)
        if result in _ACCEPTED and others:  # all its messages must be accepted
            return []
        self._forget(command_id, terminal)
        outcome: Result = "delivered" if result in _ACCEPTED else "refused"
        return [self._outcome(command_id, terminal, outcome, now_ns)]

    def overdue(self, now_ns: int) -> list[CommandOutcome]:
        """Return the outcomes of the commands that waited too long for an answer."""
        late = {of[0]: key[0] for key, of in self._waiting.items() if now_ns > of[1]}
        for command_id, terminal in late.items():
            self._forget(command_id, terminal)
        return [
            self._outcome(command_id, terminal, "no_answer", now_ns) for command_id, terminal in late.items()
        ]

    def _forget(self, command_id: str, terminal: str) -> None:
        """Wait no longer for the answers to a command."""
        for seq in self._unanswered.pop(command_id, ()):
            self._waiting.pop((terminal, seq), None)

    def _outcome(self, command_id: str, terminal: str, outcome: Result, now_ns: int) -> CommandOutcome:
        self._counts[f"command.{outcome}"] += 1
        return CommandOutcome(id=command_id, terminal=terminal, outcome=outcome, stamp_ns=now_ns)

    def _remember(self, command_id: str) -> None:
        self._seen[command_id] = None
        if len(self._seen) > COMMANDS_REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]
