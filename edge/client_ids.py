"""The MQTT client ids of a site: a broker has one connection for each, so each is of one process. Pure."""

from collections.abc import Iterator

from core.errors import ConfigError
from edge.sections import SiteConfig


def check_client_ids(config: SiteConfig, where: str) -> None:
    """Raise ConfigError where two processes of the site would have one client id."""
    owners: dict[str, str] = {}
    for key, client_id in _client_ids(config):
        if client_id in owners:
            rule = f"makes the MQTT client id {client_id!r}, which {owners[client_id]} has: take another name"
            raise ConfigError(where, key, rule)
        owners[client_id] = key


def check_centres(config: SiteConfig, where: str) -> None:
    """Raise ConfigError where a second centre or the workers are asked for, and what they need is missing."""
    if config.centre.acks == 2 and config.standby is None:
        raise ConfigError(where, "centre.acks", "2 needs a second centre: add [standby]", 2)
    if config.centre.ingest == "workers":
        if not config.nats.servers:
            raise ConfigError(where, "nats.servers", "is missing: the workers pull from its queues")
        if config.centre.database.startswith("sqlite"):
            rule = "several workers can't write one SQLite file: it must be postgresql+psycopg://…"
            raise ConfigError(where, "centre.database", rule, config.centre.database)


def wanted_centres(config: SiteConfig) -> tuple[str, ...]:
    """Return the ids of the centres that must all acknowledge a violation; none: any one will do."""
    if config.centre.acks == 1 or config.standby is None:
        return ()
    return config.centre.id, config.standby.id


def _client_ids(config: SiteConfig) -> Iterator[tuple[str, str]]:
    """Yield the key of the site file and the client id of each connection."""
    centres = [("centre.id", config.centre.id)]
    if config.standby is not None:
        centres.append(("standby.id", config.standby.id))
    for key, name in centres:
        yield from ((key, name), (key, f"{name}-tracks"))
    if config.gateway is not None:
        yield "gateway.id", f"gateway-{config.gateway.id}"
    for i, rsu in enumerate(config.rsu):
        for tail in ("", "-t", "-p"):
            yield f"rsu[{i}].esn", f"rsu-{rsu.esn}{tail}"
