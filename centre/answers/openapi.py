"""Describes the interface as OpenAPI 3.1, from the app's own handlers."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, cast

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from centre.answers.shapes import components
from centre.answers.streams import STREAMS

VERSION = "1"
PROBLEM = {
    "description": "Refused or failed: a problem (RFC 9457)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
REF = "#/components/schemas/{name}"
BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum",
          "min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"}  # fmt: skip
ANY = {"type": "object"}


def describe(app: Litestar) -> dict[str, Any]:
    """Return the OpenAPI document of an app."""
    schemas = components()
    paths: dict[str, Any] = {}
    for path, method, handler, model in _handlers(app):
        paths.setdefault(path, {})[method] = _operation(path, method, handler, model, schemas)
        if method == "get":
            paths[path]["head"] = _head(paths[path]["get"])
    paths |= {path: {"get": stream} for path, stream in STREAMS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "petroroad centre", "version": VERSION, "description": "See centre/API.md."},
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas, "responses": {"Problem": PROBLEM}},
    }


def _handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler, Any]]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, model) in route.route_handler_map.items():
            if method not in ("OPTIONS", "HEAD") and not handler.opt.get("undescribed"):
                yield route.path_format or "/", str(method).lower(), handler, model


def _operation(
    path: str, method: str, handler: HTTPRouteHandler, model: Any, schemas: dict[str, Any]
) -> dict[str, Any]:
    about = (handler.fn.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    found: dict[str, Any] = {
        "operationId": _id(method, path),
        "summary": about or handler.handler_name.replace("_", " "),
        "parameters": list(_parameters(handler, model)),
        "responses": _answers(handler, schemas),
    }
    if "right" in handler.opt:
        found["x-right"] = handler.opt["right"]
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is not None:
        schema = _schema(data.annotation, schemas)
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return found


def _id(method: str, path: str) -> str:
    return "_".join([method, *re.findall(r"\w+", path)]) if path != "/" else f"{method}_page"


def _parameters(handler: HTTPRouteHandler, model: Any) -> Iterator[dict[str, Any]]:
    places = {"path": model.expected_path_params, "query": model.expected_query_params,
              "header": model.expected_header_params}  # fmt: skip
    fields = handler.parsed_fn_signature.parameters
    for place, definitions in places.items():
        for each in sorted(definitions, key=lambda definition: definition.field_alias):
            field = fields[each.field_name]
            schema = _bounded(_schema(field.raw if field.annotation is None else field.annotation), field)
            if each.default not in (None, ...) and isinstance(each.default, (str, int, float, bool)):
                schema = schema | {"default": each.default}
            yield {"name": each.field_alias, "in": place, "required": place == "path" or each.is_required,
                   "schema": schema}  # fmt: skip


def _bounded(schema: dict[str, Any], field: Any) -> dict[str, Any]:
    """Add the limits that the handler sets for a parameter; null can't be written in a query."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        schema = kinds[0]
    limits = field.kwarg_definition
    if limits is None:
        return schema
    given = {to: getattr(limits, name, None) for name, to in BOUNDS.items()}
    return schema | {name: limit for name, limit in given.items() if limit is not None}


def _schema(annotation: Any, schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of a type; those with a name go to `schemas`."""
    try:
        (found,), named = msgspec.json.schema_components([annotation], ref_template=REF)
    except TypeError:  # a type of the framework's own, such as a path
        return {"type": "string"}
    if schemas is not None:
        schemas.update({name: schema for name, schema in named.items() if name not in schemas})
    return dict(found)


def _answers(handler: HTTPRouteHandler, schemas: dict[str, Any]) -> dict[str, Any]:
    status = str(handler.status_code)
    opt = cast(Mapping[str, Any], handler.opt)
    schema: dict[str, Any] = dict(ANY)
    returned = handler.parsed_fn_signature.return_type.annotation
    if "answer" in opt:
        schema = {"$ref": REF.format(name=opt["answer"])}
    elif isinstance(returned, type) and issubclass(returned, msgspec.Struct):
        schema = _schema(returned, schemas)
    media = opt.get("media_types", ("application/json",))
    good: dict[str, Any] = {"description": HTTPStatus(int(status)).phrase}
    if status != "204":
        good["content"] = {kind: {"schema": schema} if kind.endswith("json") else {} for kind in media}
    found = {status: good}
    if opt.get("cached"):
        found["304"] = {"description": "The client has it: If-None-Match names its ETag"}
    for more in opt.get("statuses", ()):
        found[str(more)] = {"description": HTTPStatus(more).phrase, "content": good.get("content", {})}
    return found | {"default": {"$ref": "#/components/responses/Problem"}}


def _head(get: dict[str, Any]) -> dict[str, Any]:
    """Return the description of HEAD: that of GET, without contents."""
    bare = {
        status: {name: value for name, value in answer.items() if name != "content"}
        if status != "default" else {"description": "Refused or failed"}
        for status, answer in get["responses"].items()
    }  # fmt: skip
    return get | {"operationId": get["operationId"].replace("get_", "head_", 1), "responses": bare}
