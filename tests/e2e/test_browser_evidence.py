"""On the page: the evidence file is made and fetched, and the driver is warned, by keys and by buttons."""

import asyncio
import threading
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.test_outreach import Truck, with_gateway
from tests.support.evidence_stage import joined
from tests.support.page_feed import PATIENCE_MS

pytestmark = [pytest.mark.e2e, pytest.mark.browser]


class Served:
    """A centre with its RSU, gateway and truck, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._ready = folder, threading.Event()
        self._loop, self._thread = asyncio.new_event_loop(), threading.Thread(target=self._run)
        self.truck: Truck
        self._thread.start()
        assert self._ready.wait(60.0)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        async with joined(self._folder, page=True) as it, with_gateway(it, self._folder) as (_, port):
            self.url, self.id = str(it.http.base_url), it.id
            self.truck = Truck(port)
            driving = asyncio.create_task(self.truck.run())
            self._ready.set()
            await self._end.wait()
            driving.cancel()
            await asyncio.gather(driving, return_exceptions=True)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20.0)


def test_evidence_is_fetched_and_the_driver_warned(browser: Browser, tmp_path: Path) -> None:
    served = Served(tmp_path)
    try:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{served.url}#v={served.id}")
        foot = page.get_by_test_id("outward")
        warn, ask = (page.locator(f"#acts [data-slot={slot}]") for slot in ("warn", "evidence"))
        expect(warn).to_be_enabled()
        page.keyboard.press("e")
        link = foot.get_by_role("link", name="下载证据包")
        expect(link).to_be_visible()
        with page.expect_download() as download:
            link.click()
        path = tmp_path / "evidence.zip"
        download.value.save_as(path)
        assert download.value.suggested_filename.startswith("evidence-")
        assert "manifest.json" in zipfile.ZipFile(path).namelist()
        page.keyboard.press("w")
        box = foot.get_by_role("textbox")
        expect(box).to_have_value("您已偏离危化品专用车道，请立即驶回。")
        box.fill("请驶回 lane")  # letters are text here, no keys
        foot.get_by_role("button", name="发送").click()
        expect(foot).to_contain_text("警示已送达，终端已应答")
        assert served.truck.client.texts == ["请驶回 lane"]
        expect(warn).to_be_disabled()
        expect(warn).to_have_attribute("title", "该终端本次事件已警示过")
        expect(ask).to_be_enabled()
        page.keyboard.press("l")
        expect(foot).to_contain_text("Warning delivered: the terminal answered")
        page.close()
    finally:
        served.end()
