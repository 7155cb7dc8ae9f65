"""The release before is replaced under traffic, a part at a time: nothing is lost, nothing comes twice."""

import asyncio
import io
import subprocess
import sys
import tarfile

import pytest

from petroroad.chaos.checker import FAULTS, RAISED_MIN
from tests.support.demo_run import ROOT
from tests.support.upgrade_run import run

pytestmark = [pytest.mark.e2e, pytest.mark.paced, pytest.mark.long]

OLD = "d60558c551d338d8f972b2a586475bf8fe2937a1"  # of tests/data/wire-0.1.0a1
# Apart from `altered`, which an RSU of the release before makes: one that restarts asks its neighbour for its
# episodes (`Handover.waiting`), and once more while the answer is on its way. An old neighbour, if it has
# closed one meanwhile, closes it a second time, with other bytes; the centre keeps the first ones.
PROMISED = [name for name in FAULTS if name != "altered"]


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """The tree of the release before, with its kernels compiled; the history must have it."""
    tree = tmp_path_factory.mktemp("old")
    packed = subprocess.run(["git", "archive", OLD], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(tree, filter="data")
    subprocess.run([sys.executable, "-m", "petroroad.kernels"], cwd=tree, check=True, timeout=900.0)
    return tree


@pytest.mark.parametrize("back", [False, True], ids=["forward", "and RSUs back"])
def test_an_upgrade_under_traffic_loses_nothing_and_shows_nothing_twice(tmp_path, old, back):
    verdict = asyncio.run(run(tmp_path, old, ROOT, seed=7, back=back))
    assert verdict.raised >= RAISED_MIN
    assert {name: getattr(verdict, name) for name in PROMISED if getattr(verdict, name)} == {}, verdict.named
