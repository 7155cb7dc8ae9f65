"""A cluster of nats-server on this machine's loopback, of the very files that `deploy/cluster` ships.

For tests and benchmarks: each node is a process, with TLS and the rights of the site's parts.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import CommandError
from edge.config import Site
from edge.rights import rights_of
from petroroad.pki import authority as pki
from petroroad.processes.access import nats_pins, nats_users
from petroroad.processes.broker import program, until_listening
from petroroad.processes.broker_security import accepted_keys, operators_of, workers_of
from petroroad.processes.children import Child, ChildSpec, start
from petroroad.processes.ports import kept_port

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "cluster"
N_NODES = 3
HOST = "localhost"  # the DNS name in the nodes' certificates: routes are checked by it


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one node: of NATS clients, MQTT and the other nodes."""

    clients: int
    mqtt: int
    routes: int


def keep_ports(held: contextlib.ExitStack) -> tuple[Ports, ...]:
    """Return free ports for all nodes, kept from other programs until `held` is closed."""
    return tuple(Ports(*(held.enter_context(kept_port()) for _ in range(3))) for _ in range(N_NODES))


def environment(folder: Path, n: int, ports: tuple[Ports, ...]) -> dict[str, str]:
    """Return the environment of node n (from 1): the shipped file's, with the folder and ports of here."""
    path = SHIPPED / f"node-{n}.env"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CommandError(f"{path}: a cluster needs the source tree: {error.strerror}") from error
    found = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    own = ports[n - 1]
    moved = {
        "NATS_LISTEN": f"127.0.0.1:{own.clients}",
        "NATS_MQTT": f"127.0.0.1:{own.mqtt}",
        "NATS_ROUTES": f"127.0.0.1:{own.routes}",
        "NATS_STORE": str(folder / f"store-{n}"),
    }
    moved |= {f"NATS_ROUTE_{i}": f"nats-route://{HOST}:{each.routes}" for i, each in enumerate(ports, 1)}
    assert moved.keys() <= found.keys(), "the shipped file has each of them"
    pki_moved = {
        key: value.replace("/etc/petroroad", str(folder)) for key, value in found.items() if "/pki/" in value
    }
    return found | pki_moved | moved


def write_files(folder: Path, site: Site) -> None:
    """Put the shipped configuration into `folder`, beside the rights and keys of the site's parts.

    folder : has the site's authority as `pki`
    """
    authority = pki.read(folder / "pki")
    rights = rights_of(site.config, operators_of(authority.index), workers_of(authority.index))
    shutil.copyfile(SHIPPED / "nats.conf", folder / "nats.conf")
    pki.write_whole(folder / "nats-users.conf", nats_users(rights, authority.site).encode(), 0o600)
    pki.write_whole(folder / "nats-pins.conf", nats_pins(accepted_keys(authority.index)).encode(), 0o600)


def node_spec(
    folder: Path, n: int, ports: tuple[Ports, ...], env: Mapping[str, str] | None = None
) -> ChildSpec:
    """Return how to start node n; `env` overrides its environment."""
    return ChildSpec(
        name=f"nats-{n}",
        argv=(program("nats"), "-c", str(folder / "nats.conf")),
        log=folder / f"nats-{n}.log",
        env=environment(folder, n, ports) | dict(env or {}),
    )


async def start_node(folder: Path, n: int, ports: tuple[Ports, ...]) -> Child:
    """Start node n and return once MQTT clients can connect; raises ChildError, NotReadyError.

    A node alone serves none: its MQTT streams need two of three. So all are started at once.
    """
    child = await start(node_spec(folder, n, ports))
    await until_listening(child, "127.0.0.1", ports[n - 1].mqtt)
    return child


async def start_cluster(folder: Path, ports: tuple[Ports, ...]) -> list[Child]:
    """Start all nodes; where one does not come up, none is left behind."""
    starting = [asyncio.create_task(start_node(folder, n, ports)) for n in range(1, N_NODES + 1)]
    done = await asyncio.gather(*starting, return_exceptions=True)
    children = [each for each in done if isinstance(each, Child)]
    for each in done:
        if isinstance(each, BaseException):
            await asyncio.gather(*(child.stop(1.0) for child in children))
            raise each
    return children
