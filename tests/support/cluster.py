"""A cluster of three nodes on loopback from the files in `deploy/cluster`; no test itself."""

import contextlib
import shutil
from pathlib import Path

from edge.config import Site, load_site
from petroroad.pki import authority as pki
from petroroad.processes.children import Child, stop_all
from petroroad.processes.cluster import HOST, Ports, keep_ports, start_cluster, write_files

MAP = Path(__file__).parents[1] / "data" / "example" / "map.geojson"
FILES = """\
ca_file = "pki/ca.crt"
cert_file = "pki/{role}-{name}.crt"
key_file = "pki/{role}-{name}.key"
crl_file = "pki/crl.pem"
"""
SIGNED = FILES + 'parts_file = "pki/parts.pem"\n'
PARTS = (
    ("rsu", "R1"), ("rsu", "R2"), ("gateway", "G1"), ("centre", "C1"), ("worker", "w1"), ("worker", "w2"),
    ("operator", "operator"),
)  # fmt: skip


def cluster_site(
    folder: Path, ports: tuple[Ports, ...], *, files: str = SIGNED, centre: str = "", more: str = ""
) -> Site:
    """Write a site of two RSUs with its certificates into `folder`, and what the nodes read; return it.

    centre : more lines for `[centre]`.  more : further sections
    """
    pki.create(folder / "pki", "test", None)
    with pki.opened(folder / "pki", None) as authority:
        for role, name in PARTS:
            authority.issue(authority.identity(role, name), (), 365)
        for n in range(1, len(ports) + 1):
            authority.issue(authority.identity("broker", f"nats-{n}"), (HOST, "127.0.0.1"), 365)
    shutil.copyfile(MAP, folder / "map.geojson")
    brokers = ", ".join(f'"127.0.0.1:{each.mqtt}"' for each in ports)
    servers = ", ".join(f'"localhost:{each.clients}"' for each in ports)
    text = '[site]\nname = "test"\nmap = "map.geojson"\norigin = [122.0, 41.0]\n'
    text += f"[mqtt]\nbrokers = [{brokers}]\ncluster = true\n{files}[nats]\nservers = [{servers}]\n"
    text += f'[gateway]\nid = "G1"\n[centre]\nid = "C1"\n{centre}{more}'
    for name, other in (("R1", "R2"), ("R2", "R1")):
        text += f'[[rsu]]\nesn = "{name}"\nlon_deg = 122.0\nlat_deg = 41.0\nstretch_m = [0.0, 600.0]\n'
        text += f'neighbours = ["{other}"]\n'
    path = folder / "site.toml"
    path.write_text(text, encoding="utf-8")
    site = load_site(path)
    write_files(folder, site)
    return site


@contextlib.asynccontextmanager
async def cluster(folder: Path, **options):
    """Run a cluster; yields its site, ports and nodes (`Child`, which a test may kill and replace)."""
    with contextlib.ExitStack() as held:
        ports = keep_ports(held)
        site = cluster_site(folder, ports, **options)
        nodes: list[Child] = await start_cluster(folder, ports)
        try:
            yield site, ports, nodes
        finally:
            await stop_all(nodes, 2.0)
