"""The BentoML service: `create_service` ties guard, handlers, batcher and page together.

What is taken from BentoML's inside (`Service.to_asgi`, `IODescriptor.from_http_request`, its TimeoutMiddleware) is
held by tests/service/test_bentoml_contract.py.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, cast

import bentoml
from _bentoml_sdk.io_models import IODescriptor
from _bentoml_sdk.service.factory import Service
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from models.errors import ConfigError
from models.tagger import Tagger
from models.tags import Document
from service import logs, metrics
from service.batcher import Batcher
from service.call import current
from service.errors import ApiError, not_ready
from service.guard import Guard
from service.handlers import Handlers
from service.openapi import document as openapi
from service.schemas import BatchRequest, TagRequest, parse
from service.settings import Settings

PAGE = Path(__file__).resolve().parent / "page"
_WARM_UP = Document(sentences=("قال الوزير إن العمل جار.",), targets=("العمل جار.",))


@cache
def load_tagger(settings: Settings) -> Tagger:
    """The Tagger that the settings ask for, loaded once a process.

    Raises:
        BundleError: the bundle cannot be loaded.
        ConfigError: a setting does not fit the bundle.

    """
    tagger = Tagger.load(
        settings.bundle, engine=settings.engine, precision=settings.precision, threads=settings.threads
    )
    if settings.max_target_tokens is not None:
        most = tagger.bundle.windows.max_tokens // 2
        if settings.max_target_tokens > most:
            raise ConfigError(
                f"QAWL_MAX_TARGET_TOKENS: {settings.max_target_tokens}, at most {most} fit a window of this bundle"
            )
        tagger.max_target_tokens = settings.max_target_tokens
    return tagger


class Runtime:
    """What one process of the service holds, from its start to its drain."""

    def __init__(self, settings: Settings, tagger: Tagger | None = None) -> None:
        self.settings = settings
        self.ready = False
        self._tagger = tagger
        self._handlers: Handlers | None = None
        self._batcher: Batcher | None = None

    async def start(self) -> None:
        """Load, warm up, and only then be ready.

        Raises:
            QawlError: the bundle or a setting cannot be used.

        """
        settings = self.settings
        logs.event("settings", settings=settings.shown())
        tagger = self._tagger or load_tagger(settings)
        self._batcher = Batcher(
            tagger,
            batch_tokens=settings.batch_tokens,
            queue_tokens=settings.queue_tokens,
            max_tokens=settings.max_tokens,
        )
        self._handlers = Handlers(settings, tagger, self._batcher)
        self._batcher.start()
        await self._batcher.tag([_WARM_UP])
        bundle = tagger.bundle
        metrics.BUNDLE.labels(bundle.manifest.name, bundle.manifest.version, bundle.fingerprint).set(1)
        self._drain_on_sigterm()
        self.ready = True
        logs.event("ready", bundle=bundle.identity(), fingerprint=bundle.fingerprint)

    async def stop(self) -> None:
        """Stop the batcher, after the last request."""
        self.ready = False
        if self._batcher is not None:
            await self._batcher.stop()

    @property
    def alive(self) -> bool:
        """Whether queued work is being run (or start-up is not yet there)."""
        return self._batcher is None or self._batcher.alive

    @property
    def handlers(self) -> Handlers:
        """The routes.

        Raises:
            ApiError: not_ready before start.

        """
        if self._handlers is None:
            raise not_ready("the service is starting")
        return self._handlers

    def _drain_on_sigterm(self) -> None:
        """On SIGTERM say not ready first, and let the server close its port a little later.

        Requests that still come in the meantime are answered: whoever routes them has not seen the 503 yet.
        """
        try:
            close = signal.getsignal(signal.SIGTERM)
            loop = asyncio.get_running_loop()
            if not callable(close):
                return

            def drain(number: int, frame: FrameType | None) -> None:
                self.ready = False
                signal.signal(signal.SIGTERM, close)
                loop.call_soon_threadsafe(loop.call_later, self.settings.drain_seconds, close, number, None)

            signal.signal(signal.SIGTERM, drain)
        except ValueError:
            # Only the main thread may: under a test client there is no signal to wait for.
            return


@contextmanager
def _answered() -> Iterator[None]:
    """Keep an ApiError for the guard: BentoML knows it as an unexpected exception only."""
    try:
        yield
    except ApiError as error:
        if (call := current()) is not None:
            call.failure = error
        raise


class _Body(IODescriptor):  # type: ignore[misc]
    """Stands for a request of ours: BentoML's own parser answers another status and shape, and BentoML's
    rewriting of annotations does not understand ours.
    """

    request: ClassVar[type[BaseModel]]

    @classmethod
    async def from_http_request(cls, request: Request, serde: object) -> BaseModel:
        """The request, checked.

        Raises:
            ApiError: bad_request or invalid.

        """
        call = current()
        assert call is not None, "requests come through the guard"
        with _answered():
            return parse(cls.request, await request.body(), call.settings)


class TagInput(_Body):
    """The body of /v1/tag."""

    request = TagRequest


class BatchInput(_Body):
    """The body of /v1/batch."""

    request = BatchRequest


class GuardedService(Service[Any]):
    """A BentoML service whose whole application stands behind the guard."""

    runtime: Runtime

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application BentoML serves."""
        app = cast("Starlette", super().to_asgi(is_main))
        # Ours knows when a request came in and may be shorter; BentoML's keeps a timer per request till it ends.
        app.user_middleware = [m for m in app.user_middleware if m.cls is not TimeoutMiddleware]
        return Guard(app, self.runtime.settings)


def create_service(settings: Settings, tagger: Tagger | None = None) -> GuardedService:
    """The service for these settings; `tagger` stands in for the one that the settings name."""
    runtime = Runtime(settings, tagger)

    class Qawl:
        """Tags every sentence of an Arabic article with claim types, voice and stances."""

        def __init__(self) -> None:
            logs.configure(settings.log_level)

        @bentoml.on_startup
        async def start(self) -> None:
            await runtime.start()

        @bentoml.on_shutdown
        async def stop(self) -> None:
            await runtime.stop()

        async def __is_ready__(self) -> bool:
            return runtime.ready

        async def __is_alive__(self) -> bool:
            return runtime.alive

        @bentoml.api(route="/v1/tag")
        async def tag(self, request: TagInput, /) -> Any:
            """Tag one article."""
            with _answered():
                return await runtime.handlers.tag(cast("TagRequest", request))

        @bentoml.api(route="/v1/batch")
        async def batch(self, request: BatchInput, /) -> Any:
            """Tag many articles; a bad one harms no other."""
            with _answered():
                return await runtime.handlers.batch(cast("BatchRequest", request))

    mounted = bentoml.asgi_app(_web(runtime), path="/")(Qawl)
    service = bentoml.service(
        name="Qawl",
        workers=settings.workers,
        service_class=cast("type[Service[Any]]", GuardedService),
        logging={"access": {"enabled": False}},
        **_tracing(settings),
    )(mounted)
    guarded = cast("GuardedService", service)
    guarded.runtime = runtime
    return guarded


def _web(runtime: Runtime) -> Starlette:
    """The GET routes, which BentoML's API methods cannot be."""

    async def page(_: Request) -> Response:
        return FileResponse(PAGE / "index.html")

    async def labels(_: Request) -> Response:
        return JSONResponse(runtime.handlers.labels())

    async def model(_: Request) -> Response:
        return JSONResponse(runtime.handlers.model())

    async def docs(_: Request) -> Response:
        return JSONResponse(openapi(runtime.settings))

    return Starlette(
        routes=[
            Route("/", page),
            Route("/v1/labels", labels),
            Route("/v1/model", model),
            Route("/docs.json", docs),
            Mount("/page", StaticFiles(directory=PAGE)),
        ]
    )


def _tracing(settings: Settings) -> dict[str, Any]:
    if settings.tracing_endpoint is None:
        return {}
    return {
        "tracing": {
            "exporter_type": "otlp",
            "sample_rate": 1.0,
            "otlp": {"protocol": "http", "endpoint": settings.tracing_endpoint},
        }
    }
