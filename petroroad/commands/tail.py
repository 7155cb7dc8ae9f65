"""`petroroad tail`: live messages from the broker, decoded."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import uvloop
from cyclopts import Parameter, validators

from core.errors import CommandError, UsageError
from edge.config import address_of, is_address, load_site
from edge.link import Link, LinkSettings, link_settings
from edge.tls_causes import words
from petroroad.commands.running import until_signal
from petroroad.operators import operator
from petroroad.show import plain

WIDTH = 400  # of a line without --json
QUEUE_MAX = 10_000
WAIT_S = 5.0  # for the broker


def tail(
    topic: str = "v2x/v1/#",
    /,
    *,
    config: Path | None = None,
    broker: str = "127.0.0.1:1883",
    count: Annotated[int, Parameter(validator=validators.Number(gte=1))] | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Print messages as they come, until SIGINT.

    Parameters
    ----------
    topic
        An MQTT filter (+ and #).
    config
        A site file, which then says how to reach the broker: `[mqtt]`.
    broker
        HOST:PORT.
    count
        End after so many messages.
    as_json
        One whole JSON object a line.
    """
    if not is_address(broker):
        raise UsageError(f"--broker {broker}: must be HOST:PORT")
    if not _is_filter(topic):
        raise UsageError(f"{topic!r} is no MQTT filter: + must be alone between slashes, # alone at the end")
    name = f"tail-{os.getpid()}"
    if config is not None:
        settings = link_settings(load_site(config).config.mqtt, name, str(config), operator())
    else:
        settings = LinkSettings(addresses=(address_of(broker),), client_id=name)
    uvloop.run(until_signal(_follow(settings, topic, count, as_json)))


def _is_filter(topic: str) -> bool:
    levels = topic.split("/")
    alone = all(level in ("+", "#") or not {"+", "#"}.intersection(level) for level in levels)
    return topic != "" and "\0" not in topic and alone and "#" not in levels[:-1]


async def _follow(settings: LinkSettings, topic: str, count: int | None, as_json: bool) -> None:
    """Print `count` messages (None: all)."""
    queue: asyncio.Queue[tuple[str, bytes, bool]] = asyncio.Queue(QUEUE_MAX)
    up = asyncio.Event()
    n_dropped = 0

    def show_message(name: str, body: bytes, retained: bool) -> None:
        nonlocal n_dropped
        try:
            queue.put_nowait((name, body, retained))
        except asyncio.QueueFull:  # a slow terminal must not hold up the link
            n_dropped += 1

    link = Link(settings, subscriptions=[(topic, 0)], on_message=show_message, on_up=up.set)
    serving = asyncio.create_task(link.run())
    try:
        try:
            async with asyncio.timeout(WAIT_S):
                await up.wait()
        except TimeoutError:
            addresses = ", ".join(f"{host}:{port}" for host, port in settings.addresses)
            why = "" if link.refused is None else f": {words(link.refused)}"
            raise CommandError(f"no broker answers at {addresses}{why}") from None
        n_printed = 0
        while count is None or n_printed < count:
            name, body, retained = await queue.get()
            sys.stdout.write(_line(name, plain(name, body), retained, as_json) + "\n")
            sys.stdout.flush()
            n_printed += 1
    except BrokenPipeError:  # the reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        serving.cancel()
        await asyncio.wait([serving])
        if n_dropped:
            sys.stderr.write(f"tail: {n_dropped} messages not shown, they came too fast\n")


def _line(topic: str, value: Any, retained: bool, as_json: bool) -> str:
    if as_json:
        return json.dumps({"topic": topic, "retained": retained, "message": value}, ensure_ascii=False)
    text = json.dumps(value, ensure_ascii=False)
    shown = text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
    return f"{topic}{' (retained)' if retained else ''}  {shown}"
