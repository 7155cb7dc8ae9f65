"""Two processes of one MQTT client id end each other's connections for ever: refused at load."""

import pytest

from core.errors import ConfigError
from edge.client_ids import wanted_centres
from edge.config import parse_site
from tests.support.site_text import ONE_RSU


def site_of(more: str):
    return parse_site(ONE_RSU + more, '{"type": "FeatureCollection", "features": []}', None, "site.toml", {})


@pytest.mark.parametrize(
    ("more", "key", "rule"),
    [
        ('[centre]\nid = "a"\n[standby]\nid = "a"\n', "standby.id", "centre.id has"),
        ('[centre]\nid = "a"\n[standby]\nid = "a-tracks"\n', "standby.id", "'a-tracks'"),
        ('[centre]\nid = "gateway-g"\n[gateway]\nid = "g"\n', "gateway.id", "centre.id has"),
        ("[centre]\nacks = 2\n", "centre.acks", "add [standby]"),
        ("[centre]\nacks = 3\n", "centre.acks", "<= 2"),
        ('[standby]\nhttp = "nowhere"\n', "standby.http", "HOST:PORT"),
        ('[standby]\ndatabase = "pg://me:s3@db/x"\n', "standby.database", "never itself"),
    ],
)
def test_what_makes_no_two_centres_is_refused(more, key, rule):
    with pytest.raises(ConfigError) as caught:
        site_of(more)
    assert caught.value.key == key
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("more", "want"),
    [
        ("", ()),
        ("[standby]\n", ()),  # with one acknowledgement any will do
        ("[centre]\nacks = 2\n[standby]\n", ("centre", "standby")),
    ],
)
def test_who_must_acknowledge(more, want):
    assert wanted_centres(site_of(more).config) == want
