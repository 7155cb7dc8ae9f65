"""Builds what the centre says outward, and connects it to the topics of the gateway."""

from collections.abc import Callable

from centre.broker import BrokerLink
from centre.database import Database
from centre.ingest import Ingest
from centre.outreach.drivers import Drivers
from centre.outreach.sender import Sender
from centre.writer import Writer
from edge import topics
from edge.config import Site
from edge.log import Logger
from edge.subscriptions import Subscription


def build_outreach(
    site: Site, database: Database, writer: Writer, ingest: Ingest, broker: BrokerLink,
    now_ns: Callable[[], int], log: Logger,
) -> tuple[Drivers, Sender]:  # fmt: skip
    """Return the warnings of drivers, and the events for other platforms."""
    gateway = site.config.gateway
    drivers = Drivers(None if gateway is None else gateway.id, database, writer, broker.publish, now_ns)
    ingest.add(Subscription(topics.gateway_command_up("+"), 1, drivers.receive))
    sender = Sender(
        site=site, database=database, writer=writer, now_ns=now_ns, log=log,
        publish=broker.publish_confirmed, topic=topics.alarm_up(site.config.centre.id),
    )  # fmt: skip
    return drivers, sender
