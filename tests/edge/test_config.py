"""What a site file may say, and how an operator is told what is wrong with it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ConfigError
from edge.config import address_of, is_address, load_site, parse_site
from edge.registry import registry_rows, registry_text
from edge.wire import decode_site, encode
from geofence.config import VehicleConfig
from tests.support.examples import examples
from tests.support.site_text import RADAR_POSE

SITE = (
    """
registry = "vehicles.csv"

[site]
name = "test"
map = "map.geojson"
origin = [122.0, 41.0]

[[rsu]]
esn = "R1"
lon_deg = 122.01
lat_deg = 41.0
stretch_m = [0.0, 600.0]
neighbours = ["R2"]
health = "127.0.0.1:9001"

[[rsu.radar]]
id = "radar1"
input = "udp://127.0.0.1:17001"
"""
    + RADAR_POSE
    + """
[[rsu.gnss]]
input = "nmea://[::1]:17101"

[[rsu]]
esn = "R2"
lon_deg = 122.02
lat_deg = 41.0
stretch_m = [600.0, 1200.0]

[gateway]
id = "GW1"
listeners = ["jt808://${GATEWAY}"]

[mqtt]
brokers = ["127.0.0.1:1883"]
password = "${SECRET}"

[[vehicle]]
terminal = "13900000001"
plate = "辽L·A0001"
class = "hazmat"
length_m = 16.0
antenna_m = [5.5, -0.3]
"""
)
CSV = "terminal,plate,class,antenna_m,permits\n13900000002,辽L·A0002,truck,4.0 0.3,hazmat bus\n"
ENVIRON = {"GATEWAY": "0.0.0.0:7808", "SECRET": "s3"}


def site_of(text=SITE, registry=CSV, environ=ENVIRON):
    return parse_site(text, "{}", registry, "site.toml", environ)


RADARS = "[radars]\nreflection_share = 0.4\nsigma_reflection_share = 0.02\nsigma_place_m = 0.0\n"


def test_a_radar_states_what_all_radars_do_unless_its_own_lines_say_otherwise():
    (pose,) = site_of(SITE + RADARS).radar_poses("R1")
    assert (pose.reflection_share, pose.sigma_reflection_share, pose.reflection_s) == (0.4, 0.02, 1.0)
    assert (pose.reflects, pose.sigma_place_m, pose.sigma_boresight_rad) == ("bodies", 0.0, None)
    own = SITE.replace(
        RADAR_POSE, RADAR_POSE + 'reflects = "centres"\nreflection_s = 0.3\nsigma_place_m = 0.2\n'
    )
    (pose,) = site_of(own + RADARS).radar_poses("R1")
    assert (pose.reflects, pose.reflection_share, pose.sigma_reflection_share) == ("centres", None, None)
    assert (pose.reflection_s, pose.sigma_place_m) == (0.3, 0.2)


@pytest.mark.parametrize(("lines", "key", "rule"), [
    ("reflection_share = 0.4", "radars.reflection_share", "needs sigma_reflection_share"),
    ("sigma_reflection_share = 0.1", "radars.sigma_reflection_share", "needs reflection_share"),
    ("reflection_share = 0.7\nsigma_reflection_share = 0.1", "radars.reflection_share", "<= 0.5"),
    ("reflection_share = 0.4\nsigma_reflection_share = 0.0", "radars.sigma_reflection_share", "> 0.0"),
    (
        'reflects = "centres"\nreflection_share = 0.4\nsigma_reflection_share = 0.1',
        "radars.reflection_share", "absent",
    ),
    ("reflection_s = 0.0", "radars.reflection_s", ">= 0.05"),
])  # fmt: skip
def test_half_a_statement_of_reflections_is_refused(lines, key, rule):
    with pytest.raises(ConfigError) as refused:
        site_of(f"{SITE}[radars]\n{lines}\n")
    assert refused.value.key == key
    assert rule in str(refused.value)


def test_the_whole_file_becomes_structs():
    site = site_of()
    assert site.config.gateway.listeners == ("jt808://0.0.0.0:7808",)
    assert site.config.mqtt.password == "s3"
    assert site.place("R2") == 1
    assert [vehicle.terminal for vehicle in site.vehicles] == ["13900000001", "13900000002"]
    assert site.vehicles[1].permits == ("hazmat", "bus")
    first, second = site.terminals()
    assert (first.antenna_forward_m, first.antenna_left_m, first.length_m, first.kind) == (5.5, -0.3, 16.0, 4)
    assert (second.terminal, second.kind) == ("13900000002", 3)
    assert site.radar_poses("R2") == ()


def test_a_radar_looks_along_the_frame_not_along_true_north():
    (pose,) = site_of().radar_poses("R1")
    # half a degree east of the meridian, true north leans by 0.5 deg * sin(41 deg) against the frame's
    assert pose.boresight_rad == pytest.approx(math.radians(0.5 * math.sin(math.radians(41.0))), rel=1e-4)
    assert pose.east_m == pytest.approx(42_085, rel=1e-3)  # 0.5 deg of longitude at 41 deg
    assert pose.fov_rad == pytest.approx(2 * math.pi / 3)
    assert not pose.accepted  # until an operator says so


def test_the_recorded_site_is_the_text_as_read():
    site = site_of()
    record = decode_site(encode(site.record))
    assert "s3" not in record.config
    again = parse_site(record.config, record.map, record.registry, "/site")  # nothing expanded, none needed
    assert again.config.gateway.listeners == ("jt808://${GATEWAY}",)
    assert again.radar_poses("R1") == site.radar_poses("R1")
    assert again.vehicles == site.vehicles


def test_load_reads_the_files_beside_it(tmp_path, monkeypatch):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "site.toml").write_bytes(b"\xef\xbb\xbf" + SITE.encode())  # some editors write a BOM
    (tmp_path / "map.geojson").write_text("{}")
    (tmp_path / "vehicles.csv").write_text(CSV)
    site = load_site(tmp_path / "site.toml")
    assert (site.map_text, site.registry_text) == ("{}", CSV)
    (tmp_path / "map.geojson").unlink()
    with pytest.raises(ConfigError, match=r"site\.toml: site\.map: can't be read"):
        load_site(tmp_path / "site.toml")


@pytest.mark.parametrize(
    ("old", "new", "key", "rule"),
    [
        ("[site]", "[site", "", "is no TOML"),
        ("fov_deg = 120.0", "fov_deg = 0.0", "rsu[0].radar[0].fov_deg", "> 0.0"),
        ("fov_deg = 120.0", 'fov_deg = "wide"', "rsu[0].radar[0].fov_deg", "Expected `float`"),
        ("fov_deg = 120.0", "fov_deg = 120.0\nfov = 1", "rsu[0].radar[0]", "unknown field `fov`"),
        ("[mqtt]", "[mqt]", "", "unknown field `mqt`"),
        ("[[rsu.gnss]]", "[rules]\nversio = '1'\n[[rsu.gnss]]", "rules", "unknown field `versio`"),
        ("[[rsu.gnss]]", "[fusion]\ngnss_tau_s = -1\n[[rsu.gnss]]", "fusion.gnss_tau_s", "> 0.0"),
        ('esn = "R2"', 'esn = "R1"', "rsu.esn", "unique"),
        ('esn = "R2"', 'esn = "R 2"', "rsu[1].esn", "matching regex"),
        ('neighbours = ["R2"]', 'neighbours = ["R1"]', "rsu[0].neighbours", "other RSUs"),
        ('neighbours = ["R2"]', 'neighbours = ["R9"]', "rsu[0].neighbours", "other RSUs"),
        ("stretch_m = [0.0, 600.0]", "stretch_m = [600.0, 0.0]", "rsu[0].stretch_m", "from < to"),
        ("stretch_m = [0.0, 600.0]", "stretch_m = [600.0]", "rsu[0].stretch_m", "length 2"),
        ("lon_deg = 122.02", "lon_deg = 125.0", "rsu[1].lon_deg, lat_deg", "100 km"),
        ("lon_deg = 122.02", "lon_deg = nan", "rsu[1].lon_deg", ">= -180.0"),
        ("sigma_range_m = 0.25", "sigma_range_m = inf", "rsu[0].radar[0].sigma_range_m", "a finite number"),
        ("stretch_m = [0.0, 600.0]", "stretch_m = [-inf, 600.0]", "rsu[0].stretch_m[0]", "a finite number"),
        ("[[rsu.gnss]]", "[rules]\nclear_s = inf\n[[rsu.gnss]]", "rules.clear_s", "<= 3600.0"),
        ("antenna_m = [5.5, -0.3]", "antenna_m = [inf, -0.3]", "vehicle[0].antenna_m[0]", "<= 100.0"),
        # millimetres: a truck 2 500 m wide would be outside every lane
        ("length_m = 16.0", "length_m = 16000.0", "vehicle[0].length_m", "<= 100.0"),
        ("antenna_m = [5.5, -0.3]", "antenna_m = [5500, -300]", "vehicle[0].antenna_m[0]", "<= 100.0"),
        ("height_m = 6.0", "height_m = 6000.0", "rsu[0].radar[0].height_m", "<= 100.0"),
        ("range_m_max = 250.0", "range_m_max = 250000.0", "rsu[0].radar[0].range_m_max", "<= 10000.0"),
        ("[[rsu.gnss]]", f"deep = {'[' * 5_000}\n[[rsu.gnss]]", "", "is no TOML"),
        ('health = "127.0.0.1:9001"', 'health = "9001"', "rsu[0].health", "HOST:PORT"),
        ("udp://127.0.0.1:17001", "can://can0", "rsu[0].radar[0].input", "must be udp://"),
        ("udp://127.0.0.1:17001", "mqtt", "rsu[0].radar[0].input", "must be udp://"),
        ("udp://127.0.0.1:17001", "udp://17001", "rsu[0].radar[0].input", "SCHEME://HOST:PORT"),
        ("udp://127.0.0.1:17001", "udp://127.0.0.1:99999", "rsu[0].radar[0].input", "SCHEME://HOST:PORT"),
        ("${SECRET}", "${MISSING}", "mqtt.password", "environment has no MISSING"),
        ("${SECRET}", "s3", "mqtt.password", "never itself"),  # the text goes into every recording
        ('[gateway]', '[gateway]\nsecret = "0123456789abcdef"', "gateway.secret", "never itself"),
        ('[gateway]', '[gateway]\nsecret = "${SECRET}"', "gateway.secret", "16 characters or more"),
        ("[mqtt]", '[centre]\ndatabase = "pg://me:s3@db/x"\n[mqtt]', "centre.database", "never itself"),
        ("origin = [122.0, 41.0]", "origin = [41.0, 122.0]", "site.origin[1]", "<= 90.0"),
        ("13900000001", "13900000002", "vehicle.terminal", "unique"),
    ],
)  # fmt: skip
def test_an_error_names_file_key_rule_and_value(old, new, key, rule):
    assert old in SITE
    with pytest.raises(ConfigError) as caught:
        site_of(SITE.replace(old, new, 1))
    error = caught.value
    assert (error.file, error.key) == ("site.toml", key)
    assert rule in error.rule
    assert str(error).startswith(f"site.toml: {key or 'the file'}: ")


@pytest.mark.parametrize("secret", ['"31337"', "31337"])
def test_a_refused_secret_is_not_shown(secret):
    with pytest.raises(ConfigError, match="never itself") as caught:
        site_of(SITE.replace('"${SECRET}"', secret))
    assert "31337" not in str(caught.value)


def test_a_database_s_password_comes_from_the_environment():
    url = "postgresql://me:${SECRET}@db/x"
    site = site_of(SITE.replace("[mqtt]", f'[centre]\ndatabase = "{url}"\n[mqtt]'))
    assert site.config.centre.database == "postgresql://me:s3@db/x"


def test_the_error_shows_the_value():
    with pytest.raises(ConfigError, match=r"range_m_max.*\(is -250\.0\)"):
        site_of(SITE.replace("range_m_max = 250.0", "range_m_max = -250.0"))


def test_the_environment_is_not_expanded_where_the_pipeline_reads():
    site = site_of(SITE.replace('name = "test"', 'name = "${SECRET}"'))
    assert site.config.site.name == "${SECRET}"


def test_an_unknown_rsu_is_the_operators_error():
    with pytest.raises(ConfigError, match="the site has R1, R2"):
        site_of().rsu("R3")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("plate\nx\n", "no terminal"),
        ("terminal,colour\n1,red\n", "colour"),
        ("terminal,length_m\n1,long\n", "line 2"),
        ("terminal,length_m\n1,-3\n", "line 2"),
        ("terminal,length_m\n1,nan\n", "line 2"),
        ("terminal,length_m\n1,inf\n", "line 2.*length_m"),
        ("terminal,width_m\n1,2500\n", "line 2.*width_m"),
        ("terminal,antenna_m\n1,nan 0\n", "line 2.*antenna_m"),
        ("terminal\n1,2\n", "more cells"),
        ("terminal,class\n1,tank\n", "line 2"),
        ('terminal\n\n1\n"', "no CSV"),
        ('terminal,"pla\nte\n1,2\n', "line 1: is no CSV"),
        ('terminal,plate\n1,a\n2,"b\n3,c\n', "line 3: is no CSV"),  # where the quote opens, not the end
        ("terminal,plate\n1,A\n2,\u202aB\n", r"line 3: plate has the character U\+202A"),
        ("terminal\n1\n\0\0\n", "line 3: has the control character '.x00'"),
        ("", "no terminal"),
    ],
)
def test_a_bad_registry_names_line_and_rule(text, rule):
    with pytest.raises(ConfigError, match=rule) as caught:
        site_of(registry=text)
    assert caught.value.file == "vehicles.csv"


@pytest.mark.parametrize("text", [
    "terminal;plate;length_m\r\n13900000001;A1;16,5\r\n",                # European Excel
    "terminal\tplate\tlength_m\n13900000001\tA1\t16.5\n",               # "Unicode text"
    "sep=;\nterminal;plate;length_m\n13900000001;A1;16.5\n",
    '\ufeff"terminal","plate","length_m","",""\n"13900000001","A1","16.5","",""\n,,,,\n\n',
    "Terminal, Plate ,length_m\n13900000001.0,A1,16.5\n",                  # pandas
    "\nterminal,plate,length_m\n 13900000001 ,A1,16.50,,\n",
])  # fmt: skip
def test_a_registry_from_a_spreadsheet_is_the_same_registry(text):
    (vehicle,) = registry_rows(text)
    assert (vehicle.terminal, vehicle.plate, vehicle.length_m) == ("13900000001", "A1", 16.5)


@pytest.mark.parametrize(("column", "cell", "key", "meant"), [
    ("antenna_m", "5.5 -0.3", "antenna_m", (5.5, -0.3)),
    ("antenna_m", '"[5.5, -0.3]"', "antenna_m", (5.5, -0.3)),
    ("antenna_m", '"5,5 -0,3"', "antenna_m", (5.5, -0.3)),
    ("antenna_m", "5.5;-0.3", "antenna_m", (5.5, -0.3)),
    ("permits", '"bus, truck"', "permits", ("bus", "truck")),
    ("permits", '"[""bus"",""truck""]"', "permits", ("bus", "truck")),
    ("un", "1203.0", "un", "1203"), ("hazmat_class", "3.0", "hazmat_class", "3"),
    ("hazmat_class", "2.1", "hazmat_class", "2.1"), ("class", "HAZMAT", "class_", "hazmat"),
    ("un", '"=""1203"""', "un", "1203"), ("un", "'1203", "un", "1203"), ("un", "１２０３", "un", "1203"),
    ("plate", "辽Ａ１２３４５", "plate", "辽A12345"), ("length_m", "１６．５", "length_m", 16.5),
    ("carrier", "盘锦（一）", "carrier", "盘锦（一）"),
])  # fmt: skip
def test_a_cell_in_another_form_is_what_it_means(column, cell, key, meant):
    (vehicle,) = registry_rows(f"terminal,{column}\n1,{cell}\n")
    assert getattr(vehicle, key) == meant


@pytest.mark.parametrize(("text", "rule"), [
    ("terminal,plate,plate\n1,a,b\n", "column plate is there twice"),
    ("terminal,,plate\n1,x,b\n", "line 2: has more cells"),     # a cell under a column without a name
    ("terminal,plate\n,b\n", "line 2"),                          # no terminal
    ("terminal,antenna_m\n1,5.5\n", "line 2"),                   # one lever of two
    ("terminal,length_m\n1,\"1,650.0\"\n", "line 2"),            # thousands
    ("terminal\n1.39E+10\n", "line 2: terminal is '1.39E.10': format the column as text"),
    ("terminal\n1\n########\n", "line 3: terminal is '########'"),
    ("terminal,un\n1,1.2E+3\n", "line 2: un is"),
])  # fmt: skip
def test_what_no_spreadsheet_means_is_refused_by_line(text, rule):
    with pytest.raises(ValueError, match=rule):
        registry_rows(text)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_registry_in_the_encodings_of_windows_is_read(tmp_path, monkeypatch, encoding):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    (tmp_path / "map.geojson").write_text("{}")
    (tmp_path / "vehicles.csv").write_bytes(CSV.replace("\n", "\r\n").encode(encoding))
    assert load_site(tmp_path / "site.toml").vehicles[1].plate == "辽L·A0002"
    (tmp_path / "vehicles.csv").write_bytes(CSV.encode("gb18030"))
    with pytest.raises(ConfigError, match="line 2: is not UTF-8: save it as UTF-8"):
        load_site(tmp_path / "site.toml")


FULL_WIDTH = "".join(map(chr, range(0xFF01, 0xFF5F)))  # read as what it is the wide form of
WORDS = st.text(st.characters(categories=["L", "N"], exclude_characters=FULL_WIDTH), min_size=1, max_size=9)
LENGTHS = st.none() | st.floats(0.1, 50.0)


@settings(max_examples=examples(10))
@given(
    st.lists(
        st.builds(
            VehicleConfig,
            terminal=WORDS,
            plate=st.none() | WORDS,
            class_=st.sampled_from(["truck", "hazmat", "car"]),
            carrier=st.none() | st.just('a "b", c'),
            length_m=LENGTHS,
            width_m=LENGTHS,
            antenna_m=st.tuples(st.floats(-9, 9), st.floats(-9, 9)),
            permits=st.lists(WORDS, max_size=3).map(tuple),
            clock_offset_s=st.just(0.0) | st.floats(-1e9, 1e9),
        ),
        max_size=5,
    )
)
def test_registry_text_is_the_inverse(vehicles):
    assert registry_rows(registry_text(vehicles)) == tuple(vehicles)


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("udp://host-1.example:65535", ("host-1.example", 65_535)),
    ],
)
def test_addresses(text, want):
    assert is_address(text.rpartition("://")[2])
    assert address_of(text) == want


@pytest.mark.parametrize("text", ["host", "host:", "host:0", "host:65536", ":80", "a b:80", "::1:80"])
def test_what_is_no_address(text):
    assert not is_address(text)


@pytest.mark.parametrize("rows", [0, 3])
def test_a_grade_of_a_rule_has_one_row_or_two(rows):
    row = "{ over = 0.1, for_s = 1.0 }"
    grades = f"notice = [{', '.join([row] * rows)}], warning = [], violation = []"
    with pytest.raises(ConfigError, match=r"rules\.lane_departure\.notice.*length"):
        site_of(SITE + f"\n[rules]\nlane_departure = {{ {grades} }}\n")


@pytest.mark.parametrize(
    ("rules", "key", "value"),
    [
        ("hazmat_limit_mps = 60.0", "rules.hazmat_limit_mps", "60.0"),  # in km/h
        ("decide_depth_m = 50.0", "rules.decide_depth_m", "50.0"),
        (
            "[rules.lane_departure]\nnotice = [{over = 1.0}]\nwarning = [{over = 0.5}]\nviolation = []",
            r"rules.lane_departure.warning\[0\]", "0.5",
        ),
        ("[rules.zone_exit]\nroles = ['no_entry']", "rules.zone_exit.roles", "'no_entry'"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused_by_file_key_and_value(rules, key, value):
    with pytest.raises(ConfigError, match=rf"site\.toml.*{key}.*{value}"):
        site_of(SITE + f"\n[rules]\n{rules}\n")


def test_a_terminals_clock_offset_reaches_tracking_from_either_registry():
    rows = registry_rows("terminal,clock_offset_s\n1,-28800\n2,\n")
    assert [row.clock_offset_s for row in rows] == [-28_800.0, 0.0]
    with pytest.raises(ValueError, match="line 2"):
        registry_rows("terminal,clock_offset_s\n1,eight hours\n")
    text = SITE.replace('terminal = "', 'clock_offset_s = -28800\nterminal = "', 1)
    site = parse_site(text, "", None, "site.toml")
    assert site.terminals()[0].clock_offset_s == -28_800.0
