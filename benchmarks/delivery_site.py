"""What the delivery benchmarks share: a site of several RSUs, made-up violations, a broker with a centre."""

import contextlib
import sys
import time
import tomllib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.latency_site import ORIGIN, Addresses, write_site
from edge.config import load_site
from geofence.violation import Stamps, Violation
from geofence.violation import encode as encode_violation
from petroroad.demo.site import FILES
from petroroad.pki import authority as pki
from petroroad.pki.whole_site import BROKER_NAME, issue_all
from petroroad.processes.broker import Kind, start_broker
from petroroad.processes.broker_security import server_tls
from petroroad.processes.children import Child, ChildSpec, start, stop_all, until_ready
from petroroad.toml_text import dumps

Security = Literal["plain", "tls", "signed"]  # signed: with TLS too
HOST = "127.0.0.1"
CERTIFICATE_DAYS = 1.0
ROWS = 30  # of evidence: some 3 kB a violation
READY_S = 60.0


def violation(esn: str, number: int, now_ns: int, version: int = 1) -> bytes:
    """Return the bytes of a made-up violation; RSU and number give its id."""
    columns: dict[str, list[Any]] = {
        name: [round(0.01 * i, 3) for i in range(ROWS)]
        for name in ("s_m", "d_m", "sigma_d_m", "excess_m", "speed_mps", "p_violation")
    }
    columns |= {"stamp_ns": [now_ns] * ROWS, "lon_deg": [ORIGIN[0]] * ROWS, "lat_deg": [ORIGIN[1]] * ROWS}
    found = Violation(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{esn}/{number}")), version=version, hop=0, phase="open",
        grade="warning", rule="lane_departure", vehicle=None, identity_p=None, track=number, esn=esn,
        start_ns=now_ns, confirmed_ns=None, end_ns=None, lon_deg=ORIGIN[0], lat_deg=ORIGIN[1], lane=None,
        zone=None, s_m=100.0, d_m=1.5, sigma_d_m=0.2, p_violation=0.9, speed_mps=16.0, limit_mps=None,
        map_version="1", rules_version="1", stamps=Stamps(measured_ns=now_ns, arrived_ns=now_ns),
        evidence=columns,
    )  # fmt: skip
    return encode_violation(found)


def site_of(folder: Path, esns: Sequence[str], broker_port: int, http: str) -> Path:
    """Write a site whose RSUs are these, with a centre in the folder; returns the file."""
    addresses = Addresses(
        broker=f"{HOST}:{broker_port}", health=f"{HOST}:1", radars=(f"{HOST}:2", f"{HOST}:3")
    )
    path = write_site(folder, addresses)
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    (row,) = config["rsu"]
    row.pop("radar")
    config["rsu"] = [row | {"esn": esn} for esn in esns]
    config["centre"] = {"http": http, "database": f"sqlite:///{folder / 'centre.sqlite'}"}
    path.write_text(dumps(config), encoding="utf-8")
    return path


def make_secure(path: Path, kind: Kind, *, signed: bool) -> None:
    """Let a site file ask for TLS, and for signatures, and issue the certificates of all its parts."""
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    config["mqtt"] |= {"embedded": kind}
    config["mqtt"] |= {key: name for key, name in FILES.items() if signed or key != "parts_file"}
    path.write_text(dumps(config), encoding="utf-8")
    folder = path.parent / "pki"
    pki.create(folder, "bench", None)
    with pki.opened(folder, None) as authority:
        issue_all(authority, load_site(path), (), CERTIFICATE_DAYS)


def through(path: Path, broker_port: int, name: str) -> Path:
    """Write a copy of a site file that reaches the broker at another port; returns the copy."""
    config = tomllib.loads(path.read_text(encoding="utf-8"))
    config["mqtt"] |= {"brokers": [f"{HOST}:{broker_port}"]}
    copy = path.with_name(name)
    copy.write_text(dumps(config), encoding="utf-8")
    return copy


def centre_spec(path: Path) -> ChildSpec:
    """Return how to start the centre of a site file."""
    argv = (sys.executable, "-m", "petroroad", "centre", "--config", str(path))
    return ChildSpec(name="centre", argv=argv, log=path.parent / "centre.log")


@dataclass(slots=True)
class Site:
    """A broker and a centre that run; the centre can be killed and started again."""

    path: Path
    http: str
    broker: Child
    centre: Child

    async def end_centre(self) -> None:
        """Kill -9."""
        await self.centre.stop(0.0)

    async def start_centre(self, path: Path | None = None) -> float:
        """Start it again; return the monotonic time at which it said that it is ready.

        path : its site file from now on
        """
        spec = self.centre.spec if path is None else centre_spec(path)
        self.centre = await start(spec)
        await until_ready(self.centre, self.http, READY_S)
        return time.monotonic()


@contextlib.asynccontextmanager
async def running(
    kind: Kind, folder: Path, esns: Sequence[str], port: int, http: str, *, security: Security = "plain"
) -> AsyncIterator[Site]:
    """Run a broker and a centre for these RSUs."""
    path = site_of(folder, esns, port, http)
    if security != "plain":
        make_secure(path, kind, signed=security == "signed")
    tls = server_tls(load_site(path), BROKER_NAME) if security != "plain" else None
    broker = await start_broker(kind, folder, HOST, port, tls)
    site = Site(path, http, broker, await start(centre_spec(path)))
    try:
        await until_ready(site.centre, http, READY_S)
        yield site
    finally:
        await stop_all([site.centre, site.broker], 2.0)
