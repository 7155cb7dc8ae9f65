"""The demo's copy of a site: the shipped one with free ports, in the run directory. No processes here."""

import shutil
import socket
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import UsageError
from edge.config import load_site
from petroroad.pki import authority as pki
from petroroad.pki.whole_site import issue_all
from petroroad.processes.broker import Kind
from petroroad.processes.ports import kept_port
from petroroad.toml_text import dumps

SHIPPED = Path(__file__).resolve().parents[2] / "sim" / "site" / "panjin" / "site.toml"
RSUS_USUAL = 4
MIDDLE_STATION_M = 23_000.0  # of the densely equipped part, K18 to K26
LOOPBACK = "127.0.0.1"
FILES = {
    "ca_file": "pki/ca.crt",
    "cert_file": "pki/{role}-{name}.crt",
    "key_file": "pki/{role}-{name}.key",
    "crl_file": "pki/crl.pem",
    "parts_file": "pki/parts.pem",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoSite:
    """Where the copy lies and which addresses it names."""

    path: Path
    esns: tuple[str, ...]  # of the RSUs that run, along the road
    broker: str
    broker_kind: Kind
    http: str
    health: dict[str, str]  # part: HOST:PORT that answers /readyz
    tls: bool = False


def choose(rsus: list[dict[str, Any]], wanted: int | None) -> list[str]:
    """Return the esns of neighbouring RSUs around the middle, in the order of their stretches.

    wanted : how many; None: four, or all of a site that has fewer
    """
    count = min(RSUS_USUAL, len(rsus)) if wanted is None else wanted
    if not 1 <= count <= len(rsus):
        raise UsageError(f"--rsus {count}: this site has 1 to {len(rsus)}")
    along = sorted(rsus, key=lambda row: (row["stretch_m"][0], row["esn"]))
    centres: list[float] = [sum(row["stretch_m"]) / 2.0 for row in along]
    starts = range(len(along) - count + 1)

    def off_middle(start: int) -> float:
        return abs(sum(centres[start : start + count]) / count - MIDDLE_STATION_M)

    first = min(starts, key=off_middle)
    return [row["esn"] for row in along[first : first + count]]


def make_site(
    source: Path,
    run_dir: Path,
    *,
    rsus: int | None,
    http: str | None,
    broker: Kind,
    held: ExitStack,
    tls: bool = False,
) -> DemoSite:
    """Write the copy of `source` for `rsus` running units into run_dir, on ports that are free now.

    held : keeps the TCP ports from others while the parts come up: nats-server, the first, draws one itself
    """
    config = tomllib.loads(source.read_text(encoding="utf-8-sig"))
    esns = choose(config["rsu"], rsus)
    running = [row for row in config["rsu"] if row["esn"] in esns]
    with ExitStack() as until_chosen:
        ports = _Ports(held, until_chosen)
        health = {esn: ports.tcp() for esn in esns} | {"gateway": ports.tcp(), "sim": ports.tcp()}
        address = ports.tcp()
        page = http or ports.tcp()
        for row in running:
            row["health"] = health[row["esn"]]
            for sensor in (*row.get("radar", ()), *row.get("gnss", ())):
                sensor["input"] = ports.moved(sensor["input"])
        gateway = config.setdefault("gateway", {"id": "GW1"})
        listeners = gateway.get("listeners") or ["jt808://"]  # the simulated trucks dial one in any case
        gateway["listeners"] = [ports.moved(listener) for listener in listeners]
        gateway["health"] = health["gateway"]
    # its own broker knows the password and certificates of no other site
    config["mqtt"] = {"brokers": [address], "embedded": broker} | (FILES if tls else {})
    config["centre"] = config.get("centre", {}) | {
        "http": page,
        "database": f"sqlite:///{run_dir / 'centre.sqlite'}",
    }
    _copy_files(source.parent, run_dir, config)
    path = run_dir / "site.toml"
    path.write_text(dumps(config), encoding="utf-8")
    if tls:
        _issue(path)
    return DemoSite(
        path=path,
        esns=tuple(esns),
        broker=address,
        broker_kind=broker,
        http=page,
        health=health | {"centre": page},
        tls=tls,
    )


def _issue(path: Path) -> None:
    """Make an authority for this run, and all its certificates."""
    folder = path.parent / "pki"
    pki.create(folder, "demo", None)
    with pki.opened(folder, None) as authority:
        issue_all(authority, load_site(path), (), pki.PART_DAYS)


def _copy_files(source: Path, run_dir: Path, config: dict[str, Any]) -> None:
    for table, key in ((config["site"], "map"), (config, "registry"), (config, "permits")):
        if key in table:
            name = Path(table[key]).name
            shutil.copyfile(source / table[key], run_dir / name)
            table[key] = name


class _Ports:
    """Free ports of the loopback, kept until all are chosen: none is given twice; those of TCP longer."""

    def __init__(self, held: ExitStack, until_chosen: ExitStack) -> None:
        self._held, self._until_chosen = held, until_chosen

    def tcp(self) -> str:
        return f"{LOOPBACK}:{self._held.enter_context(kept_port())}"

    def udp(self) -> str:
        bound = self._until_chosen.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        bound.bind((LOOPBACK, 0))
        return f"{LOOPBACK}:{bound.getsockname()[1]}"

    def moved(self, url: str) -> str:
        """Return a device's address on a free port; other text stays, for `load_site` to refuse."""
        scheme, separator, _ = url.partition("://")
        if not separator:
            return url
        return f"{scheme}://{self.udp() if scheme == 'udp' else self.tcp()}"
