"""What one process of the service holds: loaded, warmed up, ready, drained."""

from __future__ import annotations

import asyncio
import signal
from functools import cache
from types import FrameType

from models.errors import ConfigError
from models.tagger import Tagger
from models.tags import Document
from service import logs, metrics
from service.batcher import Batcher
from service.errors import not_ready
from service.handlers import Handlers
from service.settings import Settings

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
        self.draining = False
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
            max_segments=settings.max_segments,
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
                self.ready, self.draining = False, True
                signal.signal(signal.SIGTERM, close)
                loop.call_soon_threadsafe(loop.call_later, self.settings.drain_seconds, close, number, None)

            signal.signal(signal.SIGTERM, drain)
        except ValueError:
            # Only the main thread may: under a test client there is no signal to wait for.
            return
