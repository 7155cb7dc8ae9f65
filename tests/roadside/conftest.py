"""The RSU of the example site, as most tests of this package need it."""

from dataclasses import replace

import pytest

from edge.config import load_site
from roadside.pipeline_setup import Setup
from roadside.setup import setups
from tests.support.roadside_drive import EXAMPLE


@pytest.fixture(scope="package")
def setup() -> Setup:
    """Return the example RSU's setup; it is immutable."""
    return setups(load_site(EXAMPLE), expects_gateway=True)["RSU001"]


@pytest.fixture(scope="package")
def blind(setup: Setup) -> Setup:
    """Return the same without its radar: what it knows comes from terminals."""
    return replace(setup, radars=(), lanes=None)
