"""The routes as a page for people, made from the OpenAPI document: no script, no network."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Routes of Nightshelf</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/page.css">
</head>
<body>
<header>
<a class="brand" href="/">Nightshelf</a>
</header>
<main class="routes">
<h1>Routes</h1>
<p class="note">Every list is of the version that its answer names.
The same as OpenAPI: <a href="/openapi.json">/openapi.json</a></p>
"""


def routes_page(document: dict[str, Any]) -> str:
    """HTML.

    document: OpenAPI, as FastAPI makes it
    """
    schemas = document.get("components", {}).get("schemas", {})
    parts = [HEAD]
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(about.get('description', ''))}</p>")
            parts.append(_table("parameter", _parameters(about)))
            parts.append(_table("answer", _fields(about, schemas)))
    return "\n".join([*parts, "</main>\n</body>\n</html>\n"])


def _parameters(about: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for parameter in about.get("parameters", ()):
        yield parameter["name"], _type(parameter["schema"]), parameter.get("description", "")
    body = about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for name, schema in body.get("properties", {}).items():
        yield name, _type(schema), "of the JSON body"


def _fields(about: dict[str, Any], schemas: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The keys of the answer, and below a list those of its items."""
    content = about["responses"].get("200", {}).get("content", {})
    shape = _shape(content.get("application/json", {}).get("schema", {}), schemas)
    for name, schema in shape.get("properties", {}).items():
        yield name, _type(schema), ""
        for below, inner in _shape(schema.get("items", {}), schemas).get("properties", {}).items():
            yield f"{name}[].{below}", _type(inner), ""


def _shape(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    shape: dict[str, Any] = schemas.get(schema.get("$ref", "").rpartition("/")[2], {})
    return shape


def _type(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf") or schema.get("oneOf")
    return " or ".join(map(_type, options)) if options else schema.get("type", "object")


def _table(what: str, rows: Iterator[tuple[str, str, str]]) -> str:
    cells = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(about)}</td></tr>"
        for name, kind, about in rows
    ]
    if not cells:
        return ""
    return f"<table><tr><th>{what}</th><th>type</th><th></th></tr>{''.join(cells)}</table>"
