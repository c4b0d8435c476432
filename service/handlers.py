"""What each route answers, free of BentoML: requests in, JSON out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.responses import Response

from models.errors import InputError
from models.labels import Label
from models.mappings import MAPPINGS
from models.tagger import Tagger
from models.tags import Document, Tags
from service import metrics
from service.batcher import Batcher, EngineFault, characters
from service.call import Call, current
from service.errors import ApiError, Detail, internal
from service.schemas import BatchRequest, TagRequest, check
from service.settings import Settings

Asked = tuple[TagRequest, Document]


class Handlers:
    """The routes of one Tagger."""

    def __init__(self, settings: Settings, tagger: Tagger, batcher: Batcher) -> None:
        self._settings = settings
        self._tagger = tagger
        self._batcher = batcher

    async def tag(self, request: TagRequest) -> Response:
        """POST /v1/tag.

        Raises:
            ApiError: whatever kept the article from being tagged.

        """
        async with _in_time():
            document = request.document()
            (outcome,) = await self._batcher.tag([document])
            if not isinstance(outcome, Tags):
                raise _error(outcome)
            return await self._json([document], partial(_shown, outcome, request))

    async def batch(self, request: BatchRequest) -> Response:
        """POST /v1/batch: each article is answered by itself.

        Raises:
            ApiError: queue_full or deadline; a wrong article is an answer, not an error.

        """
        asked = [self._asked(article, request.targets) for article in request.articles]
        documents = [article[1] for article in asked if not isinstance(article, ApiError)]
        ids = [article.get("id") if isinstance(article, dict) else None for article in request.articles]
        rid = _call().rid
        async with _in_time():
            tagged = iter(await self._batcher.tag(documents))
            outcomes = [a if isinstance(a, ApiError) else next(tagged) for a in asked]

            def results() -> dict[str, Any]:
                return {"results": [_result(*one, rid) for one in zip(ids, asked, outcomes, strict=True)]}

            return await self._json(documents, results)

    def labels(self) -> dict[str, Any]:
        """GET /v1/labels: the bundle's scheme; where a head takes the arg-max, thresholds are null."""
        scheme = self._tagger.bundle.scheme
        thresholds = self._tagger.bundle.manifest.calibration.thresholds
        return {
            "scheme": scheme.name,
            "types": [_label(label, thresholds[label.id]) for label in scheme.types],
            "none": _label(scheme.none, None),
            "voices": [_label(label, None) for label in scheme.voices],
            "stances": [_label(label, None) for label in scheme.stances],
            "checkable": list(scheme.checkable),
            "mappings": {name: {str(k): v for k, v in table.items()} for name, table in MAPPINGS.items()},
        }

    def model(self) -> dict[str, Any]:
        """GET /v1/model: what is served, and what it takes."""
        bundle = self._tagger.bundle
        return {
            **bundle.identity(),
            "fingerprint": bundle.fingerprint,
            "encoder": bundle.manifest.encoder,
            "engine": self._tagger.engine.name,
            "precision": self._settings.precision,
            "metrics": bundle.manifest.metrics,
            "licence": bundle.manifest.licence,
            "licence_text": bundle.licence_text(),
            "limits": {
                **self._settings.limits(),
                "max_target_tokens": self._tagger.max_target_tokens,
                "window_tokens": bundle.windows.max_tokens,
            },
        }

    def _asked(self, article: Any, targets: list[str] | None) -> Asked | ApiError:
        try:
            request = check(TagRequest, article, self._settings)
            return request, request.document(targets)
        except ApiError as error:
            return error

    async def _json(self, documents: Sequence[Document], build: Callable[[], Any]) -> Response:
        """A reply whose JSON is built and written beside the event loop, if it is a long one."""
        size = sum(characters(document) * (1 + len(document.targets or ())) for document in documents)
        body = await self._batcher.beside(size, lambda: _dump(build()).encode())
        return Response(body, media_type="application/json")


@asynccontextmanager
async def _in_time() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(_call().deadline):
            yield
    except TimeoutError:
        raise ApiError("deadline", "the article was not read before the deadline") from None


def _dump(data: Any, depth: int = 0) -> str:
    """JSON, written in pieces of about a sentence: `json.dumps` holds every other thread up until it is done."""
    if isinstance(data, dict) and depth < 4:
        return "{" + ", ".join(f"{json.dumps(key)}: {_dump(value, depth + 1)}" for key, value in data.items()) + "}"
    if isinstance(data, list) and depth < 4:
        return "[" + ", ".join(_dump(value, depth + 1) for value in data) + "]"
    return json.dumps(data, ensure_ascii=False)


def _shown(tags: Tags, request: TagRequest) -> dict[str, Any]:
    metrics.count(tags)
    return tags.to_json(scores=request.scores, offset_unit=request.offset_unit, text=request.text)


def _result(
    id_: Any, article: Asked | ApiError, outcome: Tags | InputError | EngineFault | ApiError, rid: str
) -> dict[str, Any]:
    if isinstance(outcome, Tags) and not isinstance(article, ApiError):
        return _shown(outcome, article[0])
    return {"id": id_ if isinstance(id_, str) else None, "error": _error(outcome).body(rid)}


def _error(outcome: Tags | InputError | EngineFault | ApiError) -> ApiError:
    if isinstance(outcome, ApiError):
        return outcome
    if isinstance(outcome, InputError):
        return ApiError("invalid", str(outcome), [Detail(outcome.field, outcome.message)])
    return internal()


def _label(label: Label, threshold: float | None) -> dict[str, Any]:
    return {
        "id": str(label.id),
        "arabic": label.arabic,
        "english": label.english,
        "definition": label.definition,
        "definition_ar": label.definition_ar,
        "example": label.example,
        "threshold": threshold,
    }


def _call() -> Call:
    call = current()
    assert call is not None, "handlers run inside the guard"
    return call
