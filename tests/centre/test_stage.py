"""The stage of the tests of the page: it ends whatever a test does on it."""

from pathlib import Path

import pytest

from tests.support.stage import staged


def test_a_failure_in_an_outage_is_what_the_test_reports(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), staged(tmp_path, online=0) as stage, stage.outage():
        raise ZeroDivisionError
    assert stage.database.exists()
