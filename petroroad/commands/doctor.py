"""`petroroad doctor`: faults that would keep this machine from serving."""

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from core.errors import CommandError, ConfigError
from edge.config import Site, load_site
from edge.site_map import road_of
from petroroad import numba_cache
from petroroad.doctor import checks
from petroroad.doctor.broker_checks import broker_checks
from petroroad.doctor.centre_checks import centre_checks
from petroroad.doctor.checks import Check
from petroroad.doctor.disk_checks import disk_checks
from petroroad.doctor.page_checks import page_checks
from petroroad.doctor.site_checks import site_checks
from petroroad.kernels import modules

SIGNS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def doctor(
    *,
    config: Path | None = None,
    state: Path = Path(),
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> None:
    """Check clocks, disks, ports, brokers, certificates, other parts, map, kernels; fails where one fails.

    Parameters
    ----------
    config
        The site file; without it only the machine is checked.
    state
        Directory that will hold outbox and recordings.
    as_json
        One JSON object on stdout.
    """
    found = [checks.clock(), *checks.disk(state), *checks.programs(), _kernels()]
    if config is not None:
        found += _site(config, state)
    failed = [check.name for check in found if check.level == "fail"]
    if as_json:
        print(json.dumps({"ok": not failed, "checks": [check._asdict() for check in found]}))
    else:
        for check in found:
            print(f"{SIGNS[check.level]}  {check.name:20} {check.detail}")
    if failed:
        raise CommandError(f"failed: {', '.join(failed)}")


def _site(path: Path, state: Path) -> list[Check]:
    try:
        site = load_site(path)
    except ConfigError as error:
        return [Check("config", "fail", str(error))]
    return [
        Check("config", "ok", f"{len(site.config.rsu)} RSUs, {len(site.vehicles)} vehicles"),
        *(Check("config.unapplied", "warn", setting) for setting in site.unapplied),
        *_map(site),
        *disk_checks(site, state),
        *checks.ports(site),
        *broker_checks(site),
        *centre_checks(site),
        *page_checks(site),
    ]


def _map(site: Site) -> list[Check]:
    try:
        road = road_of(site)
    except ConfigError as error:
        return [Check("map", "fail", str(error))]
    skipped = "".join(f"; not read: {name} ({n})" for name, n in road.skipped.items())
    facts = f"version {road.version}, {len(road.lanes)} lanes{skipped}"
    sound = Check("map", "warn" if skipped else "ok", facts)
    return [sound, *site_checks(site, road)]


def _kernels() -> Check:
    folder = numba_cache.prepare()
    compiled = {path.name.split(".")[0] for path in folder.rglob("*.nbi")}
    missing = [name for name in modules() if name.split(".")[-1] not in compiled]
    if missing:
        remedy = f"the first start lasts longer; {sys.executable} -m petroroad.kernels"
        return Check("kernels", "warn", f"not compiled: {', '.join(missing)}: {remedy}")
    return Check("kernels", "ok", f"compiled in {folder}")
