"""Documents of the benchmarks, made of the project's own seed articles; needs neither torch nor outside data."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from models.tags import Document

SEEDS = Path(__file__).resolve().parents[2] / "seeds" / "articles.jsonl"


def seeds() -> list[dict[str, Any]]:
    """The project's own articles: texts of their sentences, and targets."""
    found = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]
    return [{"sentences": [s["text"] for s in a["sentences"]], "targets": a["targets"]} for a in found]


def articles(count: int, *, sentences: int | None = None, targets: int = 1, seed: int = 1) -> Iterator[Document]:
    """Articles composed of the seeds' sentences, as long as those of the news.

    Their lengths have the median and the ninth decile that were measured in newspapers (12 and 25 sentences), or
    are all `sentences` long.
    """
    rng = random.Random(seed)
    pool = seeds()
    claims = [target for article in pool for target in article["targets"]]
    for number in range(count):
        length = sentences or max(1, min(60, round(rng.lognormvariate(2.48, 0.57))))
        yield Document(
            id=str(number),
            sentences=tuple(islice(_stream(pool, rng), length)),
            targets=tuple(rng.sample(claims, targets)),
        )


def mixed(count: int, seed: int) -> Iterator[Document]:
    """Half of them headlines, one sentence each; half of them articles."""
    for document, headline in zip(articles(count, seed=seed), articles(count, sentences=1, seed=seed), strict=True):
        yield headline if int(document.id or 0) % 2 else document


def _stream(pool: list[dict[str, Any]], rng: random.Random) -> Iterator[str]:
    while True:
        yield from rng.choice(pool)["sentences"]
