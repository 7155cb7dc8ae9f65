"""Serves the built page from memory, with gzip and ETag; browsers cache files with a hash in their name."""

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ControllerRouterHandler

from centre.accounts.actor import SCOPE_KEY
from centre.answers.delivery import accepts_gzip

SIGN_IN = "signin.html"  # in the place of the page for whoever has to sign in first

HASHED = "assets/"  # Vite names these files after their content
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
PACKED_BYTES_MIN = 1_000
# ?lang=, ?theme= and others are for the page's own script; the description is of the interface below it
PAGE = {"any_query": True, "undescribed": True, "public": True}
NO_PAGE = """<!doctype html><meta charset="utf-8"><title>petroroad</title>
<h1>The page is not built</h1><p>Run <code>make page</code> in the clone, install again where it was
installed, and start again. The data is at <a href="/api/summary">/api/summary</a>.</p>
<h1 lang="zh-CN">页面尚未构建</h1>
<p lang="zh-CN">请在代码目录运行 <code>make page</code>，已安装的请重新安装，然后重启</p>
"""
TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".html": "text/html"}


class File(NamedTuple):
    """One file of the page as it is sent."""

    plain: bytes
    packed: bytes | None  # gzip, where that is smaller
    kind: str
    etag: str
    cache: str


def load(directory: Path) -> dict[str, File]:
    """Return the files of the built page by their path below `directory`; empty where it is not built."""
    if not (directory / "index.html").is_file():
        return {}
    names = sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())
    return {name: _file(name, (directory / name).read_bytes()) for name in names}


def _file(name: str, plain: bytes) -> File:
    packed = gzip.compress(plain, 6, mtime=0) if len(plain) >= PACKED_BYTES_MIN else plain
    suffix = Path(name).suffix
    kind = TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(
        plain=plain,
        packed=packed if len(packed) < len(plain) else None,
        kind=kind,
        etag=f'"{hashlib.sha256(plain).hexdigest()[:32]}"',
        cache=FOR_EVER if name.startswith(HASHED) else ASK_AGAIN,
    )


def handlers(directory: Path) -> list[ControllerRouterHandler]:
    """Return the handlers of the built page, or of the one that says how to build it."""
    files = load(directory)

    @get("/", opt=PAGE, sync_to_thread=False)
    def index(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not files:
            return Response(NO_PAGE.encode(), media_type="text/html")
        may_look = SCOPE_KEY in request.scope
        return _answer(files["index.html" if may_look or SIGN_IN not in files else SIGN_IN], request)

    @get("/{path:path}", opt=PAGE, sync_to_thread=False)
    def file(path: FromPath[Path], request: Request[Any, Any, Any]) -> Response[bytes]:
        found = files.get(path.as_posix().removeprefix("/"))
        if found is None:
            raise NotFoundException("no such file")
        return _answer(found, request)

    return [index, file] if files else [index]


def _answer(found: File, request: Request[Any, Any, Any]) -> Response[bytes]:
    headers = {"etag": found.etag, "cache-control": found.cache, "vary": "accept-encoding, cookie"}
    body = found.plain
    if found.packed is not None and accepts_gzip(request.headers.get("accept-encoding", "")):
        headers["content-encoding"], body = "gzip", found.packed
    return Response(body, headers=headers, media_type=found.kind)
