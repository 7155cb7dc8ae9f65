"""The files that a part's signatures stand on."""

from pathlib import Path
from typing import NamedTuple


class SigningFiles(NamedTuple):
    """PEM files: the site's CA, all parts' certificates, our own key (None: nothing is signed), a CRL."""

    ca: Path
    parts: Path
    key: Path | None = None
    crl: Path | None = None
