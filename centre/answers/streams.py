"""The description of the streams, which OpenAPI has no words for: server-sent events and WebSockets."""

from typing import Any

_AFTER = {
    "name": "after", "in": "query", "required": False,
    "description": "The number of the last change that the client has; without it, from now on",
    "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
}  # fmt: skip
_LAST = {
    "name": "Last-Event-ID", "in": "header", "required": False,
    "description": "As `after`, and before it",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
}  # fmt: skip
_STRETCHES = {
    "type": "array", "maxItems": 8,
    "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}},
}  # fmt: skip
_PROBLEM = {"$ref": "#/components/responses/Problem"}
_EVENTS = {
    "violation": {"id": True, "data": {"$ref": "#/components/schemas/Episode"}},
    "rsu": {"id": True, "data": {"$ref": "#/components/schemas/Rsu"}},
    "gateway": {"id": True, "data": {"$ref": "#/components/schemas/Gateway"}},
    "rsus": {"id": False, "data": {"$ref": "#/components/schemas/RsuTable"}},
    "summary": {"id": False, "data": {"$ref": "#/components/schemas/Summary"}},
    "reset": {"id": True, "data": {"type": "object", "properties": {"cursor": {"type": "integer"}}}},
}


def _socket(summary: str, parameters: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": parameters,
        "responses": {
            "101": {"description": "Switching Protocols: the WebSocket is open"},
            "404": {"description": "No WebSocket was asked for", **_content()},
            "default": _PROBLEM,
        },
        **more,
    }


def _content() -> dict[str, Any]:
    return {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}


STREAMS: dict[str, dict[str, Any]] = {
    "/api/events": {
        "operationId": "get_api_events",
        "summary": "Server-sent events: committed changes, each once and in order, and the present state",
        "parameters": [_AFTER, _LAST],
        "responses": {
            "200": {
                "description": "An endless stream; `x-events` has its events",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            "default": _PROBLEM,
        },
        "x-events": _EVENTS,
    },
    "/api/stream": _socket(
        "WebSocket: the events of /api/events, each a text message of the same lines", [_AFTER],
        operationId="get_api_stream",
        **{
            "x-events": _EVENTS,
            "x-client-messages": {
                "shown": {
                    "description": "Numbers of changes that the page has drawn",
                    "data": {
                        "type": "object", "required": ["shown"],
                        "properties": {
                            "shown": {"type": "array", "maxItems": 64, "items": {"type": "integer"}}
                        },
                    },
                }
            },
        },
    ),
    "/api/tracks": _socket(
        "WebSocket: snapshots of vehicles, binary MessagePack, one RSU in each message", [],
        operationId="get_api_tracks",
        **{
            "x-client-messages": {
                "view": {
                    "description": "Stretches [m] that the client shows closely: full rate there",
                    "data": {"type": "object", "required": ["view"], "properties": {"view": _STRETCHES}},
                }
            },
        },
    ),
}  # fmt: skip
