"""Permits as CSV: what spreadsheets write is read, each fault is named by file, line and column."""

import msgspec
import pytest

from core.errors import ConfigError
from edge.config import load_site, parse_site, site_of
from edge.permit_table import permit_rows
from edge.site_map import road_of
from geofence.permits import PermitConfig
from tests.support.roadside_drive import EXAMPLE

HEAD = "permit,terminal,start,end,entry,exit,roads,zones,waybill,tunnel\n"
ROW = "P1,13900000001,2026-12-01 06:00,2026-12-01T18:00:00+08:00,entry,exit,main,,WB-7,D\n"
WHOLE = {
    "permit": "P1", "terminal": "13900000001", "start": "2026-12-01T06:00:00+08:00",
    "end": "2026-12-01T18:00:00+08:00", "entry": "entry", "exit": "exit", "roads": ["main"],
    "waybill": "WB-7", "tunnel": "D",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        HEAD + ROW,
        "\ufeff" + (HEAD + ROW).replace(",", ";"),
        HEAD + ROW + ",,,,,,,,,\n\n",
        # a spreadsheet's times and numbers
        HEAD + ROW.replace("2026-12-01 06:00", "2026/12/1 6:00").replace("13900000001", "13900000001.0"),
        HEAD + ROW.replace("13900000001", '"=""13900000001"""'),
        HEAD + ROW.replace("P1", "\uff30\uff11"),  # full width
        HEAD + ROW.replace(",main,", ',"[""main""]",'),
        HEAD + ROW.replace(",main,,", ",main,',"),  # forced to be text, and empty
    ],
)
def test_a_row_is_what_a_table_is(text):
    ((line, permit),) = permit_rows(text)
    assert line == 2
    assert permit == msgspec.convert(WHOLE, PermitConfig)


@pytest.mark.parametrize("empty", ["'", '"="""""'])
def test_a_cell_that_is_forced_to_be_text_and_empty_is_an_absent_key(empty):
    ((_, permit),) = permit_rows(HEAD + ROW.replace(",exit,", f",{empty},").replace("WB-7", empty))
    assert (permit.exit, permit.waybill) == (None, None)


def test_several_roads_and_zones_are_in_one_cell():
    ((_, permit),) = permit_rows(HEAD + ROW.replace(",main,,", ",main port,A; B,"))
    assert (permit.roads, permit.zones) == (("main", "port"), ("A", "B"))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HEAD + ROW + ROW.replace("2026-12-01 06:00", "tomorrow"), "line 3, column start: must be a time"),
        (HEAD + ROW.replace("13900000001", "1.39E+10"), "line 2, column terminal: terminal is '1.39E+10'"),
        (HEAD + ROW.replace(",D", ",A"), "line 2, column tunnel: Invalid enum value 'A'"),
        (HEAD + ROW.replace("06:00", "23:00"), "line 2: end must be later than start"),
        (HEAD + ROW.replace("P1", "P" * 65), "line 2, column permit"),
        (HEAD + ROW.replace("P1", ""), "line 2: Object missing required field `permit`"),
        ("permit,plate\nP1,x\n", "line 1: columns must be of permit, terminal"),
        ("terminal,start\n1,2\n", "no permit"),
        (HEAD + 'P1,"1\n', "line 2: is no CSV"),
        (HEAD + ROW.replace("\n", ",more\n"), "line 2: has more cells than the header"),
    ],
)
def test_what_is_no_permit_is_named_by_line_and_column(text, wanted):
    with pytest.raises(ValueError, match="line") as refused:
        permit_rows(text)
    assert wanted in str(refused.value)


def site_with(permits):
    """The example site with `permits = "permits.csv"`."""
    site = load_site(EXAMPLE)
    text = 'permits = "permits.csv"\n' + site.config_text
    return parse_site(text, site.map_text, site.registry_text, "site.toml", {}, permits)


def test_a_site_has_the_permits_of_its_tables_and_of_its_file():
    site = site_with(HEAD + ROW)
    assert [permit.permit for permit in site.permits] == ["2026-0001", "P1"]
    road_of(site)
    again = site_of(site.record, "a recording")  # a replay has the same
    assert again.permits == site.permits


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (ROW.replace("13900000001", "7"), "line 3, column terminal: must be a vehicle of the registry"),
        (ROW.replace("P1", "2026-0001"), "line 3, column permit: must be unique in the site"),
        (ROW.replace(",main,,", ",main,nowhere,"), "line 3, column zones: must be zones of the map"),
        (ROW.replace("WB-7", "WB-1"), "line 3, column waybill: one waybill is one vehicle's one trip"),
    ],
)
def test_a_fault_against_the_site_is_named_by_file_line_and_column(row, wanted):
    first = ROW.replace("P1", "P0").replace("WB-7", "WB-6")
    with pytest.raises(ConfigError) as refused:
        road_of(site_with(HEAD + first + row))
    shown = str(refused.value)
    assert shown.startswith("permits.csv: ")
    rule, _, place = wanted.partition(": ")[::-1]
    assert rule in shown
    assert place in shown
