"""The requests of the REST contract, checked: what is not in the contract is an error that names the field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, FailFast, Field, ValidationInfo, model_validator
from pydantic import ValidationError as PydanticError
from pydantic_core import PydanticCustomError, from_json

from models.tags import Document
from service.errors import ApiError, Detail
from service.settings import PREFIX, Settings

# A field's name may be shown only if it looks like one: a caller can put any text there.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}(\[\d+\])?")


def _limit(what: str, size: int, info: ValidationInfo, name: str) -> None:
    limit: int = getattr(info.context, name)
    if size > limit:
        raise PydanticCustomError(
            "limit",
            "has {size} {what}, at most {limit} are allowed ({variable})",
            {"size": size, "what": what, "limit": limit, "variable": PREFIX + name.upper()},
        )


def _items(what: str, name: str, *, some: bool = True) -> BeforeValidator:
    """A list of at most `name` (a setting) items, checked before any item is looked at."""

    def check(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, list):
            if some and not value:
                raise PydanticCustomError("empty", "must not be an empty list")
            _limit(what, len(value), info, name)
        return value

    return BeforeValidator(check)


def _text(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        if not value or value.isspace():
            raise PydanticCustomError("blank", "must not be empty or only white space")
        if "\0" in value:
            raise PydanticCustomError("nul", "must not hold NUL")
        _limit("code points", len(value), info, "max_text")
    return value


class _Stop(FailFast):
    """pydantic's FailFast, made hashable so that a list with it may stand in a union."""

    __hash__ = object.__hash__


Text = Annotated[str, Field(min_length=1), BeforeValidator(_text)]
Texts = Annotated[list[Text], _Stop()]


def _whole(value: Any) -> Any:
    # To JSON, and so to the OpenAPI document, 5.0 is the integer 5.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Offset = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
Span = Annotated[list[Offset], Field(min_length=2, max_length=2)]


class _Strict(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra=lambda schema: _without_null(schema),
    )

    @model_validator(mode="before")
    @classmethod
    def _known_fields_without_null(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise PydanticCustomError("object", "must be a JSON object")
        for name, value in data.items():
            if name not in cls.model_fields:
                raise PydanticCustomError("unknown", "unknown field", {"field": name})
            if value is None:
                raise PydanticCustomError("null", "must not be null", {"field": name})
        return data


def _without_null(schema: dict[str, Any]) -> None:
    """None means left out here, and only that: to a caller, null is an error."""
    for field in schema.get("properties", {}).values():
        if field.get("default", 0) is None:
            del field["default"]
            field.update(field.pop("anyOf")[0])


class TagRequest(_Strict):
    """One article: `text` (perhaps with `spans`), or `sentences`."""

    text: Text | None = Field(None, description="the article; segmented by Qawl unless `spans` are given")
    spans: Annotated[list[Span], _Stop(), _items("spans", "max_sentences")] | None = Field(
        None, description="the caller's own sentences of `text`: [start, end), ordered, disjoint, in `offset_unit`"
    )
    sentences: Annotated[Texts, _items("sentences", "max_sentences")] | None = Field(
        None, description="the caller's own sentences, returned one for one, never re-cut"
    )
    id: str | None = Field(None, description="echoed in the reply")
    title: Text | None = Field(None, description="context and default target only, never in `sentences[]`")
    targets: Annotated[Texts, _items("targets", "max_targets", some=False)] | None = Field(
        None, description="declarative propositions; [] asks for no stance, whatever `default_target` says"
    )
    default_target: bool = Field(False, description="without targets: the title, else the first claim")
    context: bool = Field(True, description="false: each sentence is read alone")
    scores: bool = Field(False, description="adds the probability of every label")
    on_overflow: Literal["truncate", "error"] = Field(
        "truncate", description="a sentence longer than the model's window: lose its tail, or 422"
    )
    offset_unit: Literal["codepoint", "utf16"] = Field("codepoint", description="utf16: JavaScript's string units")

    @model_validator(mode="after")
    def _one_input(self, info: ValidationInfo) -> TagRequest:
        if (self.text is None) == (self.sentences is None):
            raise PydanticCustomError("one_of", "exactly one of text and sentences must be given", {"field": "text"})
        if self.spans is not None and self.text is None:
            raise PydanticCustomError("spans", "may be given with text only", {"field": "spans"})
        if self.sentences is not None:
            try:
                _limit("code points", sum(map(len, self.sentences)), info, "max_text")
            except PydanticCustomError as error:
                raise PydanticCustomError(
                    "limit", "together: {m}", {"m": error.message(), "field": "sentences"}
                ) from None
        if self.spans is not None and self.text is not None:
            _check_spans(self.spans, _length(self.text, self.offset_unit))
        return self

    def document(self, targets: list[str] | None = None) -> Document:
        """The article as the Tagger takes it; `targets` stand in where it has none of its own."""
        own = self.targets if self.targets is not None else targets
        spans = self.spans
        if spans is not None and self.text is not None and self.offset_unit == "utf16":
            spans = _from_utf16(self.text, spans)
        return Document(
            text=self.text,
            spans=None if spans is None else tuple((start, end) for start, end in spans),
            sentences=None if self.sentences is None else tuple(self.sentences),
            id=self.id,
            title=self.title,
            targets=None if own is None else tuple(own),
            default_target=self.default_target,
            context=self.context,
            on_overflow=self.on_overflow,
        )


class BatchRequest(_Strict):
    """Many articles; each is checked by itself, so that a bad one harms no other."""

    articles: Annotated[
        # Any, because one wrong article is an answer in `results`, not an error of the request.
        list[Any], _items("articles", "max_articles"), Field(min_length=1)
    ] = Field(description="requests of /v1/tag")
    targets: Annotated[Texts, _items("targets", "max_targets", some=False)] | None = Field(
        None, description="for the articles that have no `targets` of their own"
    )


Request = TypeVar("Request", bound=BaseModel)


def parse(model: type[Request], body: bytes, settings: Settings) -> Request:
    """A request from the bytes of its body.

    Raises:
        ApiError: bad_request for what is not JSON in UTF-8, invalid for what the contract does not allow.

    """
    try:
        data = from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        # The parser names what it expected and where, never what it found.
        raise ApiError("bad_request", f"the body is not JSON in UTF-8: {error}") from None
    return check(model, data, settings)


def check(model: type[Request], data: Any, settings: Settings) -> Request:
    """A request from parsed JSON.

    Raises:
        ApiError: invalid, with one detail for each field that is wrong.

    """
    try:
        return model.model_validate(data, context=settings)
    except PydanticError as error:
        details = [
            Detail(_path(item["loc"], item.get("ctx", {})), _message(item["type"], item["msg"]))
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise ApiError("invalid", _summary(details), details) from None


def _summary(details: list[Detail]) -> str:
    first = details[0]
    return f"{first.field}: {first.message}" if first.field else first.message


def _path(loc: tuple[int | str, ...], context: dict[str, Any]) -> str:
    path = ""
    for part in (*loc, *([context["field"]] if "field" in context else [])):
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (part if _NAME.fullmatch(part) else "?")
    return path


_MESSAGES = {
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "list_type": "must be a list",
    "missing": "is missing",
    "too_short": "must be a pair [start, end]",
    "too_long": "must be a pair [start, end]",
    "greater_than_equal": "must be at least 0",
}


def _message(kind: str, fallback: str) -> str:
    return _MESSAGES.get(kind, fallback[:1].lower() + fallback[1:])


def _check_spans(spans: list[list[int]], length: int) -> None:
    last = 0
    for i, (start, end) in enumerate(spans):
        if not last <= start < end <= length:
            raise PydanticCustomError(
                "span",
                "must satisfy {last} <= start < end <= {length}: spans are ordered, disjoint, in range",
                {"last": last, "length": length, "field": f"spans[{i}]"},
            )
        last = end


def _length(text: str, unit: str) -> int:
    return len(text) if unit == "codepoint" else len(text.encode("utf-16-le")) // 2


def _from_utf16(text: str, spans: list[list[int]]) -> list[list[int]]:
    """Spans in UTF-16 units as code points; one that cuts a surrogate pair is an error."""
    place = _places(text)
    points = []
    for i, (start, end) in enumerate(spans):
        first, last = place(start), place(end)
        if first is None or last is None:
            detail = Detail(f"spans[{i}]", "must not cut a surrogate pair")
            raise ApiError("invalid", f"{detail.field}: {detail.message}", [detail])
        points.append([first, last])
    return points


def _places(text: str) -> Callable[[int], int | None]:
    """From UTF-16 offset to code point; None inside a pair. Arguments must not decrease."""
    units = points = 0

    def place(offset: int) -> int | None:
        nonlocal units, points
        while units < offset:
            units += 2 if text[points] > "\uffff" else 1
            points += 1
        return points if units == offset else None

    return place
