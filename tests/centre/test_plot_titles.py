"""The drawing in an evidence file names the kind of a terminal's fault beside the rule."""

import pytest

from centre.evidence.drawing import svg
from centre.evidence.plot import page_of
from centre.words import FAULTS
from tests.support.centre_samples import violation


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [(["frozen", "frozen"], "frozen 位置冻结"), (["jammed", "lost"], "jammed 受干扰"), ([None, "lost"], "")],
)
def test_the_title_names_the_fault(reasons: list[str | None], kind: str) -> None:
    versions = [violation(rule="gnss_integrity", reason=reason) for reason in reasons]
    text = svg(page_of(versions)).decode()
    assert "GNSS integrity 卫导异常" + (f" · {kind}" if kind else "") in text
    assert [fault for fault in FAULTS if fault in text] == kind.split()[:1]
