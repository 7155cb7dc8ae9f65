"""Publish rules to the RSUs of a site, and gather their answers from their statuses."""

import asyncio
import contextlib
import os
import time

import msgspec

from core.errors import CommandError
from core.times import NS
from edge import topics, wire
from edge.config import Site
from edge.config_down import ConfigAnswer, ConfigDown
from edge.link import Link, link_settings
from edge.tls_causes import words
from petroroad.operators import operator

RETRY_S = 0.2  # until there is a connection
AHEAD_NS = 60 * NS  # operators' clocks differ by less
SEQ_MAX = 2**63 - 1
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
    seqs = dict.fromkeys(esns, down.seq)  # of each its own: what one RSU says must not number the others'
    answered = asyncio.Event()

    def receive(name: str, body: bytes, _retained: bool) -> None:
        topic, answer = topics.parse(name), _answer_of(body)
        if topic is None or topic.name not in esns or answer is None:
            return
        seqs[topic.name] = beyond(seqs[topic.name], answer.seq, time.time_ns())
        if answer.seq == seqs[topic.name]:
            answers[topic.name] = "accepted" if answer.refused is None else f"refused: {answer.refused}"
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
                    link.publish(topics.config_down(esn), _numbered(down, seqs[esn]), qos=1, retain=True)
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


def beyond(seq: int, answered: int, now_ns: int) -> int:
    """Return the number of a publication to an RSU that has answered another one.

    Its own, but where that one was numbered by a clock that was ahead: the RSU reads none below it. One of
    just now is another operator's, and the newer one counts. The nanoseconds of its own tell it from another
    operator's above the same one.
    """
    is_ahead = answered > max(seq, now_ns + AHEAD_NS)
    return answered + 1 + seq % NS if is_ahead and answered < SEQ_MAX - NS else seq


def _numbered(down: ConfigDown, seq: int) -> bytes:
    return wire.encode(msgspec.structs.replace(down, seq=seq))


def _answer_of(body: bytes) -> ConfigAnswer | None:
    """Return an RSU's answer to the newest publication, None where its status has none."""
    try:
        return wire.decode_status(body).configured
    except (msgspec.DecodeError, ValueError):  # an RSU of another kind of software
        return None
