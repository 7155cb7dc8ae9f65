"""`petroroad targets`: what Prometheus asks of a site, from its site file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core.errors import CommandError, UsageError
from edge.config import Site, address_of, is_address, is_loopback, load_site
from petroroad.commands.running import check_output


class Target(NamedTuple):
    """One process that answers /metrics."""

    address: str
    part: str
    unit: str


def targets(
    *, config: Path, broker: tuple[str, ...] = (), worker: tuple[str, ...] = (), out: Path | None = None
) -> None:
    """Write the addresses of a site's `health` as a file for Prometheus' `file_sd_configs`.

    Parameters
    ----------
    config
        The site file.
    broker
        HOST:PORT of the `--health` of a `petroroad broker`; it is in no site file. NAME=HOST:PORT names it.
    worker
        The same of a `petroroad centre worker`; NAME=HOST:PORT names it in alerts.
    out
        The file; stdout unless given. Prometheus notices that it has changed.
    """
    if out is not None:
        check_output(out, config)
    found = list(targets_of(load_site(config)))
    for part, addresses in (("broker", broker), ("worker", worker)):
        for given in addresses:
            name, _, address = given.rpartition("=")
            if not is_address(address):
                raise UsageError(f"--{part} {given}: must be HOST:PORT or NAME=HOST:PORT")
            found.append(Target(address, part, name or part))
    text = json.dumps([_entry(target) for target in found], indent=1, ensure_ascii=False) + "\n"
    if out is None:
        print(text, end="")
        return
    beside = out.with_name(f"{out.name}.new")  # Prometheus must never read half of it
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        raise CommandError(f"{out}: {error}") from error


def targets_of(site: Site) -> Iterator[Target]:
    """Yield the processes of a site that answer; a centre without `health` does so at its page's address."""
    config = site.config
    for rsu in config.rsu:
        if rsu.health is not None:
            yield Target(rsu.health, "rsu", rsu.esn)
    if config.gateway is not None and config.gateway.health is not None:
        yield Target(config.gateway.health, "gateway", config.gateway.id)
    for centre in (config.centre, config.standby):
        if centre is None:
            continue
        if centre.health is not None or is_loopback(
            address_of(centre.http)[0]
        ):  # elsewhere nobody may read it
            yield Target(centre.health or centre.http, "centre", centre.id)


def _entry(target: Target) -> dict[str, object]:
    return {"targets": [target.address], "labels": {"part": target.part, "unit": target.unit}}
