"""What a user would write with transformers: a pipeline for sentences, and one for (target, sentence) pairs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    Pipeline,
    PreTrainedTokenizerFast,
    pipeline,
)

from models.bundle import Bundle
from models.labels import STANCES, VOICES
from models.tags import Document
from tests.bench.measure import clock, progress

SIZES = (1, 8, 16, 32)


class Pipelines:
    """Two classifiers of a bundle's encoder shape: sentence to types and voice, target and sentence to stance."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        torch.set_num_threads(threads)
        tokenizer = _tokenizer(bundle)
        self._own = _classifier(bundle, tokenizer, len(bundle.scheme.types) + len(VOICES))
        self._pair = _classifier(bundle, tokenizer, len(STANCES))
        self._normalise = bundle.normalise
        self.size = SIZES[0]

    def tag(self, documents: Sequence[Document]) -> None:
        """Read every sentence alone, and beside every target."""
        for document in documents:
            sentences = [self._normalise(sentence) for sentence in document.sentences or ()]
            self._own(sentences, batch_size=self.size, top_k=None, truncation=True)
            for target in map(self._normalise, document.targets or ()):
                pairs: Any = [{"text": target, "text_pair": sentence} for sentence in sentences]
                self._pair(pairs, batch_size=self.size, top_k=None, truncation=True)

    def tune(self, documents: Sequence[Document]) -> dict[int, float]:
        """Seconds at each batch size; the best one stays."""
        seconds = {}
        # What is set up at the first use is no batch size's doing.
        self.tag([replace(document, sentences=(document.sentences or ())[:2]) for document in documents])
        for self.size in SIZES:
            seconds[self.size] = clock(lambda: self.tag(documents))
            progress(f"pipelines at batch size {self.size}: {seconds[self.size]:.2f} s")
        self.size = min(seconds, key=seconds.__getitem__)
        return {size: round(value, 3) for size, value in seconds.items()}


def _classifier(bundle: Bundle, tokenizer: PreTrainedTokenizerFast, labels: int) -> Pipeline:
    data = json.loads((bundle.path / "config.json").read_text(encoding="utf-8"))
    for name in ("num_labels", "id2label", "label2id"):
        data.pop(name, None)
    config = AutoConfig.for_model(data.pop("model_type"), **data, num_labels=labels)
    model: Any = AutoModelForSequenceClassification
    return pipeline("text-classification", model=model.from_config(config).eval(), tokenizer=tokenizer, device="cpu")


def _tokenizer(bundle: Bundle) -> PreTrainedTokenizerFast:
    spec, backend = bundle.windows, bundle.tokenizer
    cls, sep, pad = (str(backend.id_to_token(i)) for i in (spec.cls, spec.sep, spec.pad))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(bundle.path / "tokenizer.json"),
        cls_token=cls,
        sep_token=sep,
        pad_token=pad,
        model_max_length=spec.max_tokens,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(cls, spec.cls), (sep, spec.sep)],
    )
    return tokenizer
