"""Which radar a false alarm is counted for."""

from centre.desk.figures import false_report
from centre.desk.radars import Radars
from tests.support.centre_samples import violation
from tests.support.desk_stage import DeskStage


def radar(name, **changed):
    fields = {"id": name, "heading_deg": 90.0, "fov_deg": 90.0, "range_m_max": 300.0}
    return fields | {"lon_deg": PLACE[0] - 0.001, "lat_deg": PLACE[1]} | changed


PLACE = violation(1).lon_deg, violation(1).lat_deg
RADARS = Radars(  # one looks away, one is nearer, one too far
    {"rsus": [{"esn": "RSU001", "radars": [
        radar("R0", heading_deg=270.0), radar("R1", lon_deg=PLACE[0] - 0.002), radar("R2"),
        radar("R3", lat_deg=PLACE[1] - 0.01, heading_deg=0.0),
    ]}]}
)  # fmt: skip


def test_the_radar_that_saw_a_place_is_the_nearest_whose_field_covers_it():
    assert RADARS.saw("RSU001", *PLACE) == "RSU001/R2"
    assert RADARS.saw("RSU001", PLACE[0] - 0.0015, PLACE[1]) == "RSU001/R0"  # R2 looks away from it
    assert RADARS.saw("RSU001", PLACE[0] + 0.1, PLACE[1]) == "RSU001"  # nobody: a terminal's reports
    assert RADARS.saw("RSU009", *PLACE) == "RSU009"
    assert RADARS.saw("RSU001", None, None) == "RSU001"


def test_false_alarms_are_counted_by_the_radar_that_saw_their_place(engine):
    desk = DeskStage(engine)
    near, far = desk.send(1), desk.send(2, lon_deg=PLACE[0] - 0.0015)
    desk.act(near, "false", reason="sensor_fault")
    desk.act(far, "close", reason="other")
    with engine.begin() as db:
        report = false_report(db, 7, desk.at.now_ns, RADARS)
    assert {row["key"]: (row["n"], row["false"]) for row in report["by_radar"]} == {
        "RSU001/R2": (1, 1), "RSU001/R0": (1, 0),
    }  # fmt: skip
