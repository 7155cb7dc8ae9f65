"""Who may sign a topic is who may publish it, and docs/security.md says the same."""

import re
from pathlib import Path

import pytest

from edge import topics
from edge.config import parse_site
from edge.rights import EVERYTHING, Rights, rights_of
from edge.signing.policy import ROLES, RULES, Signer, may_sign

TEXT = """\
[site]
name = "test"
map = "map.geojson"
origin = [122.0, 41.0]
[gateway]
id = "G1"
[centre]
id = "C1"
"""
RSU = '[[rsu]]\nesn = "{}"\nlon_deg = 122.0\nlat_deg = 41.0\nstretch_m = [0.0, 600.0]\nneighbours = ["{}"]\n'
OWN = {"rsu": "R1", "gateway": "G1", "centre": "C1"}  # whose topics are looked at
SECURITY = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")


def parts() -> list[Rights]:
    text = TEXT + RSU.format("R1", "R2") + RSU.format("R2", "R1")
    return rights_of(parse_site(text, "{}", None, "site.toml", {}).config, ["li"], ["w1"])


def matches(pattern: str, topic: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\+", "[^/]+").replace(r"\#", ".+"), topic) is not None


def topic_of(realm: str, tail: str) -> str:
    whole = {"handover": "handover/R2", "handover/ack": "handover/R2/ack"}.get(tail, tail)
    return f"{topics.ROOT}/{realm}/{OWN[realm]}/{whole}"


@pytest.mark.parametrize(("realm", "tail"), RULES)
def test_who_may_sign_a_topic_is_who_may_publish_it(realm: str, tail: str) -> None:
    topic, rule = topic_of(realm, tail), RULES[realm, tail]
    publishers = {(p.role, p.name) for p in parts() if any(matches(each, topic) for each in p.publish)}
    signers = {
        (p.role, p.name) for p in parts()
        if p.role in ROLES and may_sign(rule, OWN[realm], Signer(p.role, p.name))
    }  # fmt: skip
    assert publishers
    assert publishers == signers


def rows() -> dict[str, tuple[str, str]]:
    """Return what the table says by role: publishes, reads."""
    begin = SECURITY.index("| role | publishes | reads |")
    lines = SECURITY[begin:].split("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): (row[1], row[2]) for row in cells}


@pytest.mark.parametrize("role", ["rsu", "gateway", "centre", "worker", "operator"])
def test_the_documented_rights_are_those_that_are_granted(role: str) -> None:
    granted = next(part for part in parts() if part.role == role)
    for said, patterns in zip(rows()[role], (granted.publish, granted.read), strict=True):
        for pattern in patterns:
            tail = re.sub(r"^v2x/v1/\w+/[^/]+/", "", pattern)
            if pattern == EVERYTHING:
                assert said == "everything"
            elif tail.startswith("handover/"):
                assert "handover" in said
            else:
                assert f"`{tail}`" in said or f"/{tail}`" in said, tail
    published = {re.sub(r"^v2x/v1/\w+/[^/]+/", "", pattern) for pattern in granted.publish}
    for tail in re.findall(r"`([a-z]+/(?:up|down|ack|ask|req|rsp)|status|desk)`", rows()[role][0]):
        assert tail in published, f"{tail} is documented and not granted"
