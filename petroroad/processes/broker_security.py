"""What an embedded broker needs to serve TLS: its files, the parts' rights, the keys that it may accept."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.errors import ConfigError
from edge.config import Site
from edge.rights import Rights, rights_of
from edge.tls import Holder, client_context, is_secure, own_certificate, tls_paths
from petroroad.operators import USUAL
from petroroad.pki import index
from petroroad.pki.index import Index

INDEX = "index.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """The TLS side of an embedded broker.

    site : of the authority, None for another kind of authority: users are common names then
    accepted : digests of the public keys that may connect; None: all that the authority signed
    ends_s : when the broker's own certificate ends, in Unix time
    """

    ca: Path
    certificate: Path
    key: Path
    crl: Path | None
    site: str | None
    rights: tuple[Rights, ...]
    accepted: tuple[str, ...] | None
    ends_s: float | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that make another broker of it when they change."""
        beside = () if self.crl is None else (self.crl, self.crl.with_name(INDEX))
        return (self.ca, self.certificate, self.key, *beside)


def server_tls(site: Site, name: str) -> ServerTls | None:
    """Return the broker's side of `[mqtt]`, None for a site without TLS; ConfigError."""
    mqtt, where = site.config.mqtt, site.where
    if not is_secure(mqtt):
        return None
    holder = Holder("broker", name)
    paths = tls_paths(mqtt, where, holder)
    if paths.ca is None or paths.certificate is None or paths.key is None:
        raise ConfigError(where, "mqtt", "a broker with TLS needs ca_file, cert_file and key_file")
    client_context(paths, where)  # all of them can be read and fit together
    own = own_certificate(paths.certificate, where)
    if own.identity is not None and own.identity[1:] != holder:
        rule = f"the certificate is that of {own.identity}, and this is broker {name}"
        raise ConfigError(where, "mqtt.cert_file", rule, str(paths.certificate))
    log = None if paths.crl is None else _index(paths.crl.with_name(INDEX))
    if paths.crl is not None and mqtt.embedded == "nats" and log is None:
        rule = f"nats-server reads no revocation list: it needs {INDEX} of the authority beside crl_file"
        raise ConfigError(where, "mqtt.crl_file", rule, str(paths.crl))
    return ServerTls(
        ca=paths.ca,
        certificate=paths.certificate,
        key=paths.key,
        crl=paths.crl,
        site=None if own.identity is None else own.identity.site,
        rights=tuple(rights_of(site.config, operators_of(log))),
        accepted=None if log is None else accepted_keys(log),
        ends_s=own.not_after.timestamp(),
    )


def operators_of(log: Index | None) -> list[str]:
    """Return the names of the operators in an index; without one the usual name."""
    return _names_of("operator", log) or [USUAL]


def workers_of(log: Index | None) -> list[str]:
    """Return the names of the centre's workers in an index."""
    return _names_of("worker", log)


def _names_of(role: str, log: Index | None) -> list[str]:
    names = [] if log is None else [line.name for line in log.lines if line.role == role]
    return list(dict.fromkeys(names))


def accepted_keys(log: Index) -> tuple[str, ...]:
    """Return the digests of all keys that are neither revoked nor at their end."""
    found = (one for one in log.certificates(datetime.now(UTC)) if one.usable)
    return tuple(one.issued.key_sha256 for one in found)


def _index(path: Path) -> Index | None:
    return index.load(path) if path.exists() else None
