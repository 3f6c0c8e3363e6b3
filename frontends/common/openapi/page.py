"""The document as one page of HTML: no scripts, nothing from elsewhere, readable in light and dark.

A bundle that renders any document in the browser has one and a half megabytes of scripts, wants a policy that
lets them run, and shows nothing without them. This document is our own and has eleven operations.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from importlib import resources
from typing import Any

Json = dict[str, Any]

_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")
METHODS = ("get", "put", "post", "delete", "head", "options")


def render(document: Json) -> bytes:
    """The page. Raises ``KeyError`` where the document is not one of ours."""
    info = document["info"]
    title = f"{info['title']} {info['version']}"
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>{escape(title)}: REST API</title><link rel="icon" href="data:,">',
        f"<style>{_style()}</style></head><body>",
        '<a class="skip" href="#content">To the content</a>',
        f"<nav aria-label='Operations'>{''.join(_contents(document))}</nav>",
        f'<main id="content"><header><h1>{escape(title)}</h1><p>{_inline(info["summary"])}. ',
        'For programs: <a href="openapi.json">openapi.json</a>.</p></header>',
        _paragraphs(info["description"]),
    ]
    for tag in document["tags"]:
        parts.append(f"<section aria-labelledby='tag-{tag['name']}'>")
        parts.append(
            f"<h2 id='tag-{tag['name']}'>{escape(tag['name'])}</h2><p>{_inline(tag['description'])}</p>"
        )
        parts += [_operation(document, *each) for each in _operations(document, tag["name"])]
        parts.append("</section>")
    parts.append("<section aria-labelledby='schemas'><h2 id='schemas'>schemas</h2>")
    parts += [_schema(name, each) for name, each in document["components"]["schemas"].items()]
    parts.append("</section></main></body></html>\n")
    return "".join(parts).encode()


def policy() -> str:
    """The ``Content-Security-Policy`` of the page: its own style, by its hash, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def _style() -> str:
    return resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def _operations(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item and tag in item[method]["tags"]:
                yield path, method, item[method]


def _contents(document: Json) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<p><a href='#tag-{tag['name']}'>{escape(tag['name'])}</a></p><ul>"
        for path, method, operation in _operations(document, tag["name"]):
            if method in ("head", "options"):
                continue
            name = f"<b class='{method}'>{method.upper()}</b> {escape(path)}"
            yield f"<li><a href='#{operation['operationId']}'>{name}</a></li>"
        yield "</ul>"
    yield "<p><a href='#schemas'>schemas</a></p>"


def _operation(document: Json, path: str, method: str, operation: Json) -> str:
    name = operation["operationId"]
    heading = f"<b class='{method}'>{method.upper()}</b> <code>{escape(path)}</code>"
    summary = f"<p><strong>{_inline(operation['summary'])}</strong> {_inline(operation['description'])}</p>"
    if method in ("head", "options"):
        return f"<article class='brief' id='{name}'><h3>{heading}</h3>{summary}</article>"
    parts = [f"<article id='{name}'><h3>{heading}</h3>{summary}"]
    roles = [role for each in operation["security"] for role in each.get("bearer", ())]
    parts.append(f"<p>Roles: {_list(roles) or 'none is asked for'}.</p>")
    parameters = [*document["paths"][path].get("parameters", ()), *operation.get("parameters", ())]
    if parameters:
        rows = [_parameter(_resolved(document, each)) for each in parameters]
        parts.append(_table("Parameters", ("name", "in", "what"), rows))
    if "requestBody" in operation:
        body = operation["requestBody"]
        parts.append(f"<p>Body: {_contents_of(body['content'])}. {_inline(body.get('description', ''))}</p>")
    rows = [_answer(document, status, each) for status, each in operation["responses"].items()]
    parts.append(_table("Answers", ("status", "what", "headers", "body"), rows))
    parts.append("</article>")
    return "".join(parts)


def _parameter(parameter: Json) -> tuple[str, ...]:
    what = f"{_inline(parameter['description'])} {_limits(parameter['schema'])}"
    must = " (required)" if parameter["required"] else ""
    return f"<code>{escape(parameter['name'])}</code>{must}", parameter["in"], what


def _answer(document: Json, status: str, answer: Json) -> tuple[str, ...]:
    body = _contents_of(answer.get("content", {}))
    examples = "".join(_example(each) for each in _examples(document, answer))
    return status, _inline(answer["description"]), _list(answer.get("headers", ())), body + examples


def _examples(document: Json, answer: Json) -> Iterator[object]:
    for media in answer.get("content", {}).values():
        if "example" in media:
            yield media["example"]
        for each in media.get("examples", {}).values():
            yield _resolved(document, each)["value"]


def _example(value: object) -> str:
    text = escape(json.dumps(value, ensure_ascii=False, indent=1))
    return f"<details><summary>example</summary><pre tabindex='0'>{text}</pre></details>"


def _schema(name: str, schema: Json) -> str:
    parts = [
        f"<article id='schema-{name}'><h3><code>{name}</code></h3><p>{_inline(schema['description'])}</p>"
    ]
    rows = list(_members(schema, ""))
    if rows:
        parts.append(_table("Members", ("member", "type", "what"), rows))
    parts += [_example(each) for each in schema.get("examples", ())]
    return "".join([*parts, "</article>"])


def _members(schema: Json, prefix: str) -> Iterator[tuple[str, ...]]:
    for name, member in schema.get("properties", {}).items():
        optional = "" if name in schema.get("required", ()) else " (optional)"
        what = f"{_inline(member.get('description', ''))} {_limits(member)}"
        yield f"<code>{escape(prefix + name)}</code>{optional}", _type(member), what
        yield from _members(member, f"{prefix}{name}.")
        items = member.get("items", {})
        yield from _members(items, f"{prefix}{name}[].")


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return _link(schema)
    kind = schema.get("type", "any")
    if kind == "array":
        return f"array of {_type(schema['items'])}"
    return escape(" or ".join(kind) if isinstance(kind, list) else kind)


def _limits(schema: Json) -> str:
    found = []
    for name in ("minLength", "maxLength", "minimum", "maximum", "maxItems", "pattern", "enum"):
        if name in schema:
            value = schema[name]
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append(f"{name}: <code>{escape(shown)}</code>")
    return f"<small>{'; '.join(found)}</small>" if found else ""


def _contents_of(content: Json) -> str:
    return ", ".join(
        f"<code>{escape(media)}</code> {_link(each.get('schema', {}))}" for media, each in content.items()
    )


def _link(schema: Json) -> str:
    for each in (schema, *schema.get("allOf", ())):
        if "$ref" in each:
            name = each["$ref"].rpartition("/")[2]
            return f"<a href='#schema-{name}'>{name}</a>"
    return ""


def _resolved(document: Json, item: Json) -> Json:
    if "$ref" not in item:
        return item
    found = document
    for name in item["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def _table(caption: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th scope='col'>{each}</th>" for each in heads)
    body = "".join(
        f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    # Focusable, so that whoever has no mouse can scroll it.
    return (
        f"<div class='wide' role='region' tabindex='0' aria-label='{caption}'>"
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in names)


def _inline(text: str) -> str:
    """Code and emphasis of Markdown; the document uses no more of it."""
    return _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text)))


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_inline(each)}</p>" for each in text.split("\n\n"))
