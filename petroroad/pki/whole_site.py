"""The certificates of all parts that a site file names, in one go."""

from collections.abc import Sequence
from datetime import UTC, datetime

from edge.config import Site, address_of
from edge.identity import Identity
from petroroad.operators import USUAL
from petroroad.pki.authority import Authority, Written, parts

BROKER_NAME = "broker"


def issue_all(
    authority: Authority, site: Site, hosts: Sequence[str], days: float
) -> tuple[list[Written], list[Identity]]:
    """Issue what RSUs, gateway, centre, broker and operator lack; return it, and the parts that had one.

    hosts : by which clients reach the broker, beside those in `[mqtt] brokers`
    """
    config, now = site.config, datetime.now(UTC)
    wanted = [("rsu", rsu.esn) for rsu in config.rsu] + [("centre", config.centre.id)]
    if config.standby is not None:
        wanted.append(("centre", config.standby.id))
    if config.gateway is not None:
        wanted.append(("gateway", config.gateway.id))
    wanted += [("broker", BROKER_NAME), ("operator", USUAL)]
    reached = dict.fromkeys((*(address_of(address)[0] for address in config.mqtt.brokers), *hosts))
    written, kept = [], []
    for identity in parts(authority, wanted):
        if authority.index.current(identity, now) is not None:
            kept.append(identity)
            continue
        served = tuple(reached) if identity.role == "broker" else ()
        written.append(authority.issue(identity, served, days))
    return written, kept
