"""A still picture of an RSU's camera, where the site names an address for it. Blocking, but for 3 s."""

import http.client
import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from centre.http_cut import cut_after

BYTES_MAX = 2_000_000
TIME_S = 3.0
PIECE_BYTES = 65_536
KINDS = {"image/jpeg": (".jpg", b"\xff\xd8\xff"), "image/png": (".png", b"\x89PNG\r\n\x1a\n")}


class NoStillError(Exception):
    """There is no picture; says why."""


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return an address with {esn}, {stamp_s} and {plate} in place."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    return template


def fetch(url: str) -> tuple[str, bytes]:
    """Return (suffix of its kind, bytes); raises NoStillError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoStillError("its address is neither http nor https")
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    try:
        connection = make(parts.hostname, parts.port, timeout=TIME_S)
    except (ValueError, http.client.HTTPException) as error:
        raise NoStillError(f"its address can't be: {error}"[:200]) from error
    until_s = time.monotonic() + TIME_S
    try:
        with cut_after(connection, TIME_S):
            query = f"?{parts.query}" if parts.query else ""
            connection.request("GET", (parts.path or "/") + query, headers={"Connection": "close"})
            answer = connection.getresponse()
            kind = (answer.getheader("Content-Type") or "").partition(";")[0].strip().lower()
            if answer.status != 200 or kind not in KINDS:
                raise NoStillError(f"it answers {answer.status} {kind or 'without a type'}"[:200])
            body = b""
            while piece := answer.read(PIECE_BYTES):
                body += piece
                if len(body) > BYTES_MAX:
                    raise NoStillError(f"it is longer than {BYTES_MAX} bytes")
            if time.monotonic() >= until_s:  # what was cut looks like an end
                raise NoStillError(f"it is slower than {TIME_S:g} s")
    except (OSError, http.client.HTTPException, AttributeError, ValueError) as error:
        raise NoStillError(f"{type(error).__name__}: {error}"[:200]) from error
    suffix, head = KINDS[kind]
    if not body.startswith(head):
        raise NoStillError(f"what it sends is no {kind}")
    return suffix, body
