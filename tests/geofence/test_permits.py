"""Permits: way and time in one, one trip, tunnels; which one a journey is made under, and what is refused."""

import msgspec
import pytest

from geofence.permits import Entered, PermitConfig, choose, faults_of_permits, is_forbidden
from tests.support.geofence_world import T0_NS

NS = 10**9
# 2026-09-21 22:13:20 at UTC+8 is T0
DAY = {"start": "2026-09-21T20:00:00+08:00", "end": "2026-09-22T06:00:00+08:00"}
LATER = {"start": "2026-09-22T20:00:00+08:00", "end": "2026-09-23T06:00:00+08:00"}


def permit(**changes):
    return msgspec.convert({"permit": "P1", "terminal": "1", **DAY} | changes, PermitConfig)


@pytest.mark.parametrize(
    ("permits", "entered", "used", "wanted"),
    [
        ([], Entered(T0_NS, "in", "main"), [], (None, "no_permit")),
        ([permit()], Entered(T0_NS, "in", "main"), [], ("P1", None)),
        ([permit(entry="in", roads=["main"])], Entered(T0_NS, "in", "main"), [], ("P1", None)),
        # way and time must hold in one permit: one for the way by day, one for another way by night
        (
            [permit(entry="other"), permit(permit="P2", entry="in", **LATER)],
            Entered(T0_NS, "in", "main"), [], ("P1", "permit_route"),
        ),
        ([permit(entry="in", **LATER)], Entered(T0_NS, "in", "main"), [], ("P1", "permit_time")),
        ([permit(roads=["port"])], Entered(T0_NS, "in", "main"), [], ("P1", "permit_route")),
        # nobody saw it enter: nothing is held against it
        ([permit(entry="in")], Entered(T0_NS, None, None), [], ("P1", None)),
        ([permit()], Entered(T0_NS, "in", "main"), ["P1"], ("P1", "permit_used")),
        ([permit(), permit(permit="P2")], Entered(T0_NS, "in", "main"), ["P1"], ("P2", None)),
        # the first moment of the end is outside
        ([permit(end="2026-09-21T22:13:20+08:00")], Entered(T0_NS, "in", None), [], ("P1", "permit_time")),
        ([permit(start="2026-09-21T22:13:20+08:00")], Entered(T0_NS, "in", None), [], ("P1", None)),
    ],
)  # fmt: skip
def test_a_journey_is_made_under_the_permit_that_covers_way_and_time(permits, entered, used, wanted):
    found, fault = choose(permits, entered, used)
    assert (None if found is None else found.permit, fault) == wanted


@pytest.mark.parametrize("code", "BCDE")
def test_a_code_closes_its_category_and_the_later_ones(code):
    forbidden = {category for category in "ABCDE" if is_forbidden(code, category)}
    assert forbidden == set("ABCDE"["ABCDE".index(code) :])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"start": "2026-09-21T20:00:00"}, "offset from UTC"),
        ({"end": "2026-09-21T20:00:00+08:00"}, "later than start"),
        ({"tunnel": "A"}, "Invalid enum value"),
        ({"plate": "x"}, "unknown field"),
        ({"permit": ""}, "length >= 1"),
    ],
)
def test_a_permit_that_makes_no_sense_is_refused(changes, rule):
    with pytest.raises(msgspec.ValidationError, match=rule):
        permit(**changes)


def test_faults_are_named_by_row_and_key():
    permits = [
        permit(waybill="W1"), permit(waybill="W2"), permit(permit="P3", waybill="W1"),
        permit(permit="P4", terminal="9", entry="out", exit="in", roads=["nowhere", "main"],
               zones=["port", "harbour"]),
    ]  # fmt: skip
    gates = [("in", "entry"), ("out", "exit")]
    faults = faults_of_permits(permits, {"1"}, gates, {"main"}, {"port"})
    assert [(fault.row, fault.key, fault.value) for fault in faults] == [
        (1, "permit", "P1"), (2, "waybill", "W1"), (3, "terminal", "9"), (3, "entry", "out"),
        (3, "exit", "in"), (3, "roads", "nowhere"), (3, "zones", "harbour"),
    ]  # fmt: skip
    assert list(faults_of_permits(permits[:1], {"1"}, gates, {"main"})) == []
