"""The batcher alone, with a Tagger whose answers depend on the input: a reply handed to another shows."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from models.engines import Logits
from models.errors import InputError
from models.tagger import Tagger
from models.tags import Document, Tags
from models.windows import Window, WindowSpec, joined
from service.batcher import Batcher, EngineFault
from service.errors import ApiError


class FakeTagger:
    """One window a sentence, of as many tokens as the sentence has characters; its "tags" are those lengths."""

    def __init__(self) -> None:
        self.engine = self
        self.bundle = SimpleNamespace(windows=WindowSpec(cls=1, sep=2, pad=0))
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.seconds = 0.0
        self.may_run = threading.Event()
        self.may_run.set()
        self.fails: Callable[[int], bool] = lambda tokens: False
        self.gives: Callable[[int], float] = float

    def steps(self, document: Document) -> Generator[list[Window], list[Logits], Tags]:
        if not document.sentences:
            raise InputError("sentences", "must hold at least one sentence")
        logits = yield [window(len(sentence)) for sentence in document.sentences]
        if document.title is not None:
            logits += yield [window(len(document.title))]
        return cast("Tags", tuple(int(rows[0, 0]) for rows in logits))

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        self.threads.add(threading.get_ident())
        self.batches.append([w.tokens for w in windows])
        self.may_run.wait()
        time.sleep(self.seconds)
        if any(self.fails(w.tokens) for w in windows):
            raise RuntimeError("poison")
        return [np.full((1, 1), self.gives(w.tokens), np.float32) for w in windows]


def window(tokens: int) -> Window:
    one = np.zeros(1, np.int32)
    return Window(ids=np.zeros(tokens, np.int32), head=2, starts=one, ends=one, scored=one, sentences=one)


def article(*lengths: int, title: int | None = None) -> Document:
    return Document(sentences=tuple("ق" * n for n in lengths), title=None if title is None else "ق" * title)


def run(tagger: FakeTagger, work: Callable[[Batcher], Any], **settings: int) -> Any:
    async def main() -> Any:
        given = {"batch_tokens": 1000, "queue_tokens": 100_000, "max_tokens": 100_000, "max_segments": 1000} | settings
        batcher = Batcher(cast("Tagger", tagger), **given)
        batcher.start()
        try:
            return await work(batcher)
        finally:
            assert batcher.alive
            await batcher.stop()

    return asyncio.run(main())


def test_every_article_gets_its_own_answers_in_order() -> None:
    tagger = FakeTagger()
    articles = [article(*range(i + 1, i + 6), title=90 + i) for i in range(30)]

    async def work(batcher: Batcher) -> list[list[Any]]:
        return await asyncio.gather(*(batcher.tag(articles[i : i + 3]) for i in range(0, 30, 3)))

    answers = [tags for request in run(tagger, work) for tags in request]
    assert answers == [(*range(i + 1, i + 6), 90 + i) for i in range(30)]
    assert len(tagger.threads) == 1


class ApartTagger(FakeTagger):
    """One window of an article, and one beside each target, that share what is read of the article."""

    def __init__(self) -> None:
        super().__init__()
        self.bundle = SimpleNamespace(windows=WindowSpec(cls=1, sep=2, pad=0, apart=True))

    def steps(self, document: Document) -> Generator[list[Window], list[Logits], Tags]:
        own = window(sum(map(len, document.sentences or ())))
        targets = [np.full(len(target), i + 3, np.int32) for i, target in enumerate(document.targets or ())]
        logits = yield [own, *(joined(target, own) for target in targets)]
        return cast("Tags", tuple(int(rows[0, 0]) for rows in logits))


def test_an_article_that_is_read_once_counts_once_beside_its_targets() -> None:
    tagger = ApartTagger()
    document = replace(article(100), targets=("ق" * 8,) * 5)

    async def work(batcher: Batcher) -> list[Any]:
        return await batcher.tag([document])

    # 100 tokens and five targets of ten, where reading both together would cost 650.
    assert run(tagger, work, max_tokens=150, batch_tokens=150) == [(100, *[110] * 5)]
    assert [len(batch) for batch in tagger.batches] == [6]
    (error,) = run(ApartTagger(), work, max_tokens=149)
    assert isinstance(error, InputError)
    assert "costs 150 tokens over all targets, at most 149 are allowed" in str(error)


def test_requests_in_hand_are_run_together_up_to_the_budget() -> None:
    tagger = FakeTagger()
    tagger.seconds = 0.02

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.tag([article(10)]) for _ in range(40)))

    run(tagger, work, batch_tokens=100)
    assert sum(map(len, tagger.batches)) == 40
    assert max(map(sum, tagger.batches)) == 100
    assert len(tagger.batches) <= 8


def test_a_headline_does_not_wait_for_a_book() -> None:
    tagger = FakeTagger()
    tagger.seconds = 0.01

    async def work(batcher: Batcher) -> float:
        book = asyncio.ensure_future(batcher.tag([article(*[400] * 100)]))
        await asyncio.sleep(0.05)
        started = time.perf_counter()
        await batcher.tag([article(5)])
        waited = time.perf_counter() - started
        assert not book.done()
        await book
        return waited

    run(tagger, work, batch_tokens=500)
    first = next(i for i, batch in enumerate(tagger.batches) if 5 in batch)
    assert first < 20
    assert len(tagger.batches) >= 100


def test_turns_are_fair_in_tokens() -> None:
    """Of two requests, the one with long windows does not get more of the model than the other."""
    tagger = FakeTagger()
    tagger.seconds = 0.002

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(batcher.tag([article(*[500] * 40)]), batcher.tag([article(*[50] * 400)]))

    run(tagger, work, batch_tokens=1000)
    half = [tokens for batch in tagger.batches[: len(tagger.batches) // 2] for tokens in batch]
    long, short = sum(t for t in half if t == 500), sum(t for t in half if t == 50)
    assert long == pytest.approx(short, rel=0.2)


def test_a_poisoned_window_fails_its_article_only() -> None:
    tagger = FakeTagger()
    tagger.fails = lambda tokens: tokens == 13

    async def work(batcher: Batcher) -> list[list[Any]]:
        asked = [[article(i, i)] for i in range(10, 18)]
        return await asyncio.gather(
            *(batcher.tag(a) for a in asked), batcher.tag([article(20), article(13), article(21)])
        )

    *requests, batch = run(tagger, work)
    assert [type(tags) for (tags,) in requests] == [tuple] * 3 + [EngineFault] + [tuple] * 4
    assert batch[0] == (20,)
    assert isinstance(batch[1], EngineFault)
    assert batch[2] == (21,)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_a_fault(value: float) -> None:
    tagger = FakeTagger()
    tagger.gives = lambda tokens: value if tokens == 7 else tokens

    async def work(batcher: Batcher) -> list[Any]:
        return await batcher.tag([article(6), article(7), article(8)])

    first, second, third = run(tagger, work)
    assert (first, third) == ((6,), (8,))
    assert isinstance(second, EngineFault)
    assert second.reason == "not_finite"


def test_a_bad_document_and_a_dear_one_are_input_errors() -> None:
    async def work(batcher: Batcher) -> list[Any]:
        return await batcher.tag([article(5), article(), article(*[100] * 30)])

    good, empty, dear = run(FakeTagger(), work, max_tokens=2000)
    assert good == (5,)
    assert isinstance(empty, InputError)
    assert isinstance(dear, InputError)
    assert "QAWL_MAX_TOKENS" in dear.message


def test_a_full_queue_refuses_and_says_when_to_come_back() -> None:
    tagger = FakeTagger()
    tagger.seconds = 0.05

    async def work(batcher: Batcher) -> list[Any]:
        return await asyncio.gather(*(batcher.tag([article(*[100] * 5)]) for _ in range(10)), return_exceptions=True)

    outcomes = run(tagger, work, queue_tokens=1000, batch_tokens=100)
    refused = [outcome for outcome in outcomes if isinstance(outcome, ApiError)]
    assert 0 < len(refused) < 10
    assert {error.code for error in refused} == {"queue_full"}
    assert all(1 <= int(error.headers["retry-after"]) <= 60 for error in refused)


def test_an_idle_queue_takes_any_one_request() -> None:
    async def work(batcher: Batcher) -> list[Any]:
        first = await batcher.tag([article(*[100] * 50)])
        return first + await batcher.tag([article(*[100] * 50)])

    assert run(FakeTagger(), work, queue_tokens=10) == [(100,) * 50] * 2


def test_what_is_given_up_never_reaches_the_model_and_leaves_no_debt() -> None:
    tagger = FakeTagger()
    tagger.may_run.clear()

    async def work(batcher: Batcher) -> None:
        busy = asyncio.ensure_future(batcher.tag([article(1)]))
        while not tagger.batches:
            await asyncio.sleep(0.001)
        for _ in range(20):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.002):
                    await batcher.tag([article(*[77] * 10)])
        tagger.may_run.set()
        await busy
        await batcher.tag([article(2)])
        assert batcher._load == pytest.approx(0, abs=1e-6)

    run(tagger, work, queue_tokens=2000)
    assert all(77 not in batch for batch in tagger.batches)
