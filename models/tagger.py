"""The only way from text to tags: evaluation, the service, the command line and bulk work all go through it."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np

from models import article
from models.article import Prepared
from models.bundle import SHIPPED, Bundle, Precision
from models.calibrate import Probabilities, document_stance, named
from models.engines import Engine, Logits
from models.errors import InputError
from models.labels import NONE, STANCES, VOICES
from models.tags import (
    Document,
    DocumentStance,
    SentenceTags,
    Tags,
    Target,
    TargetSource,
    Usage,
    count_stances,
)
from models.windows import Ids, Window, beside, blocks, encode, truncated, windows

EngineName = Literal["onnx", "torch"]
Steps = Generator[list[Window], list[Logits], Tags]
_Asked = dict[str, tuple[Ids, list[Window]]]
"""Tokens and windows of each target, by its text."""

# How many documents are in flight at once in `Tagger.tag`: enough to fill batches, little memory.
IN_FLIGHT = 64


class Tagger:
    """A bundle and the engine that runs it."""

    def __init__(self, bundle: Bundle, engine: Engine, *, max_target_tokens: int | None = None) -> None:
        self.bundle = bundle
        self.engine = engine
        self.max_target_tokens = max_target_tokens or bundle.windows.max_target_tokens

    @classmethod
    def load(
        cls,
        path: Path | None = None,
        *,
        engine: EngineName = "onnx",
        precision: Precision = "fp32",
        threads: int | None = None,
    ) -> Tagger:
        """Load a bundle (the shipped one if none is named) and start its engine.

        Raises:
            BundleError: the bundle cannot be loaded.

        """
        bundle = Bundle.load(path or SHIPPED)
        return cls(bundle, _start(bundle, engine, precision, threads))

    def tag(self, documents: Sequence[Document]) -> list[Tags | InputError]:
        """Tags of each document, in order; one that cannot be tagged gives its error and harms no other."""
        results: list[Tags | InputError] = []
        for first in range(0, len(documents), IN_FLIGHT):
            results += self._tag(documents[first : first + IN_FLIGHT])
        return results

    def _tag(self, documents: Sequence[Document]) -> list[Tags | InputError]:
        results: dict[int, Tags | InputError] = {}
        waiting: dict[int, tuple[Steps, list[Window]]] = {}

        def advance(i: int, steps: Steps, logits: list[Logits] | None) -> None:
            try:
                waiting[i] = (steps, next(steps) if logits is None else steps.send(logits))
            except StopIteration as stop:
                results[i] = stop.value
            except InputError as error:
                results[i] = error

        for i, document in enumerate(documents):
            advance(i, self.steps(document), None)
        while waiting:
            round_, waiting = waiting, {}
            outputs = iter(self.engine.run([window for _, wanted in round_.values() for window in wanted]))
            for i, (steps, wanted) in round_.items():
                advance(i, steps, [next(outputs) for _ in wanted])
        return [results[i] for i in range(len(documents))]

    def steps(self, document: Document) -> Steps:
        """Tag one document step by step: yields windows, is sent their logits in order, returns the tags.

        Whoever drives it may run the windows of many documents together.

        Raises:
            InputError: the document cannot be tagged.

        """
        prepared = article.prepare(document, self.bundle)
        targets = self._given_targets(document)
        own = windows(prepared.tokens, None, self.bundle.windows, context=document.context)
        asked = {t.text: self._beside(prepared, document, t, own) for t in targets}
        cut = self._truncated(prepared, asked)
        self._check_overflow(document, cut)
        used = _together(own, asked)
        answers = dict(zip(used, (yield used), strict=True))
        reading = self._read(self._gather(own, answers, len(prepared.tokens)))
        by_target = self._stances(asked, answers, len(prepared.tokens))
        supplier = None
        if document.default_target and document.targets is None:
            targets, supplier = self._default_target(prepared, reading)
            asked = {t.text: self._beside(prepared, document, t, own) for t in targets}
            cut = self._truncated(prepared, asked)
            if wanted := [w for _, found in asked.values() for w in found if w not in answers]:
                answers |= dict(zip(wanted, (yield wanted), strict=True))
                used += wanted
            by_target = self._stances(asked, answers, len(prepared.tokens))
        stances = [by_target[t.text] for t in targets]
        read = {key: block for window in used for key, block in blocks(window)}
        usage = Usage(prepared.count, sum(block.tokens for block in read.values()), len(read))
        return self._assemble(document, prepared, reading, targets, stances, cut, supplier, usage)

    def _given_targets(self, document: Document) -> list[Target]:
        return [Target(i, text, "caller") for i, text in enumerate(document.targets or ())]

    def _beside(
        self, prepared: Prepared, document: Document, target: Target, own: Sequence[Window]
    ) -> tuple[Ids, list[Window]]:
        (ids,) = encode(self.bundle.tokenizer, [self.bundle.normalise(target.text)])
        if len(ids) > self.max_target_tokens:
            if target.source == "caller":
                raise InputError(
                    f"targets[{target.index}]",
                    f"has {len(ids)} tokens, at most {self.max_target_tokens} are allowed",
                )
            ids = ids[: self.max_target_tokens]
        return ids, beside(own, prepared.tokens, ids, self.bundle.windows, context=document.context)

    def _check_overflow(self, document: Document, cut: list[bool]) -> None:
        if document.on_overflow == "error":
            for i, is_cut in enumerate(cut):
                if is_cut:
                    field = f"sentences[{i}]" if document.text is None else "text"
                    raise InputError(
                        field,
                        f"sentence {i} is longer than a window of {self.bundle.windows.max_tokens} tokens; "
                        "shorten it or allow on_overflow: truncate",
                    )

    def _truncated(self, prepared: Prepared, asked: _Asked) -> list[bool]:
        longest = max((len(ids) for ids, _ in asked.values()), default=0)
        return truncated(prepared.tokens, longest, self.bundle.windows)[prepared.skip :]

    def _gather(self, asked: Sequence[Window], answers: Mapping[Window, Logits], count: int) -> Logits:
        rows = np.empty((count, answers[asked[0]].shape[1]), dtype=np.float32)
        for window in asked:
            rows[window.sentences] = answers[window]
        if not np.isfinite(rows).all():
            raise ArithmeticError("the network's output is not finite")
        return rows

    def _stances(self, asked: _Asked, answers: Mapping[Window, Logits], count: int) -> dict[str, Probabilities]:
        """Stance probabilities (sentences, 4) by the text of the target; equal targets share them."""
        calibration, scheme = self.bundle.manifest.calibration, self.bundle.scheme
        return {
            text: calibration.stance_probabilities(self._gather(found, answers, count), scheme)
            for text, (_, found) in asked.items()
        }

    def _read(self, logits: Logits) -> _Reading:
        calibration, scheme = self.bundle.manifest.calibration, self.bundle.scheme
        types = calibration.type_probabilities(logits, scheme)
        return _Reading(
            types=types,
            chosen=calibration.choose_types(types, scheme),
            primary=calibration.primary_probabilities(logits, scheme),
            voice=calibration.voice_probabilities(logits, scheme),
        )

    def _default_target(self, prepared: Prepared, reading: _Reading) -> tuple[list[Target], int | None]:
        for i, chosen in enumerate(reading.chosen):
            if chosen != (NONE,):
                is_title = i < prepared.skip
                source: TargetSource = "title" if is_title else "lead"
                text = article.proposition(prepared.texts[i]) if is_title else prepared.texts[i]
                return [Target(0, text, source)], None if is_title else i - prepared.skip
        return [], None

    def _assemble(
        self,
        document: Document,
        prepared: Prepared,
        reading: _Reading,
        targets: list[Target],
        stances: list[Probabilities],
        cut: list[bool],
        supplier: int | None,
        usage: Usage,
    ) -> Tags:
        sentences = tuple(
            self._sentence(prepared, reading, i, stances, cut[i], is_target=i == supplier)
            for i in range(prepared.count)
        )
        return Tags(
            id=document.id,
            model=self.bundle.identity(),
            targets=tuple(targets),
            sentences=sentences,
            document=tuple(self._document(t, stances[t.index][prepared.skip :], sentences) for t in targets),
            usage=usage,
        )

    def _sentence(
        self,
        prepared: Prepared,
        reading: _Reading,
        index: int,
        stances: list[Probabilities],
        cut: bool,
        *,
        is_target: bool,
    ) -> SentenceTags:
        scheme, row = self.bundle.scheme, index + prepared.skip
        chosen = reading.chosen[row]
        primary = NONE
        if chosen != (NONE,):
            by_type = named(reading.primary[row], scheme.type_ids)
            primary = max(chosen, key=by_type.__getitem__)
        start, end = prepared.spans[index] if prepared.spans else (None, None)
        text = prepared.texts[row]
        return SentenceTags(
            index=index,
            start=start,
            end=end,
            text=text,
            type_scores=named(reading.types[row], (*scheme.type_ids, NONE)),
            types=chosen,
            primary=primary,
            checkable=scheme.is_checkable(chosen),
            voice_scores=named(reading.voice[row], VOICES),
            stance_scores=tuple(None if is_target else named(rows[row], STANCES) for rows in stances),
            truncated=cut,
            no_arabic=not article.has_arabic(text),
            is_target=is_target,
        )

    def _document(self, target: Target, stances: Probabilities, sentences: Sequence[SentenceTags]) -> DocumentStance:
        counted = [s.index for s in sentences if not s.is_target]
        label, score, mixed = document_stance(stances[counted], self.bundle.manifest.calibration.document_margin)
        labels = [label_ for i in counted if (label_ := sentences[i].stances[target.index]) is not None]
        return DocumentStance(target.index, label, score, mixed, count_stances(labels))


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """What the empty-target windows say of each sentence (the title first, if there is one)."""

    types: Probabilities
    chosen: list[tuple[str, ...]]
    primary: Probabilities
    voice: Probabilities


def _together(own: Sequence[Window], asked: _Asked) -> list[Window]:
    """Every window once, those of one part of the article side by side: what they share is then still at hand."""
    rows = zip_longest(own, *(found for _, found in asked.values()))
    return list(dict.fromkeys(window for row in rows for window in row if window is not None))


def _start(bundle: Bundle, engine: EngineName, precision: Precision, threads: int | None) -> Engine:
    if engine == "onnx":
        from models.engines.onnx import OnnxEngine

        return OnnxEngine(bundle.onnx(precision), bundle.windows, threads, alone=precision == "int8")
    # torch is an extra: only whoever asks for it pays for its import.
    from models.engines.torch import TorchEngine, load_network

    return TorchEngine(load_network(bundle))
