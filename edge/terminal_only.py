"""An alarm that a terminal alone raised, as an RSU's status has it. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.decoding import Stamp

TERMINAL_ONLY_MAX = 16  # the newest ones, of one status


class TerminalOnly(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal's own alarm that no violation of ours agreed with when it was due."""

    terminal: Annotated[str, Meta(min_length=1, max_length=64)]
    kind: Annotated[str, Meta(min_length=1, max_length=32)]  # as counted: `alarms.KIND.terminal_only`
    at_ns: Stamp  # when it began


TerminalsOnly = Annotated[tuple[TerminalOnly, ...], Meta(max_length=TERMINAL_ONLY_MAX)]  # oldest first
