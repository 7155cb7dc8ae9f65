"""Checks of the brokers and certificates of a site: what would keep its parts from delivering."""

import asyncio
import glob
import re
import socket
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from core.errors import ConfigError
from edge.broker_ends import DAY_S, BrokerEnds
from edge.config import Site, address_of
from edge.identity import Role
from edge.rights import rights_of
from edge.tls import (
    EXPIRES_DAYS,
    Credentials,
    Holder,
    check_addresses,
    credentials,
    is_issued_by,
    is_loopback,
    is_secure,
    tls_paths,
)
from edge.tls_causes import why_refused, words
from petroroad.doctor.checks import Check
from petroroad.operators import operator

CONNECT_S = 2.0
ANY = "ANY0NAME"  # stands for a name in a path; neither re.escape nor glob.escape changes it


def broker_checks(site: Site) -> list[Check]:
    """Check the certificates that lie on this machine, then connect to each broker with one of them."""
    checks = [_security(site)]
    found: Credentials | None = None
    if is_secure(site.config.mqtt):
        for holder in holders_here(site):
            usable, check = _certificate(site, holder)
            checks.append(check)
            if holder.role != "broker":  # it serves, and connects to other brokers only
                found = found or usable
        if len(checks) == 1 and site.config.mqtt.cert_file is not None:
            checks.append(
                Check("certificate", "warn", "none of the parts has its certificate on this machine")
            )
    return [*_brokers(site, found), *checks]


def _security(site: Site) -> Check:
    """Check that brokers on the network are reached by TLS, and the files that all parts share."""
    mqtt, where = site.config.mqtt, site.where
    remote = [address for address in mqtt.brokers if not is_loopback(address_of(address)[0])]
    if not is_secure(mqtt):
        try:
            check_addresses(mqtt, [address_of(address)[0] for address in mqtt.brokers], where)
        except ConfigError as error:
            return Check("certificates", "fail", str(error))
        if remote:
            return Check("certificates", "warn", f"insecure = true: {', '.join(remote)} without TLS")
        return Check("certificates", "warn", "MQTT without TLS: only for one machine or a trial")
    paths = tls_paths(mqtt, where, None)
    try:
        ends = [] if paths.ca is None else [found.not_valid_after_utc for found in _authorities(paths.ca)]
        if paths.crl is not None:
            x509.load_pem_x509_crl(paths.crl.read_bytes())
    except (OSError, ValueError) as error:
        return Check("certificates", "fail", f"{where}: mqtt: {error}")
    days = min(((end - datetime.now(UTC)).total_seconds() / 86_400.0 for end in ends), default=float("inf"))
    if paths.crl is None:
        return Check("certificates", "warn", "no crl_file: a revoked broker would be believed")
    return _of_days("certificates", days, f"the authority is valid for {days:.0f} days")


def _authorities(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def holders_here(site: Site) -> Iterator[Holder]:
    """Yield the parts whose certificate lies on this machine; where all share one, the first part alone."""
    holders = [Holder(part.role, part.name) for part in rights_of(site.config, [operator().name])]
    holders += [*_named_here(site, "worker"), *_named_here(site, "broker")]
    seen: set[Path | None] = set()
    for holder in holders:
        path = tls_paths(site.config.mqtt, site.where, holder).certificate
        if path is None or path in seen:
            continue
        seen.add(path)
        if path.exists() or "{" not in str(site.config.mqtt.cert_file):
            yield holder


def _named_here(site: Site, role: Role) -> list[Holder]:
    """Return the parts of a role that the site file does not name, by their certificates on this machine."""
    if "{name}" not in str(site.config.mqtt.cert_file):
        return []
    pattern = str(tls_paths(site.config.mqtt, site.where, Holder(role, ANY)).certificate)
    form = re.escape(pattern).replace(ANY, "([A-Za-z0-9_-]+)", 1).replace(ANY, r"\1")
    found = (re.fullmatch(form, path) for path in sorted(glob.glob(glob.escape(pattern).replace(ANY, "*"))))
    return [Holder(role, match[1]) for match in found if match is not None]


def _certificate(site: Site, holder: Holder) -> tuple[Credentials | None, Check]:
    """Check one part's pair; return what connects with it, if anything."""
    name, shared = f"certificate.{holder.role}-{holder.name}", "{" not in str(site.config.mqtt.cert_file)
    try:
        found = credentials(site.config.mqtt, site.where, None if shared else holder)
        assert found is not None, "asked only of a site with TLS"
        if found.problem is not None:  # an RSU starts all the same, but it can't connect
            return None, Check(name, "fail", found.problem)
        paths, own = tls_paths(site.config.mqtt, site.where, holder), found.own
        if own is None or paths.certificate is None or paths.ca is None:
            return found, Check(name, "warn", "the site names no cert_file, or no ca_file")
        fault = _fault_of(paths.certificate, paths.ca, paths.crl)
    except (ConfigError, OSError, ValueError) as error:
        return None, Check(name, "fail", str(error))
    if fault is not None:
        return found, Check(name, "fail", f"{paths.certificate}: {fault}")
    if paths.key is not None and stat.S_IMODE(paths.key.stat().st_mode) & 0o077:
        return found, Check(name, "warn", f"{paths.key}: others can read it: chmod 600")
    days = own.days_left(datetime.now(UTC))
    of = "another authority" if own.identity is None else str(own.identity)
    return found, _of_days(name, days, f"of {of}, valid for {days:.0f} days")


def _fault_of(certificate: Path, ca: Path, crl: Path | None) -> str | None:
    """Return why brokers would refuse a certificate, None where they would not."""
    found = x509.load_pem_x509_certificate(certificate.read_bytes())
    issuers = [one for one in _authorities(ca) if one.subject == found.issuer]
    if not any(is_issued_by(found, one) for one in issuers):
        return "is not of the authority in ca_file"
    if crl is not None:
        listed = x509.load_pem_x509_crl(crl.read_bytes())
        if listed.get_revoked_certificate_by_serial_number(found.serial_number) is not None:
            return "is revoked"
    return None


def _of_days(name: str, days: float, text: str) -> Check:
    if days <= 0.0:
        return Check(name, "fail", f"{text}: renew it")
    return Check(name, "ok" if days >= EXPIRES_DAYS else "warn", text)


def _brokers(site: Site, found: Credentials | None) -> list[Check]:
    """Connect to each broker's address."""
    if not site.config.mqtt.brokers:
        return [Check("broker", "warn", "the site names no broker: only the demo has one of its own")]
    return [_broker(address, found) for address in site.config.mqtt.brokers]


def _broker(address: str, found: Credentials | None) -> Check:
    try:
        with socket.create_connection(address_of(address), timeout=CONNECT_S):
            pass
    except OSError as error:
        return Check("broker", "fail", f"{address}: {error}")
    if found is None:
        return Check("broker", "ok", f"{address} accepts connections")
    cause = asyncio.run(why_refused(address_of(address), found.context))
    if cause is not None:
        return Check("broker", "fail", f"{address}: {words(cause)}")
    ends = BrokerEnds([address_of(address)], found)
    asyncio.run(ends.look())
    for end_s in ends.ends_s.values():
        days = (end_s - time.time()) / DAY_S
        if days < EXPIRES_DAYS:
            return Check("broker", "warn", f"{address}: its certificate ends in {days:.0f} days")
    return Check("broker", "ok", f"{address} accepts connections and our certificate")
