"""A web server of others that gets events of alarms: it can fail, hang, and be away; no test itself."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

STATUS = {"ok": 204, "fail": 500, "elsewhere": 302}


class Platform:
    """`seen` is what came, with the mode of that moment; `taken` what was confirmed, in its order."""

    def __init__(self, port: int = 0) -> None:
        self.mode, self.port = "ok", port
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """Listen, on the port of the last time."""
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                platform.seen.append((platform.mode, dict(self.headers), body))
                if platform.mode == "hang":
                    self.rfile.read(1)  # until the centre leaves
                    return
                status = STATUS[platform.mode]
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"http://127.0.0.1:{platform.port}/other")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def end(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def taken(self) -> list[dict[str, Any]]:
        return [json.loads(body) for mode, _, body in self.seen if mode == "ok"]


def signature_of(secret: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the signature that a request must have, as a receiver computes it."""
    signed = f"{headers['X-Petroroad-Timestamp']}.{headers['X-Petroroad-Id']}.".encode() + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
