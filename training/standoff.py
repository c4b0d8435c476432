"""Labels that lie apart from their texts: who may not pass a text on can pass on its labels.

A row names its article by `article`, the digest of its text, and each sentence by `start` and `end`, code points into
that text, where a canonical row has the text itself. The texts are those of files as pretraining reads them: a
paragraph a line, a blank line between articles.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.pretrain_data import articles_of
from training.readers import Problem, Row


def digest(text: str) -> str:
    """How a row names the article of that text."""
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def join(rows: Sequence[Row], files: Sequence[Path]) -> Iterator[Row | Problem]:
    """Each row with its texts in place, or the problem that keeps it from having them.

    Raises:
        DataError: a file of texts cannot be read.

    """
    wanted = {row.data.get("article") for row in rows}
    texts: dict[str, str] = {}
    for file in files:
        for lines in articles_of(file):
            text = "".join(lines)
            if (name := digest(text)) in wanted:
                texts[name] = text
    for row in rows:
        yield _joined(row, texts)


def _joined(row: Row, texts: dict[str, str]) -> Row | Problem:
    name = row.data.get("article")
    if not isinstance(name, str):
        return Problem(row.file, row.line, "article", "is missing; it names the text that the labels are of")
    if name not in texts:
        return Problem(row.file, row.line, "article", f"{name!r}: no such text in this corpus's texts")
    sentences = row.data.get("sentences")
    if not isinstance(sentences, list):
        return Problem(row.file, row.line, "sentences", "must be a list")
    joined: list[dict[str, Any]] = []
    for i, sentence in enumerate(sentences):
        span = (sentence.get("start"), sentence.get("end")) if isinstance(sentence, dict) else (None, None)
        match span:
            case (int(start), int(end)) if 0 <= start < end <= len(texts[name]):
                labels = {field: value for field, value in sentence.items() if field not in ("start", "end")}
                joined.append({"text": texts[name][start:end], **labels})
            case _:
                limit = f"must be 0 <= start < end <= {len(texts[name])}"
                return Problem(row.file, row.line, f"sentences.{i}", f"start, end: {span}: {limit}")
    data = {field: value for field, value in row.data.items() if field != "article"}
    return Row(row.file, row.line, {**data, "sentences": joined})
