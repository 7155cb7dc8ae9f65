"""The wheel has all that the source tree has: what is installed from it is whole without the tree."""

import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

from tests.support.demo_run import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [name.rstrip("*") for name in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]]
# of the packages' files, what only builds the page, or is read by people
APART = ("centre/web/", "centre/API.md")
BUILD = ("-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", ".", ".")
pytestmark = pytest.mark.e2e  # pip fetches the build's own tools


def tracked():
    """The packages' files as they would be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of the tree with a page, built in a copy: a build leaves files behind."""
    tree = tmp_path_factory.mktemp("tree")
    for name in (*tracked(), "pyproject.toml", "README.md"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    (tree / "centre" / "static" / "assets").mkdir(parents=True)
    (tree / "centre" / "static" / "index.html").write_text("<!doctype html>")
    (tree / "centre" / "static" / "assets" / "index-1.js").write_text("")
    done = subprocess.run([sys.executable, *BUILD], cwd=tree, capture_output=True, text=True, timeout=240.0)
    assert done.returncode == 0, done.stderr
    (made,) = tree.glob("*.whl")
    with zipfile.ZipFile(made) as archive:
        yield {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_has_each_file_of_the_packages_and_the_page(wheel):
    held = {name for name in wheel if ".dist-info/" not in name}
    page = {"centre/static/index.html", "centre/static/assets/index-1.js"}
    assert held == {name for name in tracked() if not name.startswith(APART)} | page


def test_the_wheel_has_the_command_and_needs_what_the_project_says(wheel):
    (entry,) = (text.decode() for name, text in wheel.items() if name.endswith("entry_points.txt"))
    assert "petroroad = petroroad.__main__:program" in entry
    (about,) = (text.decode() for name, text in wheel.items() if name.endswith("METADATA"))
    needed = {line.partition(": ")[2] for line in about.splitlines() if line.startswith("Requires-Dist")}
    assert len([each for each in needed if "extra ==" not in each]) == len(PROJECT["project"]["dependencies"])
