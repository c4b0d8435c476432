"""The guard around a small application: what passes, what is refused, what every reply carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from service.call import current
from service.errors import MAX_DETAILS, STATUS, ApiError, Detail
from service.guard import Guard
from service.settings import Settings

Answer = Callable[[Request], Awaitable[Response]]


async def echo(request: Request) -> Response:
    call = current()
    assert call is not None
    return JSONResponse({"size": len(await request.body()), "rid": call.rid})


def ask(method: str, path: str, *, answer: Answer = echo, draining: bool = False, **given: Any) -> httpx.Response:
    app = Starlette(routes=[Route("/v1/tag", answer, methods=["POST"]), Route("/livez", answer)])
    settings = Settings.load(max_body_bytes=1000, deadline_seconds=given.pop("deadline", 5.0))
    guard = Guard(app, settings, lambda: draining)

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(guard, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://qawl") as client:
            return await client.request(method, path, **given)

    return asyncio.run(go())


def code(reply: httpx.Response) -> str:
    return str(reply.json()["error"]["code"])


def test_the_body_arrives_whole_and_the_call_is_known() -> None:
    reply = ask("POST", "/v1/tag", json={"a": "b" * 500}, headers={"x-request-id": "mine"})
    assert reply.json() == {"size": 508, "rid": "mine"}
    assert reply.headers["x-request-id"] == "mine"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, "bad_request"), (404, "not_found"), (418, "bad_request"), (500, "internal"), (503, "not_ready")],
)
def test_any_error_of_the_application_gets_the_envelope(status: int, expected: str) -> None:
    async def fail(_: Request) -> Response:
        return PlainTextResponse("secret " * 1000, status_code=status)

    reply = ask("POST", "/v1/tag", answer=fail, json={})
    assert code(reply) == expected
    assert "secret" not in reply.text
    assert ("retry-after" in reply.headers) == (status == 503)


def test_an_exception_is_a_500_without_its_message() -> None:
    async def fail(_: Request) -> Response:
        raise RuntimeError("secret")

    reply = ask("POST", "/v1/tag", answer=fail, json={})
    assert reply.status_code == 500
    assert "secret" not in reply.text


def test_a_kept_error_is_told_in_full() -> None:
    async def fail(_: Request) -> Response:
        call = current()
        assert call is not None
        call.failure = ApiError("invalid", "text: wrong", [Detail("text", "wrong")])
        raise call.failure

    reply = ask("POST", "/v1/tag", answer=fail, json={})
    assert reply.status_code == 422
    assert reply.json()["error"]["details"] == [{"field": "text", "message": "wrong"}]


def test_options_and_head() -> None:
    assert ask("OPTIONS", "/v1/tag").headers["allow"] == "POST, OPTIONS"
    assert ask("HEAD", "/livez").status_code == 200
    assert ask("OPTIONS", "/nowhere").status_code == 404
    assert code(ask("PUT", "/v1/tag", content=b"x")) == "method_not_allowed"


def test_a_draining_service_closes_its_connections() -> None:
    assert ask("POST", "/v1/tag", json={}, draining=True).headers["connection"] == "close"
    assert "connection" not in ask("POST", "/v1/tag", json={}).headers


def test_a_body_that_does_not_come_is_given_up() -> None:
    async def trickle() -> Any:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    reply = ask("POST", "/v1/tag", content=trickle(), headers={"content-type": "application/json"}, deadline=0.05)
    assert code(reply) == "deadline"


def test_the_envelope_stays_under_4_kb_at_its_worst() -> None:
    error = ApiError("invalid", "é" * 5000, [Detail("f" * 500, "m" * 500)] * 500)
    assert len(error.body("r" * 64)["details"]) == MAX_DETAILS
    assert len(error.envelope("r" * 64)) < 4096


def test_every_code_has_its_status() -> None:
    assert sorted(STATUS.values()) == [400, 401, 404, 405, 413, 415, 422, 429, 500, 503, 504]


def test_a_websocket_is_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def app(*_: Any) -> None:
        raise AssertionError("nothing gets here")

    asyncio.run(Guard(app, Settings.load())({"type": "websocket"}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]
