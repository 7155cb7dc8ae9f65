"""Let a gateway set the site's zones as fences in terminals, and gather what became of it."""

import asyncio
import os
import uuid

import msgspec

from core.errors import CommandError, ConfigError
from edge import topics
from edge.config import Site
from edge.gateway_command import Command, decode_outcome
from edge.link import Link, link_settings
from edge.tls_causes import words
from edge.wire import encode
from petroroad.operators import operator

AT_ONCE = 20  # terminals: a gateway waits for the answers to so many messages of each at a time
RETRY_S = 0.2  # until there is a connection


class Sending:
    """The commands of one call: by their ids, until the gateway says what became of each."""

    def __init__(self, gateway: str, outcomes: dict[str, str]) -> None:
        self._gateway, self._outcomes = gateway, outcomes
        self._waiting: dict[str, str] = {}  # id of the command -> terminal
        self.answered = asyncio.Event()

    def begin(self, terminals: list[str]) -> list[Command]:
        """Return the commands for these terminals, and wait for their outcomes from now on."""
        self._waiting = {str(uuid.uuid4()): terminal for terminal in terminals}
        self.answered.clear()
        return [Command(id=key, kind="fences", terminal=terminal) for key, terminal in self._waiting.items()]

    def receive(self, name: str, body: bytes, _retained: bool) -> None:
        """Receive a gateway's `command/up`."""
        topic = topics.parse(name)
        try:
            outcome = decode_outcome(body)
        except (msgspec.DecodeError, ValueError):  # a gateway of another kind of software
            return
        if topic is None or topic.name != self._gateway or outcome.id not in self._waiting:
            return
        self._outcomes[self._waiting.pop(outcome.id)] = outcome.outcome
        if not self._waiting:
            self.answered.set()


async def send_fences(site: Site, terminals: list[str], wait_s: float, outcomes: dict[str, str]) -> None:
    """Send the command `fences` for each terminal; fill in its outcome, or "no answer of the gateway".

    wait_s : for a group of terminals.  Raises ConfigError where the site has no gateway, and CommandError
    where no broker took a command
    """
    if site.config.gateway is None:
        raise ConfigError(site.where, "gateway", "the site has no [gateway]")
    gateway = site.config.gateway.id
    sending = Sending(gateway, outcomes)
    settings = link_settings(site.config.mqtt, f"fences-{os.getpid()}", site.where, operator())
    link = Link(settings, subscriptions=[(topics.gateway_command_up(gateway), 1)], on_message=sending.receive)
    serving = asyncio.create_task(link.run())
    try:
        for at in range(0, len(terminals), AT_ONCE):
            commands = sending.begin(terminals[at : at + AT_ONCE])
            await _send_group(link, gateway, commands, sending.answered, wait_s)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    for terminal in terminals:
        outcomes.setdefault(terminal, "no answer of the gateway")


async def _send_group(
    link: Link, gateway: str, commands: list[Command], answered: asyncio.Event, wait_s: float
) -> None:
    unsent = commands
    try:
        async with asyncio.timeout(wait_s):
            while unsent:
                topic = topics.gateway_command_down(gateway)
                unsent = [each for each in unsent if not link.publish(topic, encode(each), qos=1)]
                if unsent:
                    await asyncio.sleep(RETRY_S)
            await answered.wait()
    except TimeoutError:
        if unsent:
            why = "" if link.refused is None else f": {words(link.refused)}"
            raise CommandError(f"no broker took the command{why}") from None
