"""Who reaches the page, by which certificate, and who may sign in."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from centre import secrets
from centre.access import account_rows
from centre.access.page_tls import PageTls
from centre.database_file import path_of
from centre.security import door_of
from core.errors import ConfigError
from edge.config import Site, address_of, is_loopback
from edge.tls import EXPIRES_DAYS
from petroroad.doctor.checks import Check


def page_checks(site: Site) -> list[Check]:
    """Return how the centre's page is served, and whether anybody has an account."""
    config = site.config.centre
    remote = not is_loopback(address_of(config.http)[0])
    try:
        door = door_of(site)
    except ConfigError as error:
        return [Check("page", "fail", str(error))]
    checks = [_served(config.http, door.certificate), _accounts(site, remote=remote)]
    if remote and config.health is None:
        text = "health and metrics are served nowhere: beyond this machine they need [centre] health"
        checks.append(Check("page.health", "warn", text))
    return checks


def _served(http: str, certificate: PageTls | None) -> Check:
    if certificate is None:
        return Check("page", "ok", f"{http}, this machine only, without TLS")
    days, names = certificate.days_left(datetime.now(UTC)), ", ".join(sorted(certificate.names)) or "no host"
    text = f"{http} over TLS, the certificate is for {names}, valid for {days:.0f} days"
    level = "fail" if days <= 0.0 else "warn" if days < EXPIRES_DAYS else "ok"
    return Check("page", level, text)  # type: ignore[arg-type]  # one of the levels


def _accounts(site: Site, *, remote: bool) -> Check:
    """Look whether anybody can sign in; the database is only read, and none is made."""
    command = f"petroroad centre user add NAME --role administrator --config {site.where}"
    try:
        found = _active(site.config.centre.database)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        text = secrets.without(site.config.centre.database, str(error).splitlines()[0])
        return Check("page.accounts", "warn", f"not known: {secrets.as_written(site)}: {text}")
    if found:
        return Check("page.accounts", "ok", ", ".join(f"{n} {role}" for role, n in sorted(found.items())))
    if remote:
        return Check("page.accounts", "fail", f"nobody can sign in: {command}")
    return Check("page.accounts", "ok", f"none: whoever sits at this machine may do everything; {command}")


def _active(url: str) -> dict[str, int]:
    """Return how many active accounts there are of each role."""
    path = path_of(url)
    if path is not None and not path.exists():
        return {}
    engine = sa.create_engine(url)
    try:
        with engine.connect() as db:
            roles = [each.role for each in account_rows.accounts(db) if not each.disabled]
    finally:
        engine.dispose()
    return {role: roles.count(role) for role in set(roles)}
