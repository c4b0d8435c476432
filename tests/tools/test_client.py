from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from models.errors import InputError
from models.tags import Document
from qawl import ApiError, ArticleError, AsyncClient, Client, Tags, Unreachable, to_pandas
from tests.tools.fakes import FakeTagger

TEXT = "أغلقت السلطات المعبر صباح الاثنين. وقال الوزير إنه سيفتح غدا."
TARGET = "أُغلق المعبر."
Handler = Callable[[httpx.Request], httpx.Response]


def reply(request: dict, targets: list[str]) -> dict:
    document = Document(text=request["text"], id=request.get("id"), targets=tuple(request.get("targets", targets)))
    result = FakeTagger().tag([document])[0]
    if isinstance(result, InputError):
        details = [{"field": result.field, "message": result.message}]
        return {"id": document.id, "error": {"code": "invalid", "message": "see details", "details": details}}
    return result.to_json(scores=request.get("scores", False))


class Service:
    """Answers like the service; `refusals` come first, one a call."""

    def __init__(self, *refusals: httpx.Response | Exception) -> None:
        self.refusals = list(refusals)
        self.calls: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request)
        if self.refusals:
            refusal = self.refusals.pop(0)
            if isinstance(refusal, Exception):
                raise refusal
            return refusal
        if request.method == "GET":
            return httpx.Response(200, json={"path": request.url.path})
        body = json.loads(request.content)
        if request.url.path == "/v1/tag":
            return httpx.Response(200, json=reply(body, []))
        results = [reply(article, body.get("targets", [])) for article in body["articles"]]
        return httpx.Response(200, json={"results": results})


class SyncSide:
    """`tag(…)` and the like of Client."""

    def __init__(self, service: Handler, **options: object) -> None:
        self._client = Client("http://qawl", transport=httpx.MockTransport(service), **options)

    def __getattr__(self, name: str) -> Callable:
        return getattr(self._client, name)


class AsyncSide:
    """The same of AsyncClient, each call in its own loop."""

    def __init__(self, service: Handler, **options: object) -> None:
        self._options = options | {"transport": httpx.MockTransport(service)}

    def __getattr__(self, name: str) -> Callable:
        async def call(*args: object, **kwargs: object) -> object:
            async with AsyncClient("http://qawl", **self._options) as client:
                return await getattr(client, name)(*args, **kwargs)

        return lambda *args, **kwargs: asyncio.run(call(*args, **kwargs))


@pytest.fixture(params=[SyncSide, AsyncSide], ids=["sync", "async"])
def side(request: pytest.FixtureRequest) -> Callable:
    return request.param


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds the clients would have slept."""
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("qawl.time.sleep", slept.append)
    monkeypatch.setattr("qawl.asyncio.sleep", note)
    return slept


def test_reply_is_typed(side: Callable) -> None:
    service = Service()
    tags = side(service, key="secret").tag(TEXT, id="a1", targets=[TARGET], scores=True)
    assert json.loads(service.calls[0].content) == {"text": TEXT, "id": "a1", "targets": [TARGET], "scores": True}
    assert service.calls[0].headers["authorization"] == "Bearer secret"
    assert tags.id == "a1"
    assert [TEXT[s.start : s.end] for s in tags.sentences] == [s.text for s in tags.sentences]
    first = tags.sentences[0]
    assert first.types[0].label == first.primary
    assert first.voice.scores is not None
    assert first.voice.label == max(first.voice.scores, key=first.voice.scores.__getitem__)
    assert [stance.target for stance in first.stances] == [0]
    assert sum(tags.document[0].counts.values()) == len(tags.sentences) == 2


def test_unknown_fields_of_a_newer_service_do_no_harm() -> None:
    data = reply({"text": TEXT}, [TARGET])
    plain = Tags.from_json(data)
    data["new"] = data["sentences"][0]["new"] = data["sentences"][0]["voice"]["new"] = 1
    assert Tags.from_json(data) == plain


def test_batch_keeps_order_over_several_requests(side: Callable) -> None:
    service = Service()
    texts = [f"{TEXT} الخبر رقم {i}." for i in range(70)]
    articles = [texts[0], *({"text": text, "id": str(i)} for i, text in enumerate(texts[1:], start=1))]
    results = side(service).batch(articles, targets=[TARGET])
    assert [tags.sentences[-1].text for tags in results] == [f"الخبر رقم {i}." for i in range(70)]
    assert [len(json.loads(call.content)["articles"]) for call in service.calls] == [32, 32, 6]


def test_batch_is_cut_by_size_too(side: Callable) -> None:
    service = Service()
    side(service).batch(["كلمة " * 60_000, "كلمة " * 60_000, "قصير."])
    assert [len(json.loads(call.content)["articles"]) for call in service.calls] == [1, 2]


def test_a_bad_article_is_an_error_among_results(side: Callable) -> None:
    good, bad = side(Service()).batch([TEXT, {"text": "نص سيئ", "id": "b"}])
    assert isinstance(good, Tags)
    assert bad == ArticleError("b", "invalid", "see details", ({"field": "text", "message": "must not be bad"},))


def test_labels_and_model(side: Callable) -> None:
    assert side(Service()).labels() == {"path": "/v1/labels"}
    assert side(Service()).model() == {"path": "/v1/model"}


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_asked(side: Callable, waits: list[float], status: int) -> None:
    service = Service(*[httpx.Response(status, headers={"retry-after": "7"})] * 2)
    assert side(service).tag(TEXT).sentences
    assert waits == [7.0, 7.0]
    assert len({call.content for call in service.calls}) == 1


def test_retry_after_may_be_a_date_and_is_capped(side: Callable, waits: list[float]) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    far = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    side(Service(*(httpx.Response(429, headers={"retry-after": at}) for at in (soon, far, past)))).tag(TEXT)
    assert waits[0] == pytest.approx(30, abs=2)
    assert waits[1:] == [60.0, 0.0]


def test_backs_off_when_nothing_is_asked(side: Callable, waits: list[float]) -> None:
    refusals = [
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.Response(429, headers={"retry-after": "soon"}),
    ]
    side(Service(*refusals), backoff=1).tag(TEXT)
    assert [1 <= waits[0] <= 1.25, 2 <= waits[1] <= 2.5, 4 <= waits[2] <= 5] == [True] * 3


def test_gives_up_after_retries(side: Callable, waits: list[float]) -> None:
    full = {"error": {"code": "queue_full", "message": "try later", "details": [], "request_id": "r1"}}
    service = Service(*[httpx.Response(429, json=full)] * 9)
    with pytest.raises(ApiError, match=r"^429 queue_full: try later \[request r1\]$") as caught:
        side(service, retries=2).tag(TEXT)
    assert (len(service.calls), len(waits), caught.value.code) == (3, 2, "queue_full")


def test_error_names_the_field_and_is_not_retried(side: Callable, waits: list[float]) -> None:
    details = [{"field": "targets[1]", "message": "must not be empty"}]
    body = {"error": {"code": "invalid", "message": "1 field is wrong", "details": details, "request_id": "r2"}}
    service = Service(httpx.Response(422, json=body))
    with pytest.raises(ApiError) as caught:
        side(service).tag(TEXT, targets=["", ""])
    assert str(caught.value) == "422 invalid: 1 field is wrong (targets[1]: must not be empty) [request r2]"
    assert (caught.value.status, caught.value.details, caught.value.request_id) == (422, tuple(details), "r2")
    assert (len(service.calls), waits) == (1, [])


def test_slow_service_is_not_asked_twice(side: Callable, waits: list[float]) -> None:
    service = Service(httpx.ReadTimeout("slow"))
    with pytest.raises(Unreachable, match="cannot reach http://qawl: no reply in time"):
        side(service).tag(TEXT)
    assert (len(service.calls), waits) == (1, [])


def test_unreachable_names_the_address(side: Callable, waits: list[float]) -> None:
    with pytest.raises(Unreachable, match="cannot reach http://qawl: refused"):
        side(Service(*[httpx.ConnectError("refused")] * 2), retries=1).tag(TEXT)


@pytest.mark.parametrize("content", ["<html>", '{"results": 1}', "[1]"])
def test_something_else_at_the_address(side: Callable, content: str) -> None:
    with pytest.raises(ApiError, match="http://qawl/v1/tag does not answer like a Qawl service"):
        side(Service(httpx.Response(200, text=content))).tag(TEXT)


def test_a_proxys_error_page_is_an_error(side: Callable) -> None:
    with pytest.raises(ApiError, match="404 not_qawl: http://qawl/v1/tag: Not Found"):
        side(Service(httpx.Response(404, text="<html>"))).tag(TEXT)


def test_pandas_has_one_row_a_sentence() -> None:
    pytest.importorskip("pandas")
    client = Client("http://qawl", transport=httpx.MockTransport(Service()))
    results = client.batch([{"text": TEXT, "id": "a"}, {"text": "نص سيئ"}, {"text": TEXT, "id": "c"}], [TARGET])
    frame = to_pandas(results)
    assert frame.groupby("article").size().to_dict() == {"a": 2, "c": 2}
    assert set(frame["target_1"]) == {TARGET}
    first = results[0]
    assert isinstance(first, Tags)
    assert list(first.to_pandas()["stance_1"]) == [s.stances[0].label for s in first.sentences]


def test_importing_the_client_needs_httpx_only() -> None:
    code = "import sys, qawl; print([m for m in ('typer', 'models', 'tools', 'numpy', 'pandas') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
