"""A small site with certificates: RSUs R1 to R3 (R1 beside R2), gateway G1, centre C1, an operator."""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from edge.config import Site, load_site
from petroroad.pki import authority as pki
from petroroad.pki.authority import Authority, Written

MAP = Path(__file__).parents[1] / "data" / "example" / "map.geojson"
PARTS = (
    ("rsu", "R1"),
    ("rsu", "R2"),
    ("rsu", "R3"),
    ("gateway", "G1"),
    ("centre", "C1"),
    ("operator", "operator"),
)
FILES = """\
ca_file = "pki/ca.crt"
cert_file = "pki/{role}-{name}.crt"
key_file = "pki/{role}-{name}.key"
crl_file = "pki/crl.pem"
"""


def tls_site(folder: Path, port: int, kind: str, *, host: str = "127.0.0.1", files: str = FILES) -> Site:
    """Write a site file and all certificates into `folder`; return the loaded site."""
    pki.create(folder / "pki", "test", None)
    with pki.opened(folder / "pki", None) as authority:
        for role, name in PARTS:
            authority.issue(authority.identity(role, name), (), 365)
        authority.issue(authority.identity("broker", "broker"), ("127.0.0.1", "localhost"), 365)
    return plain_site(folder, f"{host}:{port}", kind, files)


def plain_site(folder: Path, address: str, kind: str = "nats", mqtt: str = "") -> Site:
    """Write the site file alone, with more lines for `[mqtt]`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(MAP, folder / "map.geojson")
    text = '[site]\nname = "test"\nmap = "map.geojson"\norigin = [122.0, 41.0]\n'
    text += f'[mqtt]\nbrokers = ["{address}"]\nembedded = "{kind}"\n{mqtt}'
    text += '[gateway]\nid = "G1"\n[centre]\nid = "C1"\n'
    for name, neighbours in (("R1", '"R2"'), ("R2", '"R1"'), ("R3", "")):
        text += f'[[rsu]]\nesn = "{name}"\nlon_deg = 122.0\nlat_deg = 41.0\nstretch_m = [0.0, 600.0]\n'
        text += f"neighbours = [{neighbours}]\n"
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    return load_site(path)


def issued(folder: Path, role: str, name: str, hosts: Sequence[str] = (), days: float = 365) -> Written:
    """Issue one more certificate, or renew it."""
    with pki.opened(folder / "pki", None) as authority:
        return _issued(authority, role, name, hosts, days)


def _issued(authority: Authority, role: str, name: str, hosts: Sequence[str], days: float) -> Written:
    identity = authority.identity(role, name)
    if authority.index.current(identity, datetime.now(UTC)) is None:
        return authority.issue(identity, hosts, days)
    return authority.renew(identity, days)


def revoked(folder: Path, role: str, name: str) -> None:
    """Revoke all certificates of a part."""
    with pki.opened(folder / "pki", None) as authority:
        authority.revoke(authority.identity(role, name), None)
