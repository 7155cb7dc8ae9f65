"""The page's certificate: its files, the names that it covers, and how it is replaced without a restart."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from edge.config import Site, address_of, is_loopback
from edge.tls import EXPIRED, EXPIRES, EXPIRES_DAYS, file_stamp

REFRESH_S = 5.0  # between two looks whether the files were replaced
PAGE_ROLE = "page"  # of certificates of the site's authority


class PageTls:
    """The certificate that browsers see; `context` always serves the pair of files that was last read whole.

    Raises ConfigError where the files can't be used at the start; later ones that can't are counted.
    """

    def __init__(self, certificate: Path, key: Path, where: str, section: str = "centre") -> None:
        self.certificate, self.key, self._where, self._section = certificate, key, where, section
        self.counts: dict[str, int] = {}
        self.problem: str | None = None  # why the files of now can't be used; the ones before still are
        self._stamps = self._look()
        self._newest, self.names, self._ends = self._load()
        self.context = self._newest  # of the listener; each handshake takes the newest
        self.context.sni_callback = self._choose

    def covers(self, host: str) -> bool:
        """Say whether the certificate is for a host."""
        return host in self.names or f"*.{host.partition('.')[2]}" in self.names

    def refresh(self) -> bool:
        """Read the files again if they were replaced; return whether new ones are served now."""
        stamps = self._look()
        if stamps == self._stamps and self.problem is None:
            return False
        self._stamps = stamps
        try:
            self._newest, self.names, self._ends = self._load()
        except ConfigError as error:  # half of them is copied yet, say
            self.problem = str(error)
            self.counts["page_tls.reload_failed"] = self.counts.get("page_tls.reload_failed", 0) + 1
            return False
        self.problem = None
        self.counts["page_tls.reloaded"] = self.counts.get("page_tls.reloaded", 0) + 1
        return True

    def days_left(self, now: datetime) -> float:
        return (self._ends - now).total_seconds() / 86_400.0

    def fault(self, now: datetime) -> str | None:
        """Return what people must be shown of the certificate; None: nothing."""
        days = self.days_left(now)
        if days >= EXPIRES_DAYS:
            return None
        return EXPIRES if days > 0.0 else EXPIRED

    def note_fault(self) -> None:
        """Count as `tls.…` what the page's banner has to show."""
        fault = self.fault(datetime.now(UTC))
        for kind in (EXPIRES, EXPIRED):
            self.counts[f"tls.{kind}"] = int(kind == fault)

    def _choose(self, handshake: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        handshake.context = self._newest

    def _look(self) -> tuple[object, ...]:
        return file_stamp(self.certificate), file_stamp(self.key)

    def _load(self) -> tuple[ssl.SSLContext, frozenset[str], datetime]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key, password=_no_passphrase)
            names, ends = _read(self.certificate)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            shown = f"{self.certificate}, {self.key}"
            rule = f"the page's certificate can't be used: {error}"
            raise ConfigError(self._where, f"{self._section}.certificate", rule, shown) from error
        return context, names, ends


def page_tls(site: Site, section: str = "centre") -> PageTls | None:
    """Return the page's certificate; None where it is served without TLS, on the loopback only.

    Raises ConfigError where the site's files can't be used.
    """
    config, where = site.config.centre, site.where
    remote = not is_loopback(address_of(config.http)[0])
    if (config.certificate is None) != (config.key is None):
        raise ConfigError(where, f"{section}.certificate", "needs certificate and key, both or neither")
    if config.certificate is None and not remote:
        return None
    certificate, key = page_files(site)
    if config.certificate is None and not certificate.exists():
        rule = (
            "beyond this machine the page needs TLS: petroroad pki issue page "
            f"{config.id}-page --host NAME, or set certificate and key"
        )
        raise ConfigError(where, f"{section}.http", rule, config.http)
    return PageTls(certificate, key, where, section)


def page_files(site: Site) -> tuple[Path, Path]:
    """Return the page's certificate and key: those of `[centre]`, or of the site's authority."""
    config, folder = site.config.centre, Path(site.where).parent
    if config.certificate is not None and config.key is not None:
        return folder / config.certificate, folder / config.key
    mqtt, name = site.config.mqtt, f"{config.id}-page"

    def file(text: str | None, suffix: str) -> Path:
        if text is None or "{name}" not in text:  # the site's parts have no files of their own
            text = f"pki/{{role}}-{{name}}.{suffix}"
        return folder / text.replace("{role}", PAGE_ROLE).replace("{name}", name)

    return file(mqtt.cert_file, "crt"), file(mqtt.key_file, "key")


def _read(path: Path) -> tuple[frozenset[str], datetime]:
    """Return the names and the end of a certificate."""
    from cryptography import x509  # 10 MiB: only in a process that has a certificate

    found = x509.load_pem_x509_certificate(path.read_bytes())
    try:
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset(), found.not_valid_after_utc
    hosts = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    return frozenset(host.lower() for host in hosts), found.not_valid_after_utc


def _no_passphrase() -> str:
    """OpenSSL would ask for it on the terminal; a service has none."""
    raise ValueError("the key has a passphrase, and a service can't ask for it")
