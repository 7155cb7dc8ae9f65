"""What is older than one answer holds is read page by page."""

from functools import partial

from centre.desk import rows, shelving
from tests.support.desk_stage import ZHAO, DeskStage, S


def _shelve(desk, wanted, db, found):
    return shelving.add_shelf(db, found, wanted, ZHAO, desk.policy, desk.at.now_ns)


def test_old_shelves_and_acts_are_read_page_by_page(engine, monkeypatch):
    desk = DeskStage(engine)
    monkeypatch.setattr(shelving, "LISTED_MAX", 2)
    monkeypatch.setattr(rows, "ACTS_MAX", 2)
    alarm = desk.send(1)
    until_ns, made = str(desk.at.now_ns + 3_600 * S), []
    for rule in ("a", "b", "c"):
        wanted = shelving.WantedShelf(until_ns=until_ns, reason="x", rule=rule)
        shelf = desk.run(partial(_shelve, desk, wanted))
        made.append(shelf["n"])
    for text in ("1", "2", "3"):
        desk.act(alarm, "note", text=text)
    with desk.at.engine.begin() as db:
        first = shelving.page(db, None)
        last = shelving.page(db, first["next"])
        newest = rows.acts_page(db, alarm, None)
        oldest = rows.acts_page(db, alarm, newest["next"])
    assert [each["n"] for each in first["items"] + last["items"]] == made[::-1]
    assert [each["text"] for each in oldest["items"] + newest["items"]] == ["1", "2", "3"]
    assert last["next"] is oldest["next"] is None
