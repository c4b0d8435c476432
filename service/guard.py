"""The outermost layer: nothing reaches BentoML that the contract does not allow, nothing leaves without an envelope.

Pure ASGI. Known paths and methods only, API keys, JSON bodies under the cap and read whole before anything else
sees them, one error envelope, a request id and security headers on every reply, and the end of a request whose
client has gone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import logs, metrics
from service.call import Call, enter
from service.errors import ApiError, internal, of_status, queue_full
from service.settings import Settings

GET, POST = ("GET", "HEAD"), ("POST",)
ROUTES: dict[str, tuple[str, ...]] = {
    "/": GET,
    "/v1/tag": POST,
    "/v1/batch": POST,
    "/v1/labels": GET,
    "/v1/model": GET,
    "/livez": GET,
    "/readyz": GET,
    "/healthz": GET,
    "/metrics": GET,
    "/docs.json": GET,
}
ASSETS = "/page/"
# With keys on, these stay open: probes, the page (it asks for the key), the contract.
OPEN = ("/", "/livez", "/readyz", "/healthz", "/docs.json")

_RID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_JSON = re.compile(r"application/json\s*(;\s*charset\s*=\s*\"?utf-8\"?\s*)?", re.IGNORECASE)
_DEADLINE = re.compile(r"[1-9][0-9]{0,8}")
# How long an unwanted body is read and thrown away, so that its sender comes to read the answer.
_LINGER_SECONDS = 10.0

_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_EXPOSED = "x-request-id, retry-after, x-queue-time, x-inference-time"
_ASKABLE = "authorization, content-type, x-request-id, x-deadline-ms"


class _Gone(Exception):
    """The client has left; there is nobody to answer."""


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, settings: Settings, is_draining: Callable[[], bool] = lambda: False) -> None:
        self._app = app
        self._settings = settings
        self._is_draining = is_draining
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass the lifespan on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = Headers(scope=scope)
        now = asyncio.get_running_loop().time()
        call = Call(_request_id(headers), now + self._settings.deadline_seconds, self._settings)
        enter(call)
        extra = self._cors(headers)
        if self._is_draining():
            # The client's next request then takes another connection, to whoever serves by then.
            extra["connection"] = "close"
        reply = _Reply(send, call, scope["path"], extra)
        try:
            await self._answer(scope, headers, receive, reply)
        except _Gone:
            call.code = "gone"
            metrics.DISCONNECTS.inc()
        except ApiError as error:
            await reply.error(error)
        except Exception:
            logs.event("a request failed", level=logging.ERROR, exc_info=True)
            await reply.error(internal())
        finally:
            self._record(scope, call, reply, time.perf_counter() - started)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, reply: _Reply) -> None:
        try:
            methods = _methods(scope)
            if scope["method"] == "OPTIONS":
                await reply.options(methods)
                return
            self._authorise(scope["path"], headers)
            if scope["method"] != "POST":
                await self._app(scope, receive, reply.send)
                return
            self._check_headers(headers, reply.call)
        except ApiError:
            await _discard(headers, receive)
            raise
        if self._in_flight >= self._settings.max_requests:
            await _discard(headers, receive)
            raise queue_full(1, f"{self._settings.max_requests} requests are in the house (QAWL_MAX_REQUESTS)")
        self._in_flight += 1
        try:
            with metrics.IN_FLIGHT.track_inprogress():
                await self._post(scope, headers, receive, reply)
        finally:
            self._in_flight -= 1

    async def _post(self, scope: Scope, headers: Headers, receive: Receive, reply: _Reply) -> None:
        """Read the body, then let the application answer for as long as the client is there."""
        body = await self._body(headers, receive, reply.call)
        answer = asyncio.ensure_future(self._app(scope, _replay(body), reply.send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done() and not reply.complete:
                raise _Gone
            await answer
        finally:
            leaving.cancel()
            answer.cancel()
            await asyncio.gather(answer, leaving, return_exceptions=True)

    async def _body(self, headers: Headers, receive: Receive, call: Call) -> bytes:
        cap = self._settings.max_body_bytes
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout_at(call.deadline):
                async for part in _parts(receive):
                    size += len(part)
                    if size > cap:
                        parts.clear()
                        break
                    parts.append(part)
        except TimeoutError:
            raise ApiError("deadline", "the body did not arrive before the deadline") from None
        if size > cap:
            await _discard(headers, receive)
            raise _too_large(cap)
        return b"".join(parts)

    def _check_headers(self, headers: Headers, call: Call) -> None:
        if not _JSON.fullmatch(headers.get("content-type", "")):
            raise ApiError("unsupported_media_type", "content-type must be application/json in UTF-8")
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise ApiError("unsupported_media_type", "content-encoding must be identity: no compression")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._settings.max_body_bytes:
            raise _too_large(self._settings.max_body_bytes)
        if (deadline := headers.get("x-deadline-ms")) is not None:
            if not _DEADLINE.fullmatch(deadline):
                raise ApiError("bad_request", "x-deadline-ms must be a whole number of milliseconds, at least 1")
            call.deadline = min(call.deadline, asyncio.get_running_loop().time() + int(deadline) / 1000)

    def _authorise(self, path: str, headers: Headers) -> None:
        hashes = self._settings.api_keys
        if not hashes or path in OPEN or path.startswith(ASSETS):
            return
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = hashlib.sha256(key.strip().encode("utf-8", "surrogateescape")).hexdigest()
        # Every hash is compared, so that the time tells nothing.
        matches = [hmac.compare_digest(given, known) for known in hashes]
        if scheme.lower() != "bearer" or not any(matches):
            raise ApiError(
                "unauthorized", "give a key: Authorization: Bearer …", headers={"www-authenticate": "Bearer"}
            )

    def _cors(self, headers: Headers) -> dict[str, str]:
        if not self._settings.cors_origins:
            return {}
        origin = headers.get("origin", "")
        if origin not in self._settings.cors_origins:
            return {"vary": "Origin"}
        return {
            "vary": "Origin",
            "access-control-allow-origin": origin,
            "access-control-expose-headers": _EXPOSED,
            "cross-origin-resource-policy": "cross-origin",
        }

    def _record(self, scope: Scope, call: Call, reply: _Reply, seconds: float) -> None:
        route = _route(scope["path"])
        metrics.REPLIES.labels(route, call.code or "ok").inc()
        metrics.REPLY_SECONDS.labels(route).observe(seconds)
        level = logging.DEBUG if route in OPEN or route in ("/metrics", ASSETS) else logging.INFO
        logs.event(
            "request",
            level=level,
            method=scope["method"] if scope["method"] in ("GET", "HEAD", "POST", "OPTIONS") else "other",
            route=route,
            status=reply.status,
            code=call.code or "ok",
            ms=round(seconds * 1000, 1),
        )


class _Reply:
    """The sending side of one exchange: adds headers, puts the envelope in place of any error body."""

    def __init__(self, send: Send, call: Call, path: str, extra: dict[str, str]) -> None:
        self._send = send
        self.call = call
        self.status = 0
        self.complete = False
        is_page = path == "/" or path.startswith(ASSETS)
        self._headers = {
            **_HEADERS,
            "content-security-policy": PAGE_POLICY if is_page else API_POLICY,
            "cache-control": "no-cache" if is_page else "no-store",
            **extra,
            "x-request-id": call.rid,
        }
        self._extra = extra
        self._failed: int | None = None

    async def send(self, message: Message) -> None:
        """Pass a message of the application on; swallow the body of an error."""
        if message["type"] == "http.response.start":
            if message["status"] >= 400:
                self._failed = message["status"]
                return
            await self._start(message["status"], dict(Headers(raw=message["headers"]).items()))
        elif self._failed is None:
            self.complete = not message.get("more_body", False)
            await self._send(message)
        elif not message.get("more_body", False):
            await self.error(self.call.failure or of_status(self._failed))

    async def error(self, error: ApiError) -> None:
        """Answer with the envelope, unless an answer has begun."""
        if self.status:
            return
        self.call.code = error.code
        body = error.envelope(self.call.rid)
        headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
        await self._start(error.status, headers)
        self.complete = True
        await self._send({"type": "http.response.body", "body": body})

    async def options(self, methods: tuple[str, ...]) -> None:
        """Answer OPTIONS, a browser's preflight or not."""
        allowed = ", ".join((*methods, "OPTIONS"))
        headers = {"allow": allowed, "content-length": "0"}
        if "access-control-allow-origin" in self._extra:
            headers |= {
                "access-control-allow-methods": allowed,
                "access-control-allow-headers": _ASKABLE,
                "access-control-max-age": "600",
            }
        await self._start(200, headers)
        await self._send({"type": "http.response.body", "body": b""})

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        if self.call.inference:
            headers["x-queue-time"] = str(round(self.call.queue * 1000))
            headers["x-inference-time"] = str(round(self.call.inference * 1000))
        merged = {name: value for name, value in headers.items() if name not in ("server", "x-bentoml-request-id")}
        raw = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in {**merged, **self._headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})


def _route(path: str) -> str:
    """A path as a metric's label: one of few, whatever the caller asks for."""
    if path in ROUTES:
        return path
    return ASSETS if path.startswith(ASSETS) else "unknown"


def _methods(scope: Scope) -> tuple[str, ...]:
    path, method = scope["path"], scope["method"]
    methods = ROUTES.get(path) or (GET if path.startswith(ASSETS) else None)
    if methods is None:
        raise ApiError("not_found", "no such path")
    if method != "OPTIONS" and method not in methods:
        allowed = ", ".join((*methods, "OPTIONS"))
        raise ApiError("method_not_allowed", f"allowed here: {allowed}", headers={"allow": allowed})
    return methods


def _too_large(cap: int) -> ApiError:
    return ApiError("too_large", f"a body may have {cap} bytes (QAWL_MAX_BODY_BYTES)")


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _RID.fullmatch(given) else uuid.uuid4().hex


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


async def _discard(headers: Headers, receive: Receive) -> None:
    """Read the rest of a body that nobody wants; a client that waits for 100 Continue is not asked for it."""
    if "expect" in headers or not ("content-length" in headers or "transfer-encoding" in headers):
        return
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            async for _ in _parts(receive):
                pass
    except TimeoutError:
        pass


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes) -> Receive:
    """A `receive` that gives a body once and then waits, as that of a client that stays does."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets the event")

    return receive
