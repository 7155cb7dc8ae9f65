"""`petroroad broker`: the embedded MQTT broker by itself."""

import sys
from pathlib import Path

import uvloop

from core.errors import CommandError, UsageError
from edge.config import address_of, is_address, load_site
from petroroad.commands.running import until_signal
from petroroad.processes.broker import BrokerMissingError, Kind, start_broker
from petroroad.processes.children import ChildError, NotReadyError


def broker(
    *,
    config: Path | None = None,
    listen: str = "127.0.0.1:1883",
    kind: Kind = "nats",
    state: Path = Path("broker"),
) -> None:
    """Serve MQTT 3.1.1 until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        A site file, which then says address and kind: `[mqtt]`.
    listen
        HOST:PORT.
    kind
        nats (from its wheel) or mosquitto (if installed).
    state
        Directory of the broker's configuration, store and log.
    """
    if config is not None:
        mqtt = load_site(config).config.mqtt
        listen, kind = (mqtt.brokers or (listen,))[0], mqtt.embedded
    if not is_address(listen):
        raise UsageError(f"--listen {listen}: must be HOST:PORT")
    uvloop.run(until_signal(_serve(kind, state, *address_of(listen))))


async def _serve(kind: Kind, state: Path, host: str, port: int) -> None:
    try:
        child = await start_broker(kind, state, host, port)
    except (BrokerMissingError, ChildError, NotReadyError, OSError) as error:
        raise CommandError(str(error)) from error
    if sys.stderr.isatty():
        sys.stderr.write(f"{kind} serves MQTT on {host}:{port}; its log: {child.spec.log}\n")
    try:
        raise CommandError(str(await child.died()))
    finally:
        await child.stop(1.5)
