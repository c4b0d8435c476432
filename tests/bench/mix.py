"""Documents of the benchmarks, made of the project's own seed articles; needs neither torch nor outside data."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from math import log
from pathlib import Path
from typing import Any

from models.tags import Document

SEEDS = Path(__file__).resolve().parents[2] / "seeds" / "articles.jsonl"


def seeds() -> list[dict[str, Any]]:
    """The project's own articles: texts of their sentences, and targets."""
    found = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]
    return [{"sentences": [s["text"] for s in a["sentences"]], "targets": a["targets"]} for a in found]


def articles(count: int, *, sentences: int | None = None, targets: int = 1, seed: int = 1) -> Iterator[Document]:
    """Articles of the seeds' words, as long as those of the news and with sentences as long as theirs.

    Measured in newspapers: 12 sentences an article, 25 at the ninth decile (or all have `sentences`); at 1.25
    tokens a word, 31 tokens a sentence at the median, 71 at the ninth decile, 37.5 on average.
    """
    rng = random.Random(seed)
    pool = seeds()
    claims = [target for article in pool for target in article["targets"]]
    words = _words(pool, rng)
    for number in range(count):
        length = sentences or _length(rng, 12, 25)
        yield Document(
            id=str(number),
            sentences=tuple(" ".join(islice(words, _length(rng, 25, 57))) for _ in range(length)),
            targets=tuple(rng.sample(claims, targets)),
        )


def mixed(count: int, seed: int) -> Iterator[Document]:
    """Half of them headlines, one sentence each; half of them articles."""
    for document, headline in zip(articles(count, seed=seed), articles(count, sentences=1, seed=seed), strict=True):
        yield headline if int(document.id or 0) % 2 else document


def _length(rng: random.Random, median: float, ninth_decile: float) -> int:
    """A log-normal length with that median and ninth decile."""
    return max(1, round(rng.lognormvariate(log(median), log(ninth_decile / median) / 1.2816)))


def _words(pool: list[dict[str, Any]], rng: random.Random) -> Iterator[str]:
    while True:
        for sentence in rng.choice(pool)["sentences"]:
            yield from sentence.split()


def turned(documents: Sequence[Document], turns: Iterator[int]) -> list[Document]:
    """The same with the words of each target turned by the next number: what an engine kept of it does not help."""
    turn = next(turns)

    def moved(text: str) -> str:
        words = text.split()
        at = turn % len(words)
        return " ".join((*words[at:], *words[:at]))

    return [replace(d, targets=tuple(map(moved, d.targets or ()))) for d in documents]
