"""The BentoML service: `create_service` ties guard, handlers, batcher and page together.

What is taken from BentoML's inside (`Service.to_asgi`, `IODescriptor.from_http_request`, its TimeoutMiddleware) is
held by tests/service/test_bentoml_contract.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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

from models.tagger import Tagger
from service import logs
from service.call import current
from service.errors import ApiError
from service.guard import Guard
from service.openapi import document as openapi
from service.runtime import Runtime
from service.schemas import BatchRequest, TagRequest, parse
from service.settings import Settings

PAGE = Path(__file__).resolve().parent / "page"


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
    """Stands for a request of ours.

    BentoML's own parser answers another status and shape, and its rewriting of annotations breaks ours.
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


class GuardedService(Service[Any]):  # type: ignore[misc]
    """A BentoML service whose whole application stands behind the guard."""

    runtime: Runtime

    def to_asgi(self, is_main: bool = True) -> ASGIApp:
        """The application BentoML serves."""
        app = cast("Starlette", super().to_asgi(is_main))
        # Ours knows when a request came in and may be shorter; BentoML's keeps a timer per request till it ends.
        app.user_middleware = [m for m in app.user_middleware if cast("object", m.cls) is not TimeoutMiddleware]
        return Guard(app, self.runtime.settings, lambda: self.runtime.draining)


def create_service(settings: Settings, tagger: Tagger | None = None) -> GuardedService:
    """The service for these settings; `tagger` stands in for the one that the settings name."""
    runtime = Runtime(settings, tagger)

    class Qawl:
        """Tags every sentence of an Arabic article with claim types, voice and stances."""

        def __init__(self) -> None:
            logs.configure(settings.log_level)

        @bentoml.on_startup  # type: ignore[untyped-decorator]
        async def start(self) -> None:
            await runtime.start()

        @bentoml.on_shutdown  # type: ignore[untyped-decorator]
        async def stop(self) -> None:
            await runtime.stop()

        async def __is_ready__(self) -> bool:
            return runtime.ready

        async def __is_alive__(self) -> bool:
            return runtime.alive

        @bentoml.api(route="/v1/tag")  # type: ignore[untyped-decorator]
        async def tag(self, request: TagInput, /) -> Any:
            """Tag one article."""
            with _answered():
                return await runtime.handlers.tag(cast("TagRequest", request))

        @bentoml.api(route="/v1/batch")  # type: ignore[untyped-decorator]
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
