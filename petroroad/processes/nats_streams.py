"""Keeps nats-server's MQTT streams in memory: nothing must depend on a broker, and its disk may fill.

Its MQTT part makes these streams on disk when the first client comes, and uses them as they are where they
exist. A stream on disk that once met a full one refuses every message of QoS 1 until the server is started
anew, whatever space there is then (measured with 2.15).
"""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError

# name: differences from the other streams; subjects and limits as nats-server makes them itself
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
# the only user of the server's port for NATS clients; the password is drawn anew at each start
SETUP_USER, PASSWORD_FILE = "petroroad-setup", "setup.password"
CONNECT_S, POLL_S = 5.0, 0.02
IN_USE = 10_058  # its error code for a stream of this name that is made otherwise


class StreamsError(Exception):
    """The server does not make the streams."""


async def make(folder: Path, pid: int) -> None:
    """Make the streams of the server that wrote its ports into folder; StreamsError where it does not.

    One that exists is left alone: a client was faster, and its sessions use it.
    """
    try:
        async with asyncio.timeout(CONNECT_S):
            url = await _client_url(folder / f"nats-server_{pid}.ports")
            password = (folder / PASSWORD_FILE).read_text(encoding="ascii")
            client = await nats.connect(
                url,
                user=SETUP_USER,
                password=password,
                allow_reconnect=False,
                error_cb=_told_by_the_caller,
            )
            try:
                for name in STREAMS:
                    await _make(client, name)
            finally:
                await client.close()
    except (OSError, TimeoutError, ValueError, KeyError, IndexError, NatsError) as error:
        raise StreamsError(f"nats-server makes no streams: {error!r}") from error


async def _told_by_the_caller(error: Exception) -> None:
    """Errors are raised where they are awaited; the library would log them as well."""


async def _client_url(ports: Path) -> str:
    """Return the address for NATS clients, which the server writes once it listens."""
    while True:
        url = _written_url(ports)
        if url is not None:
            return url
        await asyncio.sleep(POLL_S)


def _written_url(ports: Path) -> str | None:
    with contextlib.suppress(FileNotFoundError, ValueError):  # not yet, or not yet whole
        return str(json.loads(ports.read_bytes())["nats"][0])
    return None


async def _make(client: Client, name: str) -> None:
    wanted = {"retention": "limits", "discard": "old", "num_replicas": 1} | STREAMS[name]
    body = json.dumps(wanted | {"name": name, "storage": "memory"}).encode()
    answer = json.loads((await client.request(f"$JS.API.STREAM.CREATE.{name}", body, timeout=CONNECT_S)).data)
    if answer.get("error", {}).get("err_code", 0) not in (0, IN_USE):
        raise ValueError(answer["error"].get("description", "an error without a word"))
