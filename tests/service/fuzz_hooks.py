"""What schemathesis must know beside the OpenAPI document; it loads this module by name (SCHEMATHESIS_HOOKS)."""

from __future__ import annotations

from typing import Any

import schemathesis


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Leave out the client's deadline: a millisecond is a valid one, and its 504 a right answer."""
    for path in raw_schema["paths"].values():
        for operation in path.values():
            operation.pop("parameters", None)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Make well-formed spans also ordered, disjoint and in range, which JSON Schema cannot ask for."""
    body = case.body
    if isinstance(body, dict):
        for article in body.get("articles", [body]) if isinstance(body.get("articles", []), list) else []:
            if isinstance(article, dict) and _is_well_formed(article):
                article["spans"] = _fitting(article["text"], article.get("offset_unit"))


def _is_well_formed(article: dict[str, Any]) -> bool:
    spans, text = article.get("spans"), article.get("text")
    if not isinstance(spans, list) or not isinstance(text, str) or not text.strip() or "\0" in text:
        return False
    return bool(spans) and all(
        isinstance(span, list)
        and len(span) == 2
        and all(isinstance(x, (int, float)) and not isinstance(x, bool) and x >= 0 for x in span)
        for span in spans
    )


def _fitting(text: str, unit: Any) -> list[list[int]]:
    length = len(text.encode("utf-16-le")) // 2 if unit == "utf16" else len(text)
    return [[0, length]]
