"""Writes segments.json: the spans that `models.segment` finds in each seed article."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.segment import segment

GOLDEN = Path(__file__).resolve().parent
SEEDS = GOLDEN.parents[1] / "seeds" / "articles.jsonl"
PARAGRAPH = 3


def article_text(article: dict[str, Any]) -> str:
    """The article as a page shows it: the title on a line, then paragraphs of three sentences."""
    title, *body = [sentence["text"] for sentence in article["sentences"]]
    paragraphs = [" ".join(body[at : at + PARAGRAPH]) for at in range(0, len(body), PARAGRAPH)]
    return "\n".join([title, *paragraphs])


if __name__ == "__main__":
    articles = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]
    rows = [f"{json.dumps(article['id'])}: {json.dumps(segment(article_text(article)))}" for article in articles]
    (GOLDEN / "segments.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
