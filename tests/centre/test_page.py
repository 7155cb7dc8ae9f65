"""The built page over HTTP: small on the wire, fetched once, and never older than its centre."""

import gzip
from pathlib import Path

import pytest

from tests.support.serving_centre import running

pytestmark = pytest.mark.anyio
SCRIPT = "main-0123abcd.js"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    (tmp_path / "static" / "assets").mkdir(parents=True)
    (tmp_path / "static" / "index.html").write_text("<!doctype html>" + "the page " * 200, encoding="utf-8")
    (tmp_path / "static" / "assets" / SCRIPT).write_text("const a = 1;\n" * 1_000, encoding="utf-8")
    (tmp_path / "static" / "assets" / "noise.bin").write_bytes(bytes(range(256)))
    return tmp_path


async def test_hashed_files_are_kept_for_ever_and_the_index_is_asked_for_again(built: Path) -> None:
    async with running(built) as centre:
        index = await centre.http.get("/")
        assert index.headers["cache-control"] == "no-cache"
        assert index.headers["content-type"].startswith("text/html")
        script = await centre.http.get(f"/assets/{SCRIPT}")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await centre.http.get("/assets/none.js")).headers[
            "cache-control"
        ] == "no-store"  # no error is kept
        head = await centre.http.head("/")
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", index.headers["etag"])
        again = await centre.http.get("/", headers={"if-none-match": f'W/"x", {index.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")


async def test_files_are_packed_for_who_can_unpack_them(built: Path) -> None:
    plain = (built / "static" / "assets" / SCRIPT).read_bytes()
    async with running(built) as centre:
        async with centre.http.stream(
            "GET", f"/assets/{SCRIPT}", headers={"accept-encoding": "br, gzip"}
        ) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(raw) == plain
        assert len(raw) < len(plain) / 4
        whole = await centre.http.get(f"/assets/{SCRIPT}", headers={"accept-encoding": "identity"})
        assert ("content-encoding" in whole.headers, whole.content) == (False, plain)
        noise = await centre.http.get("/assets/noise.bin", headers={"accept-encoding": "gzip"})
        assert ("content-encoding" in noise.headers, noise.content) == (False, bytes(range(256)))


async def test_a_page_that_is_built_anew_is_served_whole_after_the_next_start(built: Path) -> None:
    """A running centre keeps its page: an index of the one build never meets the scripts of another."""
    async with running(built) as centre:
        (built / "static" / "assets" / SCRIPT).unlink()
        assert (await centre.http.get(f"/assets/{SCRIPT}")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/..%2fcentre.sqlite", "/assets/../../centre.sqlite", "//etc/passwd", "/assets/", "/%00"]
)
async def test_nothing_but_the_page_is_served(built: Path, path: str) -> None:
    async with running(built) as centre:
        assert (await centre.http.get(path)).status_code == 404
