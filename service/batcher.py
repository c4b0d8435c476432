"""The micro-batcher: windows of all requests in hand, run together by the one thread that owns the model.

`Batcher.tag` drives the steps of each document (models.tagger) and puts the windows they ask for into its
request's queue. Queues take turns by deficit round robin, in tokens, so that a book beside a headline slows
the headline by one batch and not by the book. A batch that fails is halved until the failing window stands
alone; only its own article fails.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np

from models.engines import Logits
from models.errors import InputError
from models.tagger import Steps, Tagger
from models.tags import Document, Tags
from models.windows import Window, blocks
from service import logs, metrics
from service.call import current
from service.errors import queue_full

T = TypeVar("T")
# Deficit added a turn: about one window.
QUANTUM = 512
# Documents of fewer code points are cut and tokenised on the event loop: a millisecond or two, less than handing them
# to a thread and back costs. Longer ones go to a thread, books to another, so that no article waits for a book.
SHORT, SMALL = 2_000, 20_000


class EngineFault(Exception):
    """The model failed on a window, or gave what is no number; `reason` holds no text and no path."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(eq=False, slots=True)
class _Entry:
    """A window in a queue, the tokens that it adds to what is read of its document, and where its logits go."""

    window: Window
    cost: int
    round: _Round
    place: int


@dataclass(eq=False, slots=True)
class _Round:
    """The windows one document asked for in one step; `done` has their logits, in order."""

    results: list[Logits | None]
    done: asyncio.Future[list[Logits]]
    queued: float
    left: int
    rid: str
    started: float = math.inf

    def deliver(self, place: int, result: Logits | EngineFault) -> None:
        if self.done.done():
            return
        if isinstance(result, EngineFault):
            self.done.set_exception(result)
            return
        self.results[place] = result
        self.left -= 1
        if not self.left:
            self.done.set_result([logits for logits in self.results if logits is not None])


@dataclass(eq=False, slots=True)
class _Flow:
    """One request's queue; `held` are the tokens that the queue's limit counts for it."""

    entries: deque[_Entry] = field(default_factory=deque)
    deficit: int = 0
    held: float = 0.0
    gone: bool = False


class Batcher:
    """Runs documents through a Tagger, together. Everything but the model itself is on the event loop."""

    def __init__(
        self, tagger: Tagger, *, batch_tokens: int, queue_tokens: int, max_tokens: int, max_segments: int
    ) -> None:
        self._tagger = tagger
        self._batch_tokens = batch_tokens
        self._queue_tokens = queue_tokens
        self._max_tokens = max_tokens
        self._max_segments = max_segments
        self._model = ThreadPoolExecutor(1, "model")
        self._small = ThreadPoolExecutor(1, "small")
        self._large = ThreadPoolExecutor(1, "large")
        self._turns: deque[_Flow] = deque()
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        # Tokens waiting (for a document not yet tokenised: expected), and what the model reads a second.
        self._load = 0.0
        self._rate = 1000.0
        self._density = 0.4

    def start(self) -> None:
        """Begin to run what is queued; call it on the event loop."""
        self._runner = asyncio.get_running_loop().create_task(self._run(), name="batcher")

    async def stop(self) -> None:
        """Stop; what still waits is given up."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for pool in (self._model, self._small, self._large):
            pool.shutdown(wait=False, cancel_futures=True)

    @property
    def alive(self) -> bool:
        """Whether queued work is being run."""
        return self._runner is not None and not self._runner.done()

    async def tag(self, documents: Sequence[Document]) -> list[Tags | InputError | EngineFault]:
        """Tags of one request's documents, in order; each fails by itself.

        Cancel it, and what has not reached the model never does.

        Raises:
            ApiError: queue_full.

        """
        expected = [self._expected(document) for document in documents]
        flow = self._admit(sum(expected))
        try:
            async with asyncio.TaskGroup() as group:
                jobs = [
                    group.create_task(self._drive(flow, document, cost))
                    for document, cost in zip(documents, expected, strict=True)
                ]
            return [job.result() for job in jobs]
        finally:
            flow.gone = True
            self._charge(flow, -flow.held)

    async def beside(self, size: int, work: Callable[[], T]) -> T:
        """Do CPU work for a document of that many code points, off the event loop unless it is a short one."""
        if size < SHORT:
            return work()
        pool = self._small if size < SMALL else self._large
        return await asyncio.get_running_loop().run_in_executor(pool, work)

    def _expected(self, document: Document) -> float:
        return self._read_characters(document) * self._density

    def _read_characters(self, document: Document) -> int:
        """Code points that the encoder reads of a document and its targets: the document anew for each, or once."""
        size, targets = characters(document), document.targets or ()
        if self._tagger.bundle.windows.apart:
            return size + sum(map(len, targets))
        return size * (1 + len(targets))

    def _admit(self, cost: float) -> _Flow:
        # A request alone is always taken: its own limits have been checked.
        if self._load and self._load + cost > self._queue_tokens:
            seconds = min(60, max(1, math.ceil(self._load / self._rate)))
            raise queue_full(seconds, f"the queue holds its {self._queue_tokens} tokens (QAWL_QUEUE_TOKENS)")
        flow = _Flow()
        self._charge(flow, cost)
        return flow

    def _charge(self, flow: _Flow, tokens: float) -> None:
        flow.held += tokens
        self._load += tokens
        metrics.QUEUE_TOKENS.set(self._load)

    async def _drive(self, flow: _Flow, document: Document, expected: float) -> Tags | InputError | EngineFault:
        """One document from text to tags: the steps on a thread, its windows in the flow's queue."""
        size = characters(document)
        steps = self._tagger.steps(document)
        try:
            step = await self.beside(size, partial(_advance, steps, None))
            total = 0
            read: set[object] = set()
            while isinstance(step, list):
                costs = _costs(step, read)
                if not total:
                    self._learn(sum(costs), self._read_characters(document))
                    self._charge(flow, -expected)
                total += sum(costs)
                self._check(document, step, total)
                logits = await self._put(flow, step, costs)
                step = await self.beside(size, partial(_advance, steps, logits))
        except (InputError, EngineFault) as error:
            return error
        except Exception:
            logs.event("a document failed outside the model", level=logging.ERROR, exc_info=True)
            return EngineFault("steps")
        return step

    def _check(self, document: Document, step: list[Window], tokens: int) -> None:
        field = "sentences" if document.text is None else "text"
        sentences = 1 + max((int(window.sentences[-1]) for window in step if len(window.sentences)), default=0)
        if sentences > self._max_segments:
            limit = f"at most {self._max_segments} are allowed (QAWL_MAX_SEGMENTS)"
            raise InputError(field, f"has {sentences} sentences, {limit}")
        if tokens > self._max_tokens:
            limit = f"at most {self._max_tokens} are allowed (QAWL_MAX_TOKENS)"
            raise InputError(field, f"costs {tokens} tokens over all targets, {limit}")

    def _learn(self, tokens: int, characters_read: int) -> None:
        self._density += 0.05 * (tokens / max(1, characters_read) - self._density)

    async def _put(self, flow: _Flow, windows: list[Window], costs: list[int]) -> list[Logits]:
        if not windows:
            return []
        future: asyncio.Future[list[Logits]] = asyncio.get_running_loop().create_future()
        call = current()
        asked = _Round([None] * len(windows), future, time.perf_counter(), len(windows), call.rid if call else "")
        if not flow.entries:
            self._turns.append(flow)
        flow.entries.extend(
            _Entry(window, cost, asked, place) for place, (window, cost) in enumerate(zip(windows, costs, strict=True))
        )
        self._charge(flow, sum(costs))
        self._wake.set()
        logits = await future
        if call is not None:
            call.queue = max(call.queue, asked.started - asked.queued)
            call.inference = max(call.inference, time.perf_counter() - asked.started)
        return logits

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = self._select()
            if not batch:
                self._wake.clear()
                await self._wake.wait()
                continue
            started = time.perf_counter()
            results = await loop.run_in_executor(self._model, self._read, batch)
            self._account(batch, started)
            for entry, result in zip(batch, results, strict=True):
                entry.round.deliver(entry.place, result)

    def _select(self) -> list[_Entry]:
        """The next batch: each request in turn gives the windows that its deficit covers."""
        batch: list[_Entry] = []
        room = self._batch_tokens
        while self._turns:
            flow = self._turns.popleft()
            flow.deficit += QUANTUM
            while flow.entries:
                entry = flow.entries[0]
                if flow.gone or entry.round.done.done():
                    metrics.DROPPED.inc()
                elif batch and entry.cost > room:
                    self._turns.appendleft(flow)
                    flow.deficit -= QUANTUM
                    return batch
                elif entry.cost > flow.deficit:
                    self._turns.append(flow)
                    break
                else:
                    batch.append(entry)
                    room -= entry.cost
                    flow.deficit -= entry.cost
                flow.entries.popleft()
                if not flow.gone:
                    self._charge(flow, -entry.cost)
            else:
                flow.deficit = 0
        return batch

    def _account(self, batch: list[_Entry], started: float) -> None:
        seconds = time.perf_counter() - started
        tokens = sum(entry.cost for entry in batch)
        self._rate += 0.2 * (tokens / max(seconds, 1e-6) - self._rate)
        metrics.BATCH_TOKENS.observe(tokens)
        metrics.BATCH_SECONDS.observe(seconds)
        metrics.TOKENS.inc(tokens)
        metrics.WINDOWS.inc(len(batch))
        for entry in batch:
            entry.round.started = min(entry.round.started, started)
            metrics.QUEUE_SECONDS.observe(started - entry.round.queued)

    def _read(self, batch: list[_Entry]) -> list[Logits | EngineFault]:
        """Logits of a batch, on the model's thread; a failing window gives its fault and harms no other."""
        try:
            results = self._tagger.engine.run([entry.window for entry in batch])
            if len(results) != len(batch):
                raise ArithmeticError("the engine lost or made up windows")
        except Exception as error:
            if len(batch) > 1:
                half = len(batch) // 2
                return self._read(batch[:half]) + self._read(batch[half:])
            return [_fault(batch[0], "memory" if isinstance(error, MemoryError) else "raised")]
        return [
            logits if _is_sound(entry.window, logits) else _fault(entry, "not_finite")
            for entry, logits in zip(batch, results, strict=True)
        ]


def _is_sound(window: Window, logits: Logits) -> bool:
    return len(logits) == len(window.scored) and bool(np.isfinite(logits).all())


def _fault(entry: _Entry, reason: str) -> EngineFault:
    """Count and log a window the model failed on; called where the exception, if any, is being handled."""
    metrics.FAULTS.labels(reason).inc()
    logs.event(
        "the model failed on a window",
        level=logging.ERROR,
        exc_info=sys.exc_info()[0] is not None,
        rid=entry.round.rid,
        reason=reason,
        tokens=entry.window.tokens,
    )
    return EngineFault(reason)


def _costs(windows: list[Window], read: set[object]) -> list[int]:
    """Tokens that each window adds to the blocks `read` so far, which grow: what many windows share counts once."""
    costs = []
    for window in windows:
        new = {key: block.tokens for key, block in blocks(window) if key not in read}
        read.update(new)
        costs.append(sum(new.values()))
    return costs


def _advance(steps: Steps, logits: list[Logits] | None) -> list[Window] | Tags:
    """The next windows of a document, or its tags: an exception may not carry a return value over threads."""
    try:
        return next(steps) if logits is None else steps.send(logits)
    except StopIteration as stop:
        tags: Tags = stop.value
        return tags


def characters(document: Document) -> int:
    """Code points of a document that the encoder reads."""
    return len(document.text or "") + sum(map(len, document.sentences or ())) + len(document.title or "")
