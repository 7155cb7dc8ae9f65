"""What tests of the page in a real browser stand on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import find_program
from tests.support.page_feed import PATIENCE_MS, chromium
from tests.support.stage import Stage, staged

expect.set_options(timeout=PATIENCE_MS)  # Playwright's own are 5 s: a busy machine needs more for one frame


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one file."""
    if find_program("chromium") is None:
        pytest.skip("chromium is missing: sudo apt-get install chromium")
    with chromium() as it:
        yield it


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A centre whose messages the test makes, and its page."""
    with staged(tmp_path) as it:
        yield it
