"""`petroroad pki`: the certificates of a site: issue, renew, revoke, show."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, validators

from core.errors import CommandError, UsageError
from edge.config import load_site
from edge.rights import rights_of
from petroroad.pki import authority as pki
from petroroad.pki.authority import Written
from petroroad.pki.index import Certificate
from petroroad.pki.whole_site import issue_all
from petroroad.processes.access import mosquitto_acl, nats_pins, nats_users
from petroroad.processes.broker import Kind
from petroroad.processes.broker_security import accepted_keys, operators_of, workers_of

app = App(name="pki", help="The certificates of a site: issue, renew, revoke, show.")
Folder = Annotated[Path, Parameter(name="--dir")]
Passphrase = Annotated[Path | None, Parameter(name="--passphrase-file")]
Days = Annotated[float, Parameter(name="--days", validator=validators.Number(gt=0.0, lte=36_525.0))]
Within = Annotated[
    float | None, Parameter(name="--within", validator=validators.Number(gte=0.0, lte=36_525.0))
]
Hosts = Annotated[tuple[str, ...], Parameter(name="--host", negative=())]
Flag = Parameter(negative=())
AsJson = Annotated[bool, Parameter(name="--json", negative=())]


@app.command
def init(
    site: str,
    /,
    *,
    folder: Folder = Path("pki"),
    passphrase_file: Passphrase = None,
    days: Days = pki.CA_DAYS,
) -> None:
    """Make the authority of a site: a key, its certificate, an empty revocation list.

    Parameters
    ----------
    site
        Its short name, A-Z a-z 0-9 _ -; it is in every certificate.
    folder
        Where the authority lives; keep it off the machines of the road.
    passphrase_file
        A file whose first line encrypts the authority's key.
    days
        How long the authority is valid.
    """
    pki.create(folder, site, _passphrase(passphrase_file), days)
    if passphrase_file is None:
        text = "the authority's key has no passphrase: whoever reads it can be any part of the site"
        print(f"petroroad: warning: {folder}: {text}", file=sys.stderr)
    print(f"{folder}: authority of {site}; next: petroroad pki issue --all --config SITE.toml")


@app.command
def issue(
    role: str | None = None,
    name: str | None = None,
    /,
    *,
    host: Hosts = (),
    every: Annotated[bool, Parameter(name="--all", negative=())] = False,
    config: Path | None = None,
    folder: Folder = Path("pki"),
    passphrase_file: Passphrase = None,
    days: Days = pki.PART_DAYS,
    as_json: AsJson = False,
) -> None:
    """Issue a part's certificate and key, or with --all those of each part of a site that has none.

    Parameters
    ----------
    role
        rsu, gateway, centre, worker, broker, operator or page.
    name
        An RSU's esn, the id of a gateway or centre; free for the others.
    host
        A DNS name or address by which clients reach a broker or page; several: repeat it.
    every
        RSUs, gateway, centre, broker and operator of the site file; the broker's hosts are those of `[mqtt]`.
    config
        The site file for --all.
    folder
        Where the authority lives.
    passphrase_file
        As of `init`.
    days
        How long the certificates are valid.
    as_json
        One JSON object on stdout.
    """
    if every != (config is not None) or every != (role is None) or (role is None) != (name is None):
        raise UsageError("pki issue: either ROLE and NAME, or --all --config SITE.toml")
    with pki.opened(folder, _passphrase(passphrase_file)) as authority:
        if config is not None:
            written, kept = issue_all(authority, load_site(config), host, days)
            for part in kept:
                print(f"{part}: has one", file=sys.stderr)
        else:
            identity = authority.identity(role or "", name or "")
            written = [authority.issue(identity, host, days)]
    _print_written(written, as_json)


@app.command
def renew(
    role: str | None = None,
    name: str | None = None,
    /,
    *,
    within: Within = None,
    folder: Folder = Path("pki"),
    passphrase_file: Passphrase = None,
    days: Days = pki.PART_DAYS,
    as_json: AsJson = False,
) -> None:
    """Issue another certificate, with a new key, for a part, or for each whose own ends soon.

    The old one stays valid until the new one is in place: revoke it then with `revoke --replaced`.

    Parameters
    ----------
    role, name
        Of the part.
    within
        Instead: all parts whose newest certificate ends within so many days.
    folder, passphrase_file, days, as_json
        As of `issue`.
    """
    if (role is None) != (name is None) or (role is None) == (within is None):
        raise UsageError("pki renew: either ROLE and NAME, or --within DAYS")
    with pki.opened(folder, _passphrase(passphrase_file)) as authority:
        due = [authority.identity(role or "", name or "")] if within is None else authority.due(within)
        written = [authority.renew(identity, days) for identity in due]
    _print_written(written, as_json)


@app.command
def revoke(
    role: str,
    name: str,
    /,
    *,
    serial: str | None = None,
    replaced: Annotated[bool, Flag] = False,
    folder: Folder = Path("pki"),
    passphrase_file: Passphrase = None,
) -> None:
    """Revoke a part's certificates and write the list anew; copy `crl.pem` and `index.jsonl` to the broker.

    Parameters
    ----------
    role, name
        Of the part.
    serial
        Only this one, as `show` prints it.
    replaced
        Only those that a newer certificate has replaced.
    folder, passphrase_file
        As of `issue`.
    """
    with pki.opened(folder, _passphrase(passphrase_file)) as authority:
        identity = authority.identity(role, name)
        for one in authority.revoke(identity, serial, only_replaced=replaced):
            print(f"revoked {identity} {one.serial}")


@app.command
def show(*, folder: Folder = Path("pki"), as_json: AsJson = False) -> None:
    """Print all certificates: role, name, serial, end, days left, and whether each is valid.

    Parameters
    ----------
    folder
        Where the authority lives.
    as_json
        One JSON object on stdout.
    """
    authority, now = pki.read(folder), datetime.now(UTC)
    end = authority.certificate.not_valid_after_utc
    rows = [_row(one, now) for one in authority.index.certificates(now)]
    if as_json:
        ca = {"not_after": end.isoformat(), "days_left": _days(end, now)}
        print(json.dumps({"site": authority.site, "ca": ca, "certificates": rows}))
        return
    print(f"site {authority.site}; the authority ends {end:%Y-%m-%d}, in {_days(end, now):.0f} days")
    for row in rows:
        end_left = f"{row['not_after'][:10]} {row['days_left']:>7.0f} days"
        print(f"{row['role']:8} {row['name']:20} {row['state']:8} {end_left}  {row['serial']}")


@app.command
def acl(
    config: Path,
    /,
    *,
    kind: Kind,
    folder: Folder = Path("pki"),
    out: Path | None = None,
    pins: Path | None = None,
) -> None:
    """Write who may publish and read what, in the form of a broker: its `acl_file`, or its users.

    Parameters
    ----------
    config
        The site file: its RSUs, neighbours, gateway and centre.
    kind
        mosquitto or nats.
    folder
        Where the authority lives: its index names the operators.
    out
        A file; without it the text goes to stdout.
    pins
        Another file, for nats: the keys that are neither revoked nor at their end, the only ones admitted.
    """
    if pins is not None and kind != "nats":
        raise UsageError("--pins: is for --kind nats only: mosquitto reads the revocation list itself")
    authority, site = pki.read(folder), load_site(config)
    rights = rights_of(site.config, operators_of(authority.index), workers_of(authority.index))
    text = mosquitto_acl(rights) if kind == "mosquitto" else nats_users(rights, authority.site)
    if out is None:
        print(text, end="")
    else:
        pki.write_whole(out, text.encode(), 0o644)
    if pins is not None:
        pki.write_whole(pins, nats_pins(accepted_keys(authority.index)).encode(), 0o644)


def _row(one: Certificate, now: datetime) -> dict[str, Any]:
    issued = one.issued
    return {
        "role": issued.role,
        "name": issued.name,
        "serial": issued.serial,
        "hosts": list(issued.hosts),
        "not_after": issued.not_after.isoformat(),
        "days_left": _days(issued.not_after, now),
        "revoked": one.state == "revoked",
        "state": one.state,
    }


def _days(end: datetime, now: datetime) -> float:
    return round((end - now).total_seconds() / 86_400.0, 1)


def _passphrase(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        line = path.read_bytes().split(b"\n")[0].rstrip(b"\r")
    except OSError as error:
        raise CommandError(f"--passphrase-file {path}: can't be read: {error.strerror}") from error
    if not line:
        raise UsageError(f"--passphrase-file {path}: its first line is empty")
    return line


def _print_written(written: list[Written], as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "role": one.identity.role,
                "name": one.identity.name,
                "serial": one.issued.serial,
                "not_after": one.issued.not_after.isoformat(),
                "cert_file": str(one.certificate),
                "key_file": str(one.key),
            }
            for one in written
        ]
        print(json.dumps({"issued": rows}))
        return
    for one in written:
        print(f"{one.identity}: {one.certificate} and .key, until {one.issued.not_after:%Y-%m-%d}")
