"""The certificates of all parts that a site file names, in one go."""

from collections.abc import Sequence
from datetime import UTC, datetime

from edge.config import Site, address_of
from edge.identity import Identity
from edge.sections import SiteConfig
from petroroad.operators import USUAL
from petroroad.pki.authority import Authority, Written, parts

BROKER_NAME, WORKER_NAME = "broker", "w1"


def issue_all(
    authority: Authority, site: Site, hosts: Sequence[str], days: float
) -> tuple[list[Written], list[Identity]]:
    """Issue what RSUs, gateway, centre, broker and operator lack; return it, and the parts that had one.

    hosts : by which clients reach the broker, beside those in `[mqtt] brokers`
    With `[nats] servers` there is a broker for each of them, `nats-1` and so on, and a first worker.
    """
    config, now = site.config, datetime.now(UTC)
    wanted = [("rsu", rsu.esn) for rsu in config.rsu] + [("centre", config.centre.id)]
    if config.standby is not None:
        wanted.append(("centre", config.standby.id))
    if config.gateway is not None:
        wanted.append(("gateway", config.gateway.id))
    nodes = cluster_nodes(config)
    wanted += [("broker", name) for name in nodes or (BROKER_NAME,)] + [("operator", USUAL)]
    wanted += [("worker", WORKER_NAME)] if nodes else []
    reached = dict.fromkeys((*(address_of(address)[0] for address in config.mqtt.brokers), *hosts))
    written, kept = [], []
    for identity in parts(authority, wanted):
        if authority.index.current(identity, now) is not None:
            kept.append(identity)
            continue
        own = nodes.get(identity.name, ())
        served = tuple(dict.fromkeys((*own, *reached))) if identity.role == "broker" else ()
        written.append(authority.issue(identity, served, days))
    return written, kept


def cluster_nodes(config: SiteConfig) -> dict[str, tuple[str, ...]]:
    """Return the names of the cluster's nodes, and the host by which each is reached."""
    return {f"nats-{i}": (address_of(address)[0],) for i, address in enumerate(config.nats.servers, start=1)}
