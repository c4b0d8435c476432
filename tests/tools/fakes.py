"""A Tagger without a network: every answer is a function of the sentence and of the target.

`python -m tests.tools.fakes …` is the `qawl` command with it; FAKE_SECONDS slows each batch down.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from types import SimpleNamespace

import tools.run
from models.errors import InputError
from models.labels import NONE, SCHEME, STANCES, VOICES
from models.segment import segment
from models.tags import Document, DocumentStance, SentenceTags, Tags, Target, Usage, best, count_stances
from tools.workers import Local

TYPES = SCHEME.type_ids


def number(text: str, modulus: int) -> int:
    return zlib.crc32(text.encode()) % modulus


def scores(text: str, labels: Sequence[str]) -> dict[str, float]:
    winner = labels[number(text, len(labels))]
    high = 0.5 + number(text + "!", 1000) / 2000
    return {label: high if label == winner else (1 - high) / (len(labels) - 1) for label in labels}


def sentence(index: int, span: tuple[int, int] | None, text: str, targets: Sequence[str]) -> SentenceTags:
    types = scores(text, (*TYPES, NONE))
    chosen = (best(types),)
    return SentenceTags(
        index=index,
        start=span[0] if span else None,
        end=span[1] if span else None,
        text=text,
        type_scores=types,
        types=chosen,
        primary=chosen[0],
        checkable=SCHEME.is_checkable(chosen),
        voice_scores=scores("voice" + text, VOICES),
        stance_scores=tuple(scores(target + text, STANCES) for target in targets),
    )


class FakeTagger:
    """Refuses texts that hold «سيئ» as an input error."""

    def __init__(self, fingerprint: str = "fake-1") -> None:
        self.bundle = SimpleNamespace(
            identity=lambda: {"name": "fake", "version": "1", "scheme": SCHEME.name},
            fingerprint=fingerprint,
            scheme=SCHEME,
        )
        self.batches: list[int] = []

    def tag(self, documents: Sequence[Document]) -> list[Tags | InputError]:
        self.batches.append(len(documents))
        if seconds := os.environ.get("FAKE_SECONDS"):
            time.sleep(float(seconds))
        return [self._one(document) for document in documents]

    def _one(self, document: Document) -> Tags | InputError:
        text = document.text
        if text is not None and "سيئ" in text:
            return InputError("text", "must not be bad")
        spans = (document.spans or segment(text)) if text is not None else None
        sentences = [text[s:e] for s, e in spans] if text is not None else list(document.sentences or ())
        targets = document.targets or ()
        tagged = tuple(
            sentence(i, spans[i] if spans else None, sentence_text, targets)
            for i, sentence_text in enumerate(sentences)
        )
        return Tags(
            id=document.id,
            model=self.bundle.identity(),
            targets=tuple(Target(i, target, "caller") for i, target in enumerate(targets)),
            sentences=tagged,
            document=tuple(document_stance(i, tagged) for i in range(len(targets))),
            usage=Usage(len(tagged), sum(len(s.text.split()) for s in tagged), 1 + len(targets)),
        )


def document_stance(target: int, tagged: Sequence[SentenceTags]) -> DocumentStance:
    labels = [str(s.stances[target]) for s in tagged]
    counts = count_stances(labels)
    return DocumentStance(target, max(counts, key=counts.__getitem__), 0.7, False, counts)


def local(job: tools.run.Job, files: object) -> Local:
    return Local(FakeTagger(), job.asked)


if __name__ == "__main__":
    from tools.cli import main

    tools.run.worker_for = local
    main()
