"""Keeps what nats-server stores for MQTT in memory: nothing must rest on a broker, and its disk may fill.

Its MQTT part makes these streams on disk when the first client comes, and takes them as they are where they
exist. A stream on disk that once met a full one refuses every message of QoS 1 until the server is started
anew, whatever space there is then (measured with 2.15).
"""

import asyncio
import json
from pathlib import Path
from typing import Any

# name: what differs from the other streams; subjects and limits as nats-server makes them itself
STREAMS: dict[str, dict[str, Any]] = {
    "$MQTT_msgs": {"subjects": ["$MQTT.msgs.>"], "retention": "interest"},
    "$MQTT_out": {"subjects": ["$MQTT.out.>"], "retention": "interest"},
    "$MQTT_rmsgs": {"subjects": ["$MQTT.rmsgs.>"], "max_msgs_per_subject": 1},
    "$MQTT_sess": {"subjects": ["$MQTT.sess.>"], "max_msgs_per_subject": 1},
    "$MQTT_qos2in": {
        "subjects": ["$MQTT.qos2.in.>"],
        "max_msgs_per_subject": 1,
        "discard": "new",
        "discard_new_per_subject": True,
    },
}
ANSWER_TO = "petroroad.made"
CONNECT_S, POLL_S = 5.0, 0.02
IN_USE = 10_058  # its error code for a stream of this name that is made otherwise


class StreamsError(Exception):
    """The server does not make the streams."""


async def make(folder: Path, pid: int) -> None:
    """Make the streams of the server that wrote its ports into folder; StreamsError where it does not.

    One that exists is left alone: a client was faster, and its sessions hang on it.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            host, port = await _client_address(folder / f"nats-server_{pid}.ports")
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await reader.readline()  # INFO
                writer.write(b'CONNECT {"verbose":false,"pedantic":false}\r\n')
                writer.write(f"SUB {ANSWER_TO} 1\r\n".encode())
                for name in STREAMS:
                    await _make(reader, writer, name)
            finally:
                writer.close()
    except (OSError, EOFError, TimeoutError, ValueError, KeyError, IndexError) as error:
        raise StreamsError(f"nats-server makes no streams: {error!r}") from error


async def _client_address(ports: Path) -> tuple[str, int]:
    """Return the address for NATS clients, which the server writes once it listens."""
    while True:
        found = _read(ports)
        if found is not None:
            return found
        await asyncio.sleep(POLL_S)


def _read(ports: Path) -> tuple[str, int] | None:
    try:
        first = json.loads(ports.read_bytes())["nats"][0]
    except (FileNotFoundError, ValueError):  # not yet, or not yet whole
        return None
    host, _, port = first.removeprefix("nats://").rpartition(":")
    return host.strip("[]"), int(port)


async def _make(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
    wanted = {"retention": "limits", "discard": "old", "num_replicas": 1} | STREAMS[name]
    body = json.dumps(wanted | {"name": name, "storage": "memory"}).encode()
    writer.write(f"PUB $JS.API.STREAM.CREATE.{name} {ANSWER_TO} {len(body)}\r\n".encode() + body + b"\r\n")
    line = b""
    while not line.startswith(b"MSG "):
        line = await reader.readline()
        if not line or line.startswith(b"-ERR"):
            raise ValueError(line.decode(errors="replace").strip() or "it hung up")
        if line.startswith(b"PING"):
            writer.write(b"PONG\r\n")
    answer = json.loads(await reader.readexactly(int(line.split()[-1])))
    await reader.readline()
    if answer.get("error", {}).get("err_code", 0) not in (0, IN_USE):
        raise ValueError(answer["error"].get("description", "an error without a word"))
