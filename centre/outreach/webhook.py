"""Sends one event to a web address: signed, without following anywhere, within a time. Blocking."""

import hashlib
import hmac
import http.client
from urllib.parse import urlsplit

from centre.http_cut import cut_after
from edge.sections import WebhookConfig

ANSWER_BYTES_MAX = 65_536


class NotDeliveredError(Exception):
    """The other side did not confirm; says why."""


def signature(secret: str, stamp_s: int, event_id: str, body: bytes) -> str:
    """Return the value of X-Petroroad-Signature: HMAC-SHA256 over time, id and body, parted by points."""
    signed = f"{stamp_s}.{event_id}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def send(config: WebhookConfig, event_id: str, body: bytes, stamp_s: int) -> None:
    """Send an event; raises NotDeliveredError for every answer but 2xx, and for none in time."""
    parts = urlsplit(config.url)
    assert parts.scheme in ("http", "https"), "checked with the site file"
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    headers = {
        "Content-Type": "application/json",
        "Connection": "close",
        "User-Agent": "petroroad",
        "X-Petroroad-Id": event_id,
        "X-Petroroad-Timestamp": str(stamp_s),
    }
    if config.secret is not None:
        headers["X-Petroroad-Signature"] = signature(config.secret, stamp_s, event_id, body)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection = make(parts.hostname or "", parts.port, timeout=config.timeout_s)
    except (ValueError, http.client.HTTPException) as error:
        raise NotDeliveredError(f"its address can't be: {error}"[:200]) from error
    try:
        with cut_after(connection, 2.0 * config.timeout_s):
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            answer.read(ANSWER_BYTES_MAX)
    except (OSError, http.client.HTTPException, AttributeError, ValueError) as error:  # the last: when cut
        raise NotDeliveredError(f"{type(error).__name__}: {error}"[:200]) from error
    if 300 <= answer.status < 400:
        raise NotDeliveredError(f"answers {answer.status}: it is not followed elsewhere")
    if not 200 <= answer.status < 300:
        raise NotDeliveredError(f"answers {answer.status} {answer.reason}"[:200])
