"""What goes into the Tagger and what comes out, free of HTTP and of tensors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from models.labels import STANCES

OffsetUnit = Literal["codepoint", "utf16"]
Overflow = Literal["truncate", "error"]
TargetSource = Literal["caller", "title", "lead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One article: `text` (optionally with the caller's `spans` of it), or `sentences`.

    Spans are in code points of `text`, ordered and disjoint. `context=False` reads each sentence alone.
    """

    text: str | None = None
    spans: tuple[tuple[int, int], ...] | None = None
    sentences: tuple[str, ...] | None = None
    id: str | None = None
    title: str | None = None
    targets: tuple[str, ...] | None = None
    default_target: bool = False
    context: bool = True
    on_overflow: Overflow = "truncate"


@dataclass(frozen=True, slots=True)
class Target:
    """A proposition that stances are about, and where it came from."""

    index: int
    text: str
    source: TargetSource


@dataclass(frozen=True, slots=True)
class SentenceTags:
    """The tags of one sentence; every score is a calibrated probability.

    `type_scores` has every claim type and `none`; `types` those that pass their thresholds, highest score
    first, or `none` alone. `stance_scores` has one entry per target, `None` where the sentence supplied it.
    `start` and `end` are code points of the text as received, `None` for sentences given as a list.
    """

    index: int
    start: int | None
    end: int | None
    text: str
    type_scores: dict[str, float]
    types: tuple[str, ...]
    primary: str
    checkable: bool
    voice_scores: dict[str, float]
    stance_scores: tuple[dict[str, float] | None, ...]
    truncated: bool = False
    no_arabic: bool = False
    is_target: bool = False

    @property
    def voice(self) -> str:
        """The most probable voice."""
        return best(self.voice_scores)

    @property
    def stances(self) -> tuple[str | None, ...]:
        """The most probable stance toward each target, `None` where the sentence is the target."""
        return tuple(None if scores is None else best(scores) for scores in self.stance_scores)


@dataclass(frozen=True, slots=True)
class DocumentStance:
    """Where an article as a whole stands toward one target; `counts` are sentences per stance."""

    target: int
    label: str
    score: float
    mixed: bool
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Usage:
    """What tagging cost: sentences returned, tokens and windows read by the encoder."""

    sentences: int
    tokens: int
    windows: int


@dataclass(frozen=True, slots=True)
class Tags:
    """Everything said about one article; `model` is name, version and scheme of the bundle."""

    id: str | None
    model: dict[str, str]
    targets: tuple[Target, ...]
    sentences: tuple[SentenceTags, ...]
    document: tuple[DocumentStance, ...]
    usage: Usage

    def to_json(
        self, *, scores: bool = False, offset_unit: OffsetUnit = "codepoint", text: str | None = None
    ) -> dict[str, Any]:
        """The reply of `POST /v1/tag`, as plain data.

        `text` is the text as received; it is needed for `utf16` offsets only.
        """
        units = _utf16_offsets(text, self.sentences) if offset_unit == "utf16" and text is not None else None
        return {
            "id": self.id,
            "model": self.model,
            "offset_unit": offset_unit,
            "targets": [{"index": t.index, "text": t.text, "source": t.source} for t in self.targets],
            "sentences": [
                _sentence_json(s, scores, units[i] if units else (s.start, s.end)) for i, s in enumerate(self.sentences)
            ],
            "document": {
                "stances": [
                    {
                        "target": d.target,
                        "label": d.label,
                        "score": _round(d.score),
                        "mixed": d.mixed,
                        "counts": d.counts,
                    }
                    for d in self.document
                ]
            },
            "usage": {
                "sentences": self.usage.sentences,
                "tokens": self.usage.tokens,
                "windows": self.usage.windows,
            },
        }


def best(scores: dict[str, float]) -> str:
    """The label with the highest score; the first of the scheme's order on a tie."""
    return max(scores, key=scores.__getitem__)


def count_stances(labels: list[str]) -> dict[str, int]:
    """How many sentences take each stance, every stance named."""
    counted = Counter(labels)
    return {stance: counted[stance] for stance in STANCES}


def _round(score: float) -> float:
    # Six decimals: far below the stated 1e-4 invariance, and short enough to read.
    return round(float(score), 6)


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {label: _round(score) for label, score in scores.items()}


def _scored(scores: dict[str, float], with_scores: bool) -> dict[str, Any]:
    label = best(scores)
    data: dict[str, Any] = {"label": label, "score": _round(scores[label])}
    if with_scores:
        data["scores"] = _rounded(scores)
    return data


def _sentence_json(s: SentenceTags, scores: bool, span: tuple[int | None, int | None]) -> dict[str, Any]:
    data: dict[str, Any] = {
        "index": s.index,
        "start": span[0],
        "end": span[1],
        "text": s.text,
        "types": [{"label": label, "score": _round(s.type_scores[label])} for label in s.types],
        "primary": s.primary,
        "checkable": s.checkable,
        "voice": _scored(s.voice_scores, scores),
        "stances": [
            {"target": i, "label": None, "score": None} if stance is None else {"target": i, **_scored(stance, scores)}
            for i, stance in enumerate(s.stance_scores)
        ],
        "truncated": s.truncated,
    }
    if scores:
        data["type_scores"] = _rounded(s.type_scores)
    if s.no_arabic:
        data["no_arabic"] = True
    if s.is_target:
        data["is_target"] = True
    return data


def _utf16_offsets(text: str, sentences: tuple[SentenceTags, ...]) -> list[tuple[int | None, int | None]]:
    """Spans in UTF-16 code units (JavaScript's), in one pass over the text."""
    spans: list[tuple[int | None, int | None]] = []
    units = points = 0
    for sentence in sentences:
        if sentence.start is None or sentence.end is None:
            spans.append((None, None))
            continue
        units += _units(text[points : sentence.start])
        length = _units(text[sentence.start : sentence.end])
        spans.append((units, units + length))
        units += length
        points = sentence.end
    return spans


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


__all__ = [
    "Document",
    "DocumentStance",
    "OffsetUnit",
    "Overflow",
    "SentenceTags",
    "Tags",
    "Target",
    "TargetSource",
    "Usage",
    "best",
    "count_stances",
]
