"""Publish rules to the RSUs of a site, and gather their answers from their statuses."""

import asyncio
import contextlib
import os
import time

import msgspec

from core.errors import CommandError
from edge import topics, wire
from edge.config import Site
from edge.config_down import ConfigDown
from edge.link import Link, link_settings
from edge.tls_causes import words
from petroroad.operators import operator

RETRY_S = 0.2  # until there is a connection
AGAIN_S = 3.0  # longer than between two heartbeats


async def publish_rules(
    site: Site, rules: str, wait_s: float, answers: dict[str, str], packed: bytes | None = None
) -> None:
    """Publish a text of rules, retained; fill in each RSU's answer: accepted, refused: why, or none yet.

    packed : a map, as edge.config_down packs it; None: that of now stays
    Raises CommandError where no broker took them.
    """
    esns = [rsu.esn for rsu in site.config.rsu]
    down = ConfigDown(seq=time.time_ns(), rules=rules, map=packed)  # grows from one publication to the next
    answered = asyncio.Event()

    def receive(name: str, body: bytes, _retained: bool) -> None:
        topic = topics.parse(name)
        answer = _answer_of(body, down.seq)
        if topic is not None and topic.name in esns and answer is not None:
            answers[topic.name] = answer
            if len(answers) == len(esns):
                answered.set()

    settings = link_settings(site.config.mqtt, f"rules-{os.getpid()}", site.where, operator())
    link = Link(settings, subscriptions=[(topics.status("+"), 1)], on_message=receive)
    serving = asyncio.create_task(link.run())
    is_sent = False
    try:
        async with asyncio.timeout(wait_s):
            while not answered.is_set():
                # again to those that have not answered: the same number changes nothing there
                sent = [
                    link.publish(topics.config_down(esn), wire.encode(down), qos=1, retain=True)
                    for esn in esns
                    if esn not in answers
                ]
                is_sent = is_sent or all(sent)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(answered.wait(), AGAIN_S if all(sent) else RETRY_S)
    except TimeoutError:
        if not is_sent:
            why = "" if link.refused is None else f": {words(link.refused)}"
            raise CommandError(f"no broker took the rules{why}") from None
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    for esn in esns:
        answers.setdefault(esn, "no answer yet")


def _answer_of(body: bytes, seq: int) -> str | None:
    """Return the answer to publication `seq` in a status, None where there is none yet."""
    try:
        answer = wire.decode_status(body).configured
    except (msgspec.DecodeError, ValueError):  # an RSU of another kind of software
        return None
    if answer is None or answer.seq != seq:
        return None
    return "accepted" if answer.refused is None else f"refused: {answer.refused}"
