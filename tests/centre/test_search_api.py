"""The search over HTTP: its parameters, its errors, and an older database that is filled while it serves."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from centre.search.directory import Asked, Directory
from centre.search.tables import EPISODE_KEY
from geofence.config import VehicleConfig
from geofence.violation import ViolationVehicle
from tests.support.centre_samples import episode_id, violation
from tests.support.serving_centre import TEST_S, running

pytestmark = pytest.mark.anyio


async def test_a_search_by_http_and_what_it_refuses(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        for n in range(1, 6):
            centre.send(n, violation(n, vehicle=ViolationVehicle(plate=f"辽L·A000{n}", carrier="盘锦一运")))
        await centre.until_sent(5)
        page = await centre.get("/api/search?plate=a0003&carrier=一运&grade=warning&grade=notice&limit=2")
        assert [row["id"] for row in page["items"]] == [episode_id(3)]
        assert (page["n"], page["more"], page["older"], page["newer"]) == (1, False, None, None)
        first = await centre.get("/api/search?limit=2")
        assert first["n"] == 5
        second = await centre.get(f"/api/search?limit=2&before={first['older']}")
        back = await centre.get(f"/api/search?limit=2&after={second['newer']}")
        # not whole rows: the desk takes alarms in meanwhile, and `handling` then says that they are new
        assert [row["id"] for row in back["items"]] == [row["id"] for row in first["items"]]
        for wrong in (
            "before=x", "after=12", "since_ns=-1", "from_m=north", "grade=red", "limit=0", "limit=501",
            "state=gone", "false=perhaps", f"plate={'A' * 201}", "before=1_a&after=1_b",
        ):  # fmt: skip
            answer = await centre.http.get(f"/api/search?{wrong}")
            assert answer.status_code == 400, wrong


def test_registered_vehicles_are_listed_in_pages() -> None:
    fleet = [
        VehicleConfig(
            terminal=f"1390000000{n}", plate=f"辽L·A000{n}", hazmat_class="3",
            un="1203" if n % 2 else "UN1972", carrier="盘锦一运" if n < 5 else "Ｌ运输",
        )
        for n in (3, 1, 2, 7, 5)
    ]  # fmt: skip
    known = Directory(fleet, ())

    def asked(**given: Any) -> tuple[list[str], str | None, int]:
        page = known.page(
            Asked(**({"name": None, "carrier": None, "un": None, "after": None, "limit": 2} | given))
        )
        return [each["terminal"][-1] for each in page["items"]], page["next"], page["n"]

    assert asked() == (["1", "2"], "13900000002", 5)
    assert asked(after="13900000002") == (["3", "5"], "13900000005", 5)
    assert asked(after="13900000005") == (["7"], None, 5)
    assert asked(name="ａ0007") == (["7"], None, 1)  # any width and case
    assert asked(name="13900000003") == (["3"], None, 1)
    assert asked(carrier="l运") == (["5", "7"], None, 2)
    assert asked(un="1972") == (["2"], None, 1)
    assert asked(un="9999") == ([], None, 0)


async def test_grades_are_asked_for_a_bounded_time(tmp_path: Path) -> None:
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        assert (await centre.get("/api/vehicles?limit=1"))["n"] >= 0
        assert (await centre.http.get("/api/vehicles?limit=501")).status_code == 400
        assert await centre.get("/api/grades?from_ns=1&to_ns=2") == {"items": [], "next": None}
        assert await centre.get("/api/grades?from_ns=1&to_ns=2&before=2_x") == {"items": [], "next": None}
        answer = await centre.http.get("/api/grades?from_ns=1&to_ns=2&before=x")
        assert (answer.status_code, "before" in answer.text) == (400, True)
        days_9 = 9 * 86_400 * 10**9
        for wrong in ("from_ns=1", "from_ns=2&to_ns=1", "from_ns=x&to_ns=2", f"from_ns=0&to_ns={days_9}"):
            answer = await centre.http.get(f"/api/grades?{wrong}")
            assert (answer.status_code, "to_ns" in answer.text or "from_ns" in answer.text) == (400, True), (
                wrong
            )


async def test_an_older_database_is_filled_while_the_centre_serves(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for n in range(1, 8):
            centre.send(n, violation(n))
        await centre.until_sent(7)
        engine = centre.app.database.engine
        with engine.begin() as db:
            db.execute(sa.delete(EPISODE_KEY))
        empty = await centre.get("/api/search")
        assert (empty["items"], empty["complete"]) == ([], False)
    async with running(tmp_path) as centre, asyncio.timeout(TEST_S):
        while (await centre.get("/api/search"))["n"] < 7:
            await asyncio.sleep(0.02)
        assert centre.app.overview.counts()["centre"]["search.filled"] == 7
