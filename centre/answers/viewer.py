"""The description of the interface as one HTML page, without scripts and without internet. Pure."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

STYLE = """\
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 1000px; margin: 0 auto; padding: 16px; }
h2 { font-size: 18px; margin: 24px 0 8px; }
section { border-top: 1px solid; padding: 8px 0; }
code, pre { font: 13px/1.5 ui-monospace, monospace; }
pre { overflow: auto; padding: 8px; border: 1px solid; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: 4px 12px 4px 0; vertical-align: top; }
.method { display: inline-block; min-width: 64px; font-weight: 700; }
summary { cursor: pointer; }
"""


def page_of(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    title = escape(document["info"]["title"])
    operations = [
        _operation(path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "head"
    ]
    schemas = [
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"{_json(schema)}</details>"
        for name, schema in sorted(document["components"]["schemas"].items())
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<title>{title}</title><link rel="icon" href="/icon.svg">'
        '<link rel="stylesheet" href="/api/docs.css"></head><body>'
        f"<main><h1>{title}</h1><p>OpenAPI {escape(document['openapi'])}: "
        '<a href="/api/openapi.json">/api/openapi.json</a>. HEAD works wherever GET does.</p>'
        f"<h2>Requests</h2>{''.join(operations)}<h2>Shapes</h2>{''.join(schemas)}</main></body></html>"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{escape(each['in'])}</td>"
        f"<td><code>{escape(_short(each['schema']))}</code></td>"
        f"<td>{escape(each.get('description', ''))}</td></tr>"
        for each in operation.get("parameters", ())
    )
    head = "<tr><th>parameter</th><th>in</th><th>values</th><th></th></tr>"
    table = f"<table>{head}{rows}</table>" if rows else ""
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{_answer(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    extra = {name: value for name, value in operation.items() if name.startswith("x-")}
    body = {"body": operation["requestBody"]} if "requestBody" in operation else {}
    more = _json(extra | body) if extra or body else ""
    return (
        f'<section id="{escape(operation["operationId"])}"><div><span class="method">{method.upper()}</span>'
        f"<code>{escape(path)}</code></div><p>{escape(operation['summary'])}</p>{table}"
        f"<table><tr><th>answer</th><th></th></tr>{answers}</table>{more}</section>"
    )


def _answer(answer: Mapping[str, Any]) -> str:
    if "$ref" in answer:
        return '<a href="#Problem">Problem</a>'
    kinds = []
    for kind, content in answer.get("content", {}).items():
        name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
        link = f' <a href="#{escape(name)}">{escape(name)}</a>' if name else ""
        kinds.append(f"<code>{escape(kind)}</code>{link}")
    return f"{escape(answer['description'])} {', '.join(kinds)}"


def _short(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return json.dumps(schema, ensure_ascii=False)


def _json(value: Any) -> str:
    return f'<pre tabindex="0">{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>'
