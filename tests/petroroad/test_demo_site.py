"""The demo's copy of a site: which RSUs run, and that no two parts share a port."""

import socket
import tomllib
from contextlib import ExitStack

import pytest

from core.errors import CommandError
from edge.config import address_of
from petroroad.demo.site import choose, make_site

RSUS = [{"esn": f"RSU-{km}", "stretch_m": [km * 1000.0, km * 1000.0 + 1000.0]} for km in (25, 21, 22, 23, 24)]
SITE = """
registry = "vehicles.csv"
[site]
name = "t"
map = "map.geojson"
origin = [122.0, 41.0]
[[rsu]]
esn = "RSU-22"
stretch_m = [22000.0, 23000.0]
[[rsu.radar]]
id = "R1"
input = "udp://127.0.0.1:1"
[[rsu.radar]]
id = "R2"
input = "mqtt"
[[rsu]]
esn = "RSU-23"
stretch_m = [23000.0, 24000.0]
[[rsu.radar]]
id = "R3"
input = "udp://127.0.0.1:1"
[[rsu.gnss]]
input = "nmea://127.0.0.1:1"
[gateway]
id = "GW1"
listeners = ["jt808://127.0.0.1:1"]
[centre]
http = "127.0.0.1:8080"
"""


@pytest.mark.parametrize(
    ("count", "want"),
    [
        (1, ["RSU-22"]),  # of two that lie equally near, the first
        (2, ["RSU-22", "RSU-23"]),
        (4, ["RSU-21", "RSU-22", "RSU-23", "RSU-24"]),  # never with a gap
        (5, ["RSU-21", "RSU-22", "RSU-23", "RSU-24", "RSU-25"]),
    ],
)
def test_choose_picks_neighbours_around_the_middle(count, want):
    assert choose(RSUS, count) == want


def test_unasked_a_site_of_fewer_runs_all_that_it_has():
    assert choose(RSUS, None) == choose(RSUS, 4)
    assert choose(RSUS[:1], None) == ["RSU-25"]


@pytest.mark.parametrize("count", [0, 6])
def test_choose_refuses_what_the_site_does_not_have(count):
    with pytest.raises(CommandError, match="1 to 5"):
        choose(RSUS, count)


@pytest.fixture
def held():
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def copied(tmp_path, held):
    source, run_dir = tmp_path / "shipped", tmp_path / "run"
    source.mkdir()
    run_dir.mkdir()
    (source / "site.toml").write_text(SITE)
    (source / "map.geojson").write_text("{}")
    (source / "vehicles.csv").write_text("terminal\n")
    site = make_site(source / "site.toml", run_dir, rsus=1, http=None, broker="nats", held=held)
    return site, tomllib.loads(site.path.read_text()), run_dir


def test_the_copy_needs_no_other_file(copied):
    site, config, run_dir = copied
    assert {path.name for path in run_dir.iterdir()} == {"site.toml", "map.geojson", "vehicles.csv"}
    assert config["centre"]["database"] == f"sqlite:///{run_dir}/centre.sqlite"
    assert site.health["centre"] == config["centre"]["http"]


def test_ports_are_free_and_no_two_parts_share_one(copied):
    site, config, _ = copied
    first, second = config["rsu"]
    given = [*site.health.values(), site.broker, *config["gateway"]["listeners"]]
    assert len({text.rpartition(":")[2] for text in given}) == len(given)  # a UDP port may have one's number
    assert first["radar"][0]["input"] not in ("udp://127.0.0.1:1", second["radar"][0]["input"])
    assert first["radar"][1]["input"] == "mqtt", "no address: load_site refuses it by its key"
    assert second["radar"][0]["input"] == "udp://127.0.0.1:1", "an RSU that does not run keeps its address"


def test_a_port_is_its_part_s_alone_from_the_start(copied):
    """A broker that is given any free one for itself took the page's, whose part comes up later."""
    site, config, _ = copied
    for text in [*site.health.values(), site.broker, *config["gateway"]["listeners"]]:
        address = address_of(text.rpartition("://")[2])
        with socket.socket() as another, pytest.raises(OSError, match="in use"):
            another.bind(address)
        socket.create_server(address).close()


def test_a_chosen_page_address_is_kept(tmp_path, copied, held):
    source = tmp_path / "shipped" / "site.toml"
    source.write_text(SITE + '[mqtt]\nbrokers = ["b:1"]\nca_file = "ca.pem"\nusername = "u"\n')
    site = make_site(source, tmp_path / "run", rsus=2, http="127.0.0.1:8080", broker="mosquitto", held=held)
    config = tomllib.loads(site.path.read_text())
    assert site.http == config["centre"]["http"] == "127.0.0.1:8080"
    assert config["mqtt"] == {"brokers": [site.broker], "embedded": "mosquitto"}


@pytest.mark.parametrize("gateway", ["", '[gateway]\nid = "GW2"\n'])
def test_a_site_whose_trucks_have_nowhere_to_dial_gets_a_listener(tmp_path, copied, held, gateway):
    source = tmp_path / "shipped" / "site.toml"
    head, _, tail = SITE.partition("[gateway]")
    text = head + gateway + tail[tail.index("[centre]") :]
    source.write_bytes(b"\xef\xbb\xbf" + text.encode())  # some editors write a BOM
    site = make_site(source, tmp_path / "run", rsus=2, http=None, broker="nats", held=held)
    config = tomllib.loads(site.path.read_text())
    (listener,) = config["gateway"]["listeners"]
    assert listener.startswith("jt808://127.0.0.1:")
    assert config["gateway"]["id"] == ("GW2" if gateway else "GW1")
