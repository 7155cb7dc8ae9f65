"""Signs evidence files with the centre's own key, where the site has certificates."""

from centre.evidence.manifest import DOMAIN, Signature
from edge.config import Site
from edge.tls import Holder, tls_paths


class EvidenceSigner:
    """The key of `[mqtt] key_file`; it is read for each file, since it is renewed while the centre runs."""

    def __init__(self, site: Site) -> None:
        self._mqtt, self._where = site.config.mqtt, site.where
        self._holder = Holder("centre", site.config.centre.id)

    def why_not(self) -> str | None:
        """Return why files are not signed; None: they are."""
        if self._mqtt.key_file is None or self._mqtt.cert_file is None:
            return "the site has no certificates ([mqtt] key_file, cert_file)"
        return None

    def certificate(self) -> bytes:
        """Return our certificate; OSError where it can't be read."""
        path = tls_paths(self._mqtt, self._where, self._holder).certificate
        assert path is not None, "asked for by `why_not`"
        return path.read_bytes()

    def sign(self, manifest: bytes) -> Signature:
        """Return the signature of a manifest; raises ConfigError where the key can't sign."""
        from edge.signing.keys import load_own  # only where a file is signed

        path = tls_paths(self._mqtt, self._where, self._holder).key
        assert path is not None, "asked for by `why_not`"
        own = load_own(path, self._where)
        return Signature(
            suite=own.suite, key_id=own.key_id.hex(), signature=own.sign(DOMAIN + manifest).hex()
        )
