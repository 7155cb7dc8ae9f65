"""A handover that is answered late: what its giver opened meanwhile does not stay open for ever."""

import pytest

from roadside.ownership import HYSTERESIS_M
from roadside.pipeline import Pipeline
from tests.support.roadside_drive import SPEED_MPS, START_M, T0_NS, drive, leave, pass_on, raised, run


@pytest.mark.parametrize("answered_after_s", [1.9, 3.0])
def test_what_opened_before_a_late_answer_does_not_stay_open_for_ever(setup, answered_after_s):
    """The message was packed before the episode opened, so the taker (restarted meanwhile) never got that."""
    alone = raised(run(Pipeline(setup), drive(setup, leave)))
    opened_s = (alone[0].stamps.measured_ns - T0_NS) / 1e9
    boundary_m = START_M + SPEED_MPS * (opened_s - 1.3) - HYSTERESIS_M
    departures, answers = pass_on(setup, boundary_m, answered_after_ns=int(answered_after_s * 1e9))
    assert answers >= 1
    opened_by_giver = {v.id for v in departures if v.esn == "A"}
    assert opened_by_giver, "the giver told what the taker did not answer for"
    goes_on = {v.id for v in departures if v.esn == "B" or v.phase == "close"}
    assert opened_by_giver <= goes_on
    closes = [v for v in departures if v.esn == "A" and v.phase == "close"]
    assert [v.reason for v in closes] == ["handover_lost"] * len(closes)
