"""How the centre answers: problems, unknown parameters, HEAD, ETag, gzip, and its own description."""

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
import websockets.asyncio.client as ws
from websockets.exceptions import InvalidStatus

from centre.answers.delivery import PACKED_BYTES_MIN, Delivery, accepts_gzip, matches
from centre.api import routes
from edge import topics
from tests.support.centre_samples import episode_id, violation
from tests.support.serving_centre import TEST_S, FakeBroker, Running, running

pytestmark = pytest.mark.anyio
PROBLEM = "application/problem+json"


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the problem of an answer, which must be a whole one."""
    assert answer.headers["content-type"] == PROBLEM, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    found: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= found.keys()
    assert found["status"] == answer.status_code
    assert found["instance"] == answer.request.url.path
    return found


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "detail"),
    [
        ("GET", "/no/such/route", {}, 404, "Not Found"),
        ("GET", "/api/violations/none", {}, 404, "no violation of this id"),
        ("POST", "/api/site", {}, 405, "Method Not Allowed"),
        ("DELETE", "/api/events", {}, 405, "Method Not Allowed"),
        ("GET", "/api/site", {"host": "evil.example"}, 403, "another host or origin"),
        ("GET", "/api/site", {"origin": "http://evil.example"}, 403, "another host or origin"),
        ("GET", "/%0a", {}, 404, "no such path"),
        ("GET", "/api/events?after=x", {}, 400, "Last-Event-ID and after are whole numbers"),
        ("GET", "/api/events?afer=1", {}, 400, "afer: is not known here"),
        ("GET", "/api/stream", {}, 404, "no such route"),
        ("GET", "/api/violations?plate=B1", {}, 400, "plate: is not known here"),
        ("GET", "/api/site?x=", {}, 400, "x: is not known here"),
        ("GET", "/api/violations?limit=1&limit=2", {}, 400, "limit: is given more than once"),
        ("GET", "/api/violations?before=null", {}, 400, "before: is empty: leave it out"),
        ("GET", "/api/audit?user=a%00b", {}, 400, "user: has a zero byte"),
        ("GET", "/api/violations?state=x", {}, 400, "state: Invalid enum value 'x'"),
        ("GET", "/api/violations?limit=501", {}, 400, "limit: Expected `int` <= 500"),
    ],
)
async def test_each_refusal_is_a_problem(
    idle_centre: Running, method: str, path: str, headers: dict[str, str], status: int, detail: str
) -> None:
    answer = await idle_centre.http.request(method, path, headers=headers)
    assert answer.status_code == status
    found = problem_of(answer)
    assert found["detail"] == detail
    if status == 405:
        assert answer.headers["allow"] == "GET, OPTIONS, HEAD"
    if ": " in detail:
        assert [each["name"] for each in found["errors"]] == [detail.partition(":")[0]]


async def test_a_failure_is_a_problem_that_says_nothing_about_us(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        del centre.app.site
        answer = await centre.http.get("/api/site")
        assert answer.status_code == 500
        assert problem_of(answer)["detail"] == "the centre failed; its log says why"


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/api/stream?after=x", 400, "Last-Event-ID and after are whole numbers"),
        ("/api/tracks?x=1", 400, "x: is not known here"),
        ("/api/violations", 404, "Not Found"),
    ],
)
async def test_a_refused_websocket_is_answered_with_a_problem(
    idle_centre: Running, path: str, status: int, detail: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await ws.connect(f"ws://127.0.0.1:{idle_centre.port}{path}")
    answer = refused.value.response
    if status == 404:  # the framework's: it knows no such WebSocket
        assert answer.status_code in (403, 404)
        return
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    assert json.loads(answer.body or b"")["detail"] == detail


async def test_head_is_get_without_a_body(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.send(1, violation(1))
        await centre.until_sent(1)
        own = routes(centre.app, tmp_path / "static")
        paths = [route.path for route in own.routes if "{" not in route.path and route.path != "/api/events"]
        assert {"/", "/api/site", "/healthz", "/api/violations"} <= set(paths)
        for path in [*paths, f"/api/violations/{episode_id(1)}", "/none"]:
            got, head = await centre.http.get(path), await centre.http.head(path)
            assert (head.status_code, head.content) == (got.status_code, b""), path
            names = ("content-type", "content-encoding", "etag", "cache-control")
            # long answers are packed: what grew meanwhile, as a sheet by the first alarm, is asked again
            gots = [got, await centre.http.get(path)]
            found = [[each.headers.get(name) for name in names] for each in gots]
            assert [head.headers.get(name) for name in names] in found, path
        async with asyncio.timeout(TEST_S):
            stream = await centre.http.head("/api/events")
        assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert centre.app.feed.n_clients == 0
        options = await centre.http.options("/api/events")
        assert (options.status_code, options.headers["allow"]) == (204, "GET, OPTIONS, HEAD")
        for path, methods in (
            ("/api/shelves", {"GET", "HEAD", "OPTIONS", "POST"}),
            ("/api/alarms/x/acts", {"GET", "HEAD", "OPTIONS", "POST"}),
            ("/api/exercise", {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}),
        ):
            options = await centre.http.options(path)
            assert (options.status_code, set(options.headers["allow"].split(", "))) == (204, methods)


async def test_a_long_answer_passes_in_parts_and_head_ends_before_them() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"application/zip"), (b"allow", b"GET")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in (b"a" * 2_000, b"b", b""):
            await send({"type": "http.response.body", "body": part, "more_body": part != b""})

    for method, bodies in (("GET", [b"a" * 2_000, b"b", b""]), ("HEAD", [b""])):
        sent: list[Any] = []

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        scope: Any = {"type": "http", "method": method, "headers": [(b"accept-encoding", b"gzip")]}
        await Delivery(app)(scope, send, send)  # type: ignore[arg-type]
        assert [message["type"] for message in sent].count("http.response.start") == 1
        assert dict(sent[0]["headers"])[b"allow"] == b"GET, HEAD"
        assert [message["body"] for message in sent[1:]] == bodies
        assert [message["more_body"] for message in sent[1:]] == [True] * (len(bodies) - 1) + [False]


async def test_what_can_be_cached_has_an_etag_that_is_honoured(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for path in ("/api/site", "/api/map", "/api/openapi.json", "/api/docs", "/api/docs.css"):
            packed = await centre.http.get(path, headers={"accept-encoding": "gzip"})
            plain = await centre.http.get(path, headers={"accept-encoding": "identity"})
            assert packed.content == plain.content
            assert ("vary" in packed.headers) == (len(plain.content) >= PACKED_BYTES_MIN), path
            tag = plain.headers["etag"]
            assert packed.headers["etag"] in (tag, f"W/{tag}")
            for sent in (tag, f"W/{tag}", f'"other", {tag}', packed.headers["etag"], "*"):
                again = await centre.http.get(path, headers={"if-none-match": sent})
                assert (again.status_code, again.content) == (304, b""), (path, sent)
                assert again.headers["cache-control"] == "no-cache"
                assert "content-type" not in again.headers
            other = await centre.http.get(path, headers={"if-none-match": '"other"'})
            assert other.status_code == 200


async def test_json_is_packed_where_the_client_takes_it(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for n in range(1, 21):
            centre.send(n, violation(n))
        await centre.until_sent(20)
        sizes = {}
        for accepted in ("gzip", "gzip;q=0, identity", "deflate"):
            request = centre.http.build_request(
                "GET", "/api/violations", headers={"accept-encoding": accepted}
            )
            answer = await centre.http.send(request, stream=True)
            raw = b"".join([part async for part in answer.aiter_raw()])
            sizes[accepted] = len(raw)
            is_packed = answer.headers.get("content-encoding") == "gzip"
            assert is_packed == (accepted == "gzip")
            assert len(json.loads(gzip.decompress(raw) if is_packed else raw)["items"]) == 20
        assert sizes["gzip"] * 5 < sizes["deflate"] == sizes["gzip;q=0, identity"]
        small = await centre.http.get("/healthz", headers={"accept-encoding": "gzip"})
        assert "content-encoding" not in small.headers
        assert (await centre.http.get("/metrics")).headers["content-type"].count("charset") == 1


@pytest.mark.parametrize(
    ("accepted", "want"),
    [
        ("gzip", True), ("br, gzip;q=0.5", True), ("*", True), ("GZIP", True),
        ("", False), ("gzip;q=0", False), ("*;q=0", False), ("gzip; q=0.0, *", False), ("identity", False),
    ],
)  # fmt: skip
def test_accept_encoding(accepted: str, want: bool) -> None:
    assert accepts_gzip(accepted) is want


@pytest.mark.parametrize(
    ("sent", "want"),
    [
        (None, False), (b"", False), (b'"a"', True), (b'W/"a"', True), (b'"b" , "a"', True), (b"*", True),
        (b'"b"', False), (b'"ab"', False), (b"a", False),
    ],
)  # fmt: skip
def test_if_none_match(sent: bytes | None, want: bool) -> None:
    assert matches(sent, b'"a"') is want
    assert matches(sent, b'W/"a"') is want


async def test_the_answers_are_as_described(tmp_path: Path) -> None:
    """Each route of the app is described, and each answer fits its schema."""
    async with running(tmp_path) as centre:
        for n in range(1, 4):
            centre.send(n, violation(n))
        centre.send(4, violation(4), esn="RSU009")  # unknown: set aside
        await centre.until_sent(3)
        document = await centre.get("/api/openapi.json")
        described = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
        own = routes(centre.app, tmp_path / "static")
        served = {
            (getattr(route, "path_format", route.path), str(method))
            for route in own.routes
            for method in getattr(route, "methods", None) or ("GET",)
            if method != "OPTIONS"
        } - {("/", "GET"), ("/{path}", "GET")}
        assert {key for key in described if key[1] != "HEAD"} == served
        checked = 0
        for path, item in document["paths"].items():
            schema = _schema_of(item.get("get", {}))
            if schema is None or "{" in path:
                continue
            _check(document, schema, (await centre.http.get(path)).json(), path)
            checked += "$ref" in schema
        assert checked >= 7
        whole = await centre.get(f"/api/violations/{episode_id(1)}")
        _check(document, {"$ref": "#/components/schemas/EpisodeDetail"}, whole, "violation")
        refused = (await centre.http.get("/api/violations?x=1")).json()
        _check(document, {"$ref": "#/components/schemas/Problem"}, refused, "problem")
        with pytest.raises(jsonschema_rs.ValidationError):
            _check(document, {"$ref": "#/components/schemas/EpisodeDetail"}, refused, "another")


def _schema_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("responses", {}).get("200", {}).get("content", {})
    found: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


def _check(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    whole = schema | {
        "components": document["components"],
        "$schema": "https://json-schema.org/draft/2020-12/schema",
    }
    try:
        jsonschema_rs.validate(whole, value)
    except jsonschema_rs.ValidationError as error:
        error.add_note(where)
        raise


async def test_the_page_of_the_description_needs_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        page = (await centre.http.get("/api/docs")).text
        assert page.count("<section id=") >= 15
        for name in ("/api/violations", "/api/tracks", "EpisodePage", "x-events", "Last-Event-ID"):
            assert name in page, name
        assert "<script" not in page
        assert "http" not in page.replace("HTTP", "")
        assert (await centre.http.get("/api/docs.css")).headers["content-type"] == "text/css; charset=utf-8"


STREAMS = "/api/(events|stream|tracks)"  # endless


async def _fuzz(centre: Running, folder: Path, *options: str) -> str:
    """Let schemathesis try the centre by its description; return what it says."""
    centre.app.broker.connect(FakeBroker(connected=True))  # else /readyz says 503, as it should
    (folder / "schemathesis.toml").write_text("")
    program = Path(sys.executable).parent / "schemathesis"
    process = await asyncio.create_subprocess_exec(
        program, "--config-file", folder / "schemathesis.toml", "run",
        f"http://127.0.0.1:{centre.port}/api/openapi.json",
        "--exclude-path-regex", STREAMS, "--no-color", "--warnings", "off",
        "--generation-deterministic", *options,
        # acts have rules across their fields, which no schema says: they are refused with 400 and the reason
        "--exclude-checks", "positive_data_acceptance",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_no_request_makes_it_fail(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.send(1, violation(1))
        await centre.until_sent(1)
        quick = ("--phases", "fuzzing", "--max-examples", "1", "--include-method", "GET")
        assert " passed" in await _fuzz(centre, tmp_path, *quick)


@pytest.mark.long
async def test_no_request_of_many_makes_it_fail(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        centre.send(1, violation(1))
        await centre.until_sent(1)
        assert " passed" in await _fuzz(centre, tmp_path, "--max-examples", "100")


async def test_what_was_set_aside_is_paged_as_all_lists_are(tmp_path: Path) -> None:
    async with running(tmp_path) as centre:
        for n in range(3):
            centre.app.ingest.subscriptions.receive(topics.violation_up("RSU001"), b"no batch %d" % n)
        async with asyncio.timeout(TEST_S):
            while len((whole := await centre.get("/api/quarantine"))["items"]) < 3:
                await asyncio.sleep(0.01)
        assert whole["next"] is None
        first = await centre.get("/api/quarantine?limit=2")
        rest = await centre.get(f"/api/quarantine?limit=2&before={first['next']}")
        assert first["items"] + rest["items"] == whole["items"]
        assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)
