"""What the docs say of routes, modules and files is so."""

import asyncio
import importlib
import re
import subprocess
from pathlib import Path

import pytest

from centre import api
from centre.app import build_centre
from centre.storage import Storage
from centre.store import open_database
from edge import log
from edge.clock import Clock
from edge.config import parse_site
from fusion.tracker import Tracker
from geofence.monitor import Monitor
from petroroad.cli import COMMANDS
from tests.support.centre_road import MAP, SITE

ROOT = Path(__file__).parents[1]
DOCS = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
DOCS += [ROOT / "centre" / "API.md", ROOT / "deploy" / "README.md"]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PACKAGES = ("core", "fusion", "geofence", "edge", "roadside", "importers", "sim", "centre", "petroroad")
NAME = re.compile(rf"`((?:{'|'.join(PACKAGES)})(?:\.\w+)+)[`(]")
FILE = re.compile(rf"`((?:{'|'.join((*PACKAGES, 'tests', 'benchmarks', 'deploy'))})/[\w/]+\.\w+)")


@pytest.fixture
def routes(tmp_path):
    """The paths that the centre's app serves, parameters as {name}."""
    site = parse_site(SITE, MAP, None, "site.toml", {})
    storage = Storage(open_database(f"sqlite:///{tmp_path}/c.sqlite"), log.setup(part="test"))
    centre = build_centre(site, storage, Clock.paced(10**18), asyncio.Event(), log.setup(part="test"))
    try:
        served = api.routes(centre, tmp_path).routes
    finally:
        centre.close()
    return {re.sub(r"\{\w+(:\w+)?\}", "{id}", route.path) for route in served}


@pytest.mark.parametrize("path", ["docs/architecture.md", "centre/API.md"])
def test_the_documented_routes_are_those_that_are_served(routes, path):
    text = (ROOT / path).read_text(encoding="utf-8")
    text = re.sub(r"\{\w+\}", "{id}", text)
    named = set(re.findall(r"/api/[a-z]+(?:/(?:[a-z]+|\{id\}))*|/(?:healthz|readyz|metrics)\b", text))
    assert named == routes - {"/"}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_the_docs_name_is_there(path):
    """A module, class, function or file that was renamed leaves no reader searching."""
    text = path.read_text(encoding="utf-8")
    assert [name for name in NAME.findall(text) if not is_there(name)] == []
    named = [file for file in FILE.findall(text) if "NAME" not in file]  # of a recipe's new file
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("name", [Tracker, Monitor], ids=["tracker", "monitor"])
def test_the_seams_name_methods_that_are_there(name):
    text = ARCHITECTURE.partition(f"`{name.__module__}.{name.__name__}(")[2].partition("\n- ")[0]
    found = re.findall(r"`(\w+)\([^`]*\)(?: -> [^`]*)?`", text)
    assert len(found) > 5
    assert [method for method in found if not hasattr(name, method)] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_command_that_the_docs_name_can_be_called(path):
    text = path.read_text(encoding="utf-8")
    named = set(re.findall(r"`petroroad ([a-z]+)", text))
    assert named <= set(COMMANDS)
    modules = re.findall(r"python3? -m\s+([\w.]+)", text)
    assert [name for name in modules if name != "venv" and not is_there(name)] == []
    targets = set(re.findall(r"`make ([\w-]+)", text))
    assert targets <= set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docs_are_in_plain_words(path):
    """None of the words that made sentences riddles; a field keeps the name that it has on the wire."""
    text = re.sub(r"`[^`]*`", "", path.read_text(encoding="utf-8"))
    found = re.findall(r"(?i)\b(?:told|tells?|hears?|heard|hangs?|goes on|go on|going on)\b.{0,40}", text)
    assert found == []


def test_each_citation_of_the_design_names_a_section():
    """Sections keep their numbers: code cites `docs/design.md section 7`."""
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\d+)\. ", design, re.MULTILINE)
    assert sections == [str(number) for number in range(1, len(sections) + 1)]
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    cited, old = 0, []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix not in {".py", ".ts", ".toml", ".md", ".css"} or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"docs/design\.md (\w+) (\w+)", text)
        assert {number for word, number in found if word == "section"} <= set(sections), name
        cited += len(found)
        if "DES" + "IGN section" in text:
            old.append(name)
    assert cited > 20
    assert old == []


def is_there(name):
    """Whether a dotted name is a module, or what stands in one."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            annotated = getattr(found, "__annotations__", {})
            if not hasattr(found, part):
                return part in annotated
            found = getattr(found, part)
        return True
    return False
