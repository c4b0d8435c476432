"""The OpenAPI document of the service, made from its models and settings; BentoML's own knows POST routes only."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.errors import STATUS, Code
from service.guard import OPEN
from service.replies import BatchReply, ErrorReply, LabelsReply, ModelReply, TagReply
from service.schemas import BatchRequest, TagRequest
from service.settings import Settings

_REF = "#/components/schemas/{model}"
_TEXT = "أغلقت السلطات المعبر الحدودي صباح الاثنين. وقال الوزير إن الإغلاق سيستمر أسبوعا."
_TARGET = "سيُفتح المعبر قريبا."

TAG_EXAMPLES: dict[str, dict[str, Any]] = {
    "text": {"summary": "an article with one target", "value": {"id": "a1", "text": _TEXT, "targets": [_TARGET]}},
    "sentences": {
        "summary": "the caller's own sentences",
        "value": {"sentences": _TEXT.split(". "), "scores": True},
    },
    "spans": {
        "summary": "the caller's own segmentation of a text",
        "value": {"text": _TEXT, "spans": [[0, 42]], "default_target": True, "offset_unit": "utf16"},
    },
}
BATCH_EXAMPLES: dict[str, dict[str, Any]] = {
    "two": {
        "summary": "two articles that share their targets",
        "value": {"articles": [{"id": "a1", "text": _TEXT}, {"id": "a2", "text": _TARGET}], "targets": [_TARGET]},
    }
}
# The codes a route can answer with; the guard's own stand on every route.
_ANYWHERE: tuple[Code, ...] = ("method_not_allowed", "internal")
_KEYED: tuple[Code, ...] = ("unauthorized",)
_POSTED: tuple[Code, ...] = (
    "bad_request",
    "too_large",
    "unsupported_media_type",
    "invalid",
    "queue_full",
    "not_ready",
    "deadline",
)

CONTRACT = "1"
"""Version of the REST contract; the bundle that answers has one of its own, in /v1/model."""


def document(settings: Settings) -> dict[str, Any]:
    """The document, with the limits and the security of these settings."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in (TagRequest, BatchRequest)]
        + [(model, "serialization") for model in (TagReply, BatchReply, LabelsReply, ModelReply, ErrorReply)],
        ref_template=_REF,
    )
    schemas = definitions["$defs"]
    _set_limits(schemas, settings)
    components: dict[str, Any] = {"schemas": schemas}
    if settings.api_keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Qawl",
            "version": CONTRACT,
            "summary": "Claim types, voice and stance of every sentence of an Arabic article",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/v1/tag": {"post": _post("tag", "Tag one article", TagRequest, TagReply, TAG_EXAMPLES, settings)},
            "/v1/batch": {
                "post": _post("batch", "Tag many articles", BatchRequest, BatchReply, BATCH_EXAMPLES, settings)
            },
            "/v1/labels": {"get": _get("labels", "The label scheme", LabelsReply, settings)},
            "/v1/model": {"get": _get("model", "The model that is served", ModelReply, settings)},
            "/": {"get": _plain("page", "The page", "text/html", "/", settings)},
            "/livez": {"get": _plain("livez", "Whether the process lives", "text/plain", "/livez", settings)},
            "/healthz": {"get": _plain("healthz", "The same as /livez", "text/plain", "/healthz", settings)},
            "/readyz": {"get": _plain("readyz", "Whether to send requests", "text/plain", "/readyz", settings)},
            "/metrics": {"get": _plain("metrics", "Prometheus metrics", "text/plain", "/metrics", settings)},
            "/docs.json": {"get": _plain("docs", "This document", "application/json", "/docs.json", settings)},
        },
        "components": components,
    }


def _set_limits(schemas: dict[str, Any], settings: Settings) -> None:
    """State the limits where a generator of clients (or of test cases) looks for them."""
    tag, batch = schemas["TagRequest"]["properties"], schemas["BatchRequest"]["properties"]
    batch["articles"]["items"] = {
        "anyOf": [
            {"$ref": _REF.format(model="TagRequest")},
            {"description": "anything else is answered with an error in its place"},
        ]
    }
    batch["articles"]["maxItems"] = settings.max_articles
    for name in ("sentences", "spans"):
        tag[name] |= {"minItems": 1, "maxItems": settings.max_sentences}
    for owner in (tag, batch):
        owner["targets"]["maxItems"] = settings.max_targets
    for text in (tag["text"], tag["title"], *(owner["targets"]["items"] for owner in (tag, batch))):
        # Not only white space, no NUL.
        text |= {"maxLength": settings.max_text, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
    tag["sentences"]["items"] |= {"maxLength": settings.max_text, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
    schemas["TagRequest"]["oneOf"] = [
        {"required": ["text"], "not": {"required": ["sentences"]}},
        {"required": ["sentences"], "not": {"anyOf": [{"required": ["text"]}, {"required": ["spans"]}]}},
    ]


def _post(
    name: str,
    summary: str,
    request: type[BaseModel],
    reply: type[BaseModel],
    examples: dict[str, Any],
    settings: Settings,
) -> dict[str, Any]:
    body = {"schema": {"$ref": _REF.format(model=request.__name__)}, "examples": examples}
    deadline = {
        "name": "x-deadline-ms",
        "in": "header",
        "description": "give up (504) after so many milliseconds; can only shorten the service's own deadline",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [deadline],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"200": _json_reply(reply), **_errors((*_ANYWHERE, *_POSTED), settings, keyed=True)},
        **_security(settings),
    }


def _get(name: str, summary: str, reply: type[BaseModel], settings: Settings) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": _json_reply(reply), **_errors((*_ANYWHERE, "not_ready"), settings, keyed=True)},
        **_security(settings),
    }


def _plain(name: str, summary: str, media_type: str, path: str, settings: Settings) -> dict[str, Any]:
    keyed = path not in OPEN
    ok = {"description": "OK", "headers": _rid_header(), "content": {media_type: {}}}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": ok, **_errors((*_ANYWHERE, "not_ready"), settings, keyed=keyed)},
        **(_security(settings) if keyed else {}),
    }


def _security(settings: Settings) -> dict[str, Any]:
    return {"security": [{"key": []}]} if settings.api_keys else {}


def _json_reply(reply: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=reply.__name__)}
    return {"description": "OK", "headers": _rid_header(), "content": {"application/json": {"schema": schema}}}


def _errors(codes: tuple[Code, ...], settings: Settings, *, keyed: bool) -> dict[str, Any]:
    if keyed and settings.api_keys:
        codes = (*codes, *_KEYED)
    schema = {"$ref": _REF.format(model=ErrorReply.__name__)}
    content = {"application/json": {"schema": schema}}
    return {
        str(int(STATUS[code])): {"description": code, "headers": _rid_header(), "content": content}
        for code in sorted(codes, key=STATUS.__getitem__)
    }


def _rid_header() -> dict[str, Any]:
    return {"x-request-id": {"description": "names the request in the logs", "schema": {"type": "string"}}}
