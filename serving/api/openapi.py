"""The OpenAPI 3.1 document, made of the routes, what their endpoints say of themselves, and the schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from starlette.routing import Route

from serving.access.who import roles_with
from serving.api.describing import Described
from serving.api.problem import KINDS, MEDIA_TYPE
from serving.api.schemas_acts import PROBLEM

REF = "#/components/schemas/{model}"
ALWAYS = ("invalid-request", "wrong-host", "too-many", "internal", "timed-out", "no-run", "too-large")
BEHIND_KEYS = ("unauthorized", "forbidden")
SECURED: list[dict[str, Any]] = [{"key": []}, {}]
RETRIED = {"too-many", "timed-out", "no-ledger"}
ABOUT = {
    "title": "Keepwell",
    "version": "1",
    "description": "Which merchants are about to leave or to grow, why, what that is worth, and what to do next. Every answer carries the run "
    "(`run_id`), the model (`model_version`) and the instant after which it knows nothing (`cutoff`). Errors are RFC 9457 problems.",
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of those routes whose endpoints describe themselves."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    for route in routes:
        described: Described | None = getattr(route.endpoint, "described", None)
        if described is None:
            continue
        path = re.sub(r":\w+}", "}", route.path)
        method = next(iter(sorted((route.methods or {"GET"}) - {"HEAD"}))).lower()
        paths.setdefault(path, {})[method] = _operation(route, described, schemas)
    components = {"schemas": dict(sorted(schemas.items())), "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    return {"openapi": "3.1.0", "info": ABOUT, "paths": dict(sorted(paths.items())), "components": components}


def _operation(route: Route, described: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    doc = (route.endpoint.__doc__ or "").strip()
    right: Any = getattr(route.endpoint, "right", "see")
    found: dict[str, Any] = {"operationId": described.name, "summary": " ".join(doc.split())}
    if not described.is_open:
        found["description"] = f"For keys of role {', '.join(roles_with(right))}."
        found["security"] = SECURED
    parameters = [*_in_path(route), *_in_query(described, schemas), *_in_header(described)]
    if parameters:
        found["parameters"] = parameters
    if described.body is not None:
        schema = _schema(described.body, "validation", schemas)
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    found["responses"] = _responses(described, schemas)
    return found


def _in_path(route: Route) -> list[dict[str, Any]]:
    kinds = {"int": {"type": "integer", "minimum": 0}, "path": {"type": "string", "minLength": 1}, "str": {"type": "string", "minLength": 1}}
    found = re.findall(r"{(\w+)(?::(\w+))?}", route.path)
    return [{"name": name, "in": "path", "required": True, "schema": kinds[kind or "str"]} for name, kind in found]


def _in_query(described: Described, schemas: dict[str, Any]) -> list[dict[str, Any]]:
    if described.question is None:
        return []
    whole = TypeAdapter(described.question).json_schema(ref_template=REF)
    schemas |= whole.pop("$defs", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _given(schema)} for name, schema in whole["properties"].items()
    ]


def _given(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter where it is given: it is left out rather than null."""
    found = {name: value for name, value in schema.items() if name not in ("title", "anyOf") and not (name == "default" and value is None)}
    one: dict[str, Any] = next((kind for kind in schema.get("anyOf", ()) if kind.get("type") != "null"), {})
    return {**one, **found}


def _in_header(described: Described) -> list[dict[str, Any]]:
    found = []
    if described.has_tag:
        told = "The ETag of an answer that the caller has; where it still holds, 304 without a body."
        found.append({"name": "If-None-Match", "in": "header", "required": False, "description": told, "schema": {"type": "string"}})
    if described.is_keyed:
        told = (
            "A name for this deed, of the caller's own making: asked again under the same name nothing is done twice and the answer is the same. "
            "Without it, the same body for the same run counts as a retry."
        )
        schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "description": told, "schema": schema})
    return found


def _responses(described: Described, schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"application/json": {"schema": _schema(described.answer, "serialization", schemas)}}
    content |= {kind: {"schema": {"type": "string"}} for kind in described.files}
    done: dict[str, Any] = {"description": "What was asked for.", "content": content}
    tag = {"ETag": {"schema": {"type": "string"}, "description": "Another one where the answer is another one."}}
    if described.has_tag:
        done["headers"] = tag
    found: dict[str, Any] = {str(described.status): done}
    if described.has_tag:
        found["304"] = {"description": "The answer is still the one that the caller has.", "headers": tag}
    kinds = {*ALWAYS, *described.problems} | (set() if described.is_open else set(BEHIND_KEYS))
    if described.body is not None:
        kinds |= {"not-json"}
    by_status: dict[int, list[str]] = {}
    for kind in KINDS:
        if kind in kinds:
            by_status.setdefault(KINDS[kind][0], []).append(kind)
    for status, names in sorted(by_status.items()):
        found[str(status)] = _problem(names)
    return dict(sorted(found.items()))


def _problem(names: list[str]) -> dict[str, Any]:
    told = "; ".join(f"{KINDS[name][1]} (`urn:keepwell:problem:{name}`)" for name in names)
    found: dict[str, Any] = {"description": f"{told}.", "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}}}
    if RETRIED & {*names}:
        found["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait."}}
    return found


def _schema(kind: Any, mode: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    whole = TypeAdapter(kind).json_schema(ref_template=REF, mode=mode)
    schemas |= whole.pop("$defs", {})
    if "title" not in whole:
        return whole
    schemas[whole["title"]] = whole
    return {"$ref": REF.format(model=whole["title"])}


def main() -> None:
    """Write the document that is checked in."""
    from serving.api.app import routes

    path = Path(__file__).with_name("openapi.json")
    path.write_text(json.dumps(document(routes()), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
