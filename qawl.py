"""Qawl: the client of its REST service (needs httpx only) and the way into the `qawl` command.

    from qawl import Client

    with Client("http://localhost:3000") as client:
        tags = client.tag("أغلقت السلطات المعبر الحدودي صباح الاثنين.", targets=["أُغلق المعبر."])
        tags.sentences[0].voice.label
        tags.to_pandas()

`AsyncClient` has the same methods to await. Both retry what a busy or starting service asks to retry.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from pathlib import Path
from typing import Any, Generic, Literal, Self, TypedDict, TypeVar, Unpack, cast

import httpx

from qawl_replies import (
    ArticleError,
    DocumentStance,
    Result,
    Scored,
    Sentence,
    Stance,
    Tags,
    Target,
    read_result,
    to_pandas,
)

__all__ = [
    "ApiError",
    "Article",
    "ArticleError",
    "AsyncClient",
    "Client",
    "DocumentStance",
    "Result",
    "Scored",
    "Sentence",
    "Stance",
    "TagOptions",
    "Tags",
    "Target",
    "Unreachable",
    "main",
    "to_pandas",
]

_BATCH = 32
"""Articles a request; half of the service's default limit, so that a custom limit rarely matters."""
_BATCH_CHARACTERS = 400_000
"""Characters a request: under the 4 MiB body limit even when every one is escaped as \\uXXXX."""
_RETRIED = (429, 502, 503)
_LONGEST_WAIT = 60.0

T = TypeVar("T")
H = TypeVar("H", httpx.Client, httpx.AsyncClient)
Article = str | Mapping[str, Any]
"""An article to tag: its text, or a tag request as the REST contract has it."""
_Outcome = httpx.Response | httpx.TransportError


class ApiError(Exception):
    """The service refused a call.

    `status` is the HTTP status (0 when there was no reply), `code` the service's own error code, `details`
    one `{"field", "message"}` per offending field, `request_id` what to quote to whoever runs the service.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: tuple[dict[str, str], ...] = (),
        request_id: str | None = None,
    ) -> None:
        where = "; ".join(f"{detail.get('field')}: {detail.get('message')}" for detail in details)
        text = f"{status} {code}: {message}" if status else message
        text += f" ({where})" if where else ""
        super().__init__(text + (f" [request {request_id}]" if request_id else ""))
        self.status, self.code, self.message = status, code, message
        self.details, self.request_id = details, request_id


class Unreachable(ApiError):
    """No reply: wrong address, nothing listening, or the time ran out."""


class TagOptions(TypedDict, total=False):
    """The optional fields of a tag request, as the REST contract has them."""

    sentences: list[str]
    spans: list[tuple[int, int]]
    id: str
    title: str
    targets: list[str]
    default_target: bool
    context: bool
    scores: bool
    on_overflow: Literal["truncate", "error"]
    offset_unit: Literal["codepoint", "utf16"]


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """One request and how to read its reply: all that the two clients have to share."""

    method: str
    path: str
    body: dict[str, Any] | None
    read: Callable[[Any], T]


def _tag_call(text: str | None, options: TagOptions) -> _Call[Tags]:
    body = ({} if text is None else {"text": text}) | dict(options)
    return _Call("POST", "/v1/tag", body, Tags.from_json)


def _batch_calls(articles: Iterable[Article], targets: list[str] | None) -> Iterator[_Call[list[Result]]]:
    """Requests of at most `_BATCH` articles each, in order."""
    chunk: list[dict[str, Any]] = []
    size = 0
    for article in articles:
        body = {"text": article} if isinstance(article, str) else dict(article)
        length = len(body.get("text") or "") + sum(map(len, body.get("sentences") or ()))
        if chunk and (len(chunk) == _BATCH or size + length > _BATCH_CHARACTERS):
            yield _batch_call(chunk, targets)
            chunk, size = [], 0
        chunk.append(body)
        size += length
    if chunk:
        yield _batch_call(chunk, targets)


def _batch_call(articles: list[dict[str, Any]], targets: list[str] | None) -> _Call[list[Result]]:
    body: dict[str, Any] = {"articles": articles}
    if targets is not None:
        body["targets"] = targets
    return _Call("POST", "/v1/batch", body, lambda reply: [read_result(one) for one in reply["results"]])


def _get_call(path: str) -> _Call[dict[str, Any]]:
    return _Call("GET", path, None, dict)


class _Base(Generic[H]):
    """The service at `url`: requests, retries and errors, without input and output of their own.

    `key` is sent as bearer key. A call is tried `retries` times more when the service is full (429), starting
    (503) or unreachable, after the time it asks for, else after `backoff` seconds, doubled each time.
    """

    _http_class: type[H]

    def __init__(
        self,
        url: str = "http://localhost:3000",
        *,
        key: str | None = None,
        timeout: float = 120.0,
        retries: int = 5,
        backoff: float = 0.5,
        transport: Any = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else None
        self._http: H = self._http_class(base_url=url, timeout=timeout, headers=headers, transport=transport)
        self._retries = retries
        self._backoff = backoff

    def _steps(self, call: _Call[T]) -> Generator[httpx.Request | float, _Outcome | None, T]:
        """Yields a request to send, and is sent its outcome; or seconds to wait. Returns the reply."""
        for attempt in count():
            outcome = yield self._http.build_request(call.method, call.path, json=call.body)
            assert outcome is not None
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return _read(call, outcome)
            wait = self._wait(outcome, attempt)
            if wait is None or attempt == self._retries:
                raise _error(outcome)
            yield wait
        raise AssertionError("count() never ends")

    def _wait(self, outcome: _Outcome, attempt: int) -> float | None:
        """Seconds until the next try; None when another try cannot help."""
        jittered: float = self._backoff * 2**attempt * (1 + random.random() / 4)
        if isinstance(outcome, httpx.TransportError):
            # Tagging changes nothing, so a call that broke off may be sent again; not one that timed out,
            # for the service would do the same work twice while it is already slow.
            hopeless = httpx.ReadTimeout | httpx.WriteTimeout | httpx.UnsupportedProtocol
            return None if isinstance(outcome, hopeless) else jittered
        if outcome.status_code not in _RETRIED:
            return None
        asked = _retry_after(outcome.headers.get("retry-after"))
        return jittered if asked is None else min(asked, _LONGEST_WAIT)


class Client(_Base[httpx.Client]):
    """Calls the service; safe to share between threads. Every method raises ApiError."""

    _http_class = httpx.Client

    def tag(self, text: str | None = None, **options: Unpack[TagOptions]) -> Tags:
        """Tag one article: `text`, or `sentences=[…]`."""
        return self._run(_tag_call(text, options))

    def batch(self, articles: Iterable[Article], targets: list[str] | None = None) -> list[Result]:
        """Tag any number of articles (texts or tag requests), in order; a bad one becomes an ArticleError."""
        return [result for call in _batch_calls(articles, targets) for result in self._run(call)]

    def labels(self) -> dict[str, Any]:
        """The label scheme: names, definitions, examples, thresholds, mappings."""
        return self._run(_get_call("/v1/labels"))

    def model(self) -> dict[str, Any]:
        """What answers: name, version, fingerprint, metrics, licence, limits."""
        return self._run(_get_call("/v1/model"))

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Any call, its reply as plain data."""
        return self._run(_Call("POST", path, body, dict))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, call: _Call[T]) -> T:
        steps = self._steps(call)
        outcome: _Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return cast(T, done.value)
            outcome = None
            if isinstance(step, httpx.Request):
                try:
                    outcome = self._http.send(step)
                except httpx.TransportError as error:
                    outcome = error
            else:
                time.sleep(step)


class AsyncClient(_Base[httpx.AsyncClient]):
    """`Client` with methods to await."""

    _http_class = httpx.AsyncClient

    async def tag(self, text: str | None = None, **options: Unpack[TagOptions]) -> Tags:
        """Tag one article: `text`, or `sentences=[…]`."""
        return await self._run(_tag_call(text, options))

    async def batch(self, articles: Iterable[Article], targets: list[str] | None = None) -> list[Result]:
        """Tag any number of articles (texts or tag requests), in order; a bad one becomes an ArticleError."""
        return [result for call in _batch_calls(articles, targets) for result in await self._run(call)]

    async def labels(self) -> dict[str, Any]:
        """The label scheme: names, definitions, examples, thresholds, mappings."""
        return await self._run(_get_call("/v1/labels"))

    async def model(self) -> dict[str, Any]:
        """What answers: name, version, fingerprint, metrics, licence, limits."""
        return await self._run(_get_call("/v1/model"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, call: _Call[T]) -> T:
        steps = self._steps(call)
        outcome: _Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return cast(T, done.value)
            outcome = None
            if isinstance(step, httpx.Request):
                try:
                    outcome = await self._http.send(step)
                except httpx.TransportError as error:
                    outcome = error
            else:
                await asyncio.sleep(step)


def _read(call: _Call[T], response: httpx.Response) -> T:
    try:
        return call.read(response.json())
    except (ValueError, KeyError, TypeError) as error:
        address = response.request.url
        raise ApiError(response.status_code, "not_qawl", f"{address} does not answer like a Qawl service") from error


def _error(outcome: httpx.Response | httpx.TransportError) -> ApiError:
    if isinstance(outcome, httpx.TransportError):
        url = outcome.request.url
        why = "no reply in time" if isinstance(outcome, httpx.TimeoutException) else str(outcome) or "no reply"
        return Unreachable(0, "unreachable", f"cannot reach {url.scheme}://{url.netloc.decode()}: {why}")
    try:
        error = outcome.json()["error"]
        details = tuple(error.get("details") or ())
        return ApiError(outcome.status_code, error["code"], error["message"], details, error.get("request_id"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return ApiError(outcome.status_code, "not_qawl", f"{outcome.request.url}: {outcome.reason_phrase}")


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def main() -> None:
    """The `qawl` command."""
    # An editable install maps this file alone; the packages beside it are found from the checkout, by the
    # processes that this one starts too.
    checkout = str(Path(__file__).resolve().parent)
    sys.path.insert(0, checkout)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (checkout, os.environ.get("PYTHONPATH"))))
    from tools.cli import main as run

    run()


if __name__ == "__main__":
    main()
