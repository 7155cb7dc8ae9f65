"""A run as a recording (docs/design.md section 6): of the whole site, or as its only RSU would record it."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from edge.recording.recorder import Recorder
from tests.support.foreign.generate import T0_NS, Message, Run

EPOCH = 1
GATEWAY = "FGW"
FEED_NS = 1_000_000_000  # a gateway speaks at least this often


def record(run: Run, path: Path, *, through_gateway: bool = False) -> None:
    """Write the site, the start, all messages in order of arrival, the stop.

    through_gateway : the recording of the only RSU of its site; fixes come as a gateway's messages
    """
    encode = msgspec.msgpack.Encoder().encode
    last_ns = T0_NS - 3
    site: dict[str, Any] = dict(run.site)
    messages: Sequence[Message] = run.messages
    if through_gateway:
        assert run.motion.road.plan.n_rsus == 1, "a neighbour's handovers would be missing"
        site["esn"] = "FR0"
        messages = _by_gateway(run.messages)
    with Recorder(path) as recorder:

        def write(topic: str, payload: object, arrival_ns: int, stamp_ns: int) -> None:
            nonlocal last_ns
            last_ns = max(arrival_ns, last_ns + 1)
            recorder.write(topic, encode(payload), last_ns, stamp_ns)

        write("/site", site, T0_NS - 2, T0_NS - 2)
        write("/input", {"type": "start", "epoch": EPOCH}, T0_NS - 1, T0_NS - 1)
        for message in messages:
            write(message.topic, message.payload, message.arrival_ns, message.stamp_ns)
        write("/input", {"type": "stop"}, last_ns, last_ns + 1)
    if recorder.refused is not None:
        raise recorder.refused


def _by_gateway(messages: Sequence[Message]) -> list[Message]:
    """Return the messages with each fix in a gateway's message, and the empty ones between them."""
    ticks = range(T0_NS, messages[-1].arrival_ns, FEED_NS)
    feed = [Message(arrival_ns=at_ns, topic="/gnss", stamp_ns=at_ns, payload={}) for at_ns in ticks]
    seq, topic = count(1), f"/gateway/{GATEWAY}"
    out = []
    for message in sorted([*messages, *feed], key=lambda message: message.arrival_ns):
        if message.topic == "/gnss":
            columns = {name: [value] for name, value in message.payload.items()}
            payload = {"gateway": GATEWAY, "epoch": EPOCH, "seq": next(seq), "fixes": columns}
            out.append(replace(message, topic=topic, payload=payload))
        else:
            out.append(message)
    return out
