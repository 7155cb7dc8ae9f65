"""What the browser tests share works on a page that did not load, too."""

import pytest
from playwright.sync_api import Browser

from tests.support.page_feed import forget

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


def test_a_page_that_did_not_load_is_closed(browser: Browser) -> None:
    page = browser.new_page()  # about:blank, as what failed to load, may not use a storage
    forget(page)
    assert page.is_closed()
