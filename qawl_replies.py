"""What the service answers, as typed data; the user's names are in `qawl`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Scored:
    """A label with its calibrated probability; `scores` has all labels if they were asked for."""

    label: str
    score: float
    scores: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Stance:
    """Where a sentence stands toward target number `target` (from 0).

    `label` is None for the sentence that supplied the target.
    """

    target: int
    label: str | None
    score: float | None
    scores: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """One tagged sentence; `start` and `end` are None where the caller gave a list of sentences."""

    index: int
    start: int | None
    end: int | None
    text: str
    types: tuple[Scored, ...]
    primary: str
    checkable: bool
    voice: Scored
    stances: tuple[Stance, ...]
    truncated: bool = False
    no_arabic: bool = False
    is_target: bool = False
    type_scores: dict[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A proposition that stances are about; `source` is caller, title or lead."""

    index: int
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class DocumentStance:
    """Where the article as a whole stands toward one target; `counts` are sentences per stance."""

    target: int
    label: str
    score: float
    mixed: bool
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Tags:
    """The reply for one article."""

    id: str | None
    model: dict[str, str]
    offset_unit: str
    targets: tuple[Target, ...]
    sentences: tuple[Sentence, ...]
    document: tuple[DocumentStance, ...]
    usage: dict[str, int]

    @classmethod
    def from_json(cls, reply: Mapping[str, Any]) -> Tags:
        """Read a reply of `/v1/tag`; fields that this version does not know are left out."""
        return cls(
            id=reply["id"],
            model=dict(reply["model"]),
            offset_unit=reply["offset_unit"],
            targets=tuple(_known(Target, target) for target in reply["targets"]),
            sentences=tuple(_sentence(sentence) for sentence in reply["sentences"]),
            document=tuple(_known(DocumentStance, stance) for stance in reply["document"]["stances"]),
            usage=dict(reply["usage"]),
        )

    def rows(self) -> list[dict[str, Any]]:
        """One flat row a sentence; targets are numbered from 1: `stance_1`, `stance_1_score`, `target_1`."""
        return [self._row(sentence) for sentence in self.sentences]

    def to_pandas(self) -> pd.DataFrame:
        """`rows()` as a data frame (needs pandas)."""
        return to_pandas([self])

    def _row(self, s: Sentence) -> dict[str, Any]:
        row = {
            "article": self.id,
            "sentence": s.index,
            "start": s.start,
            "end": s.end,
            "text": s.text,
            "types": [scored.label for scored in s.types],
            "type_score": s.types[0].score,
            "primary": s.primary,
            "checkable": s.checkable,
            "voice": s.voice.label,
            "voice_score": s.voice.score,
            "truncated": s.truncated,
        }
        for stance in s.stances:
            number = stance.target + 1
            row[f"stance_{number}"] = stance.label
            row[f"stance_{number}_score"] = stance.score
            row[f"target_{number}"] = self.targets[stance.target].text
        return row


@dataclass(frozen=True, slots=True)
class ArticleError:
    """Why one article of a batch was not tagged."""

    id: str | None
    code: str
    message: str
    details: tuple[dict[str, str], ...] = ()


Result = Tags | ArticleError
"""One article of a batch."""


def to_pandas(results: Iterable[Result]) -> pd.DataFrame:
    """One row a sentence of all articles; articles with an error have none (needs pandas)."""
    import pandas

    return pandas.DataFrame([row for tags in results if isinstance(tags, Tags) for row in tags.rows()])


def _known(cls: type[T], data: Mapping[str, Any]) -> T:
    """A dataclass from the fields it knows, so that a newer service's additions do no harm."""
    return cls(**{f.name: data[f.name] for f in fields(cls) if f.name in data})  # type: ignore[arg-type]


def _sentence(data: Mapping[str, Any]) -> Sentence:
    nested = {
        "types": tuple(_known(Scored, scored) for scored in data["types"]),
        "voice": _known(Scored, data["voice"]),
        "stances": tuple(_known(Stance, stance) for stance in data["stances"]),
    }
    return _known(Sentence, {**data, **nested})


def read_result(data: Mapping[str, Any]) -> Result:
    """Read one article of a batch reply."""
    if "error" not in data:
        return Tags.from_json(data)
    error = data["error"]
    details = tuple(error.get("details") or ())
    return ArticleError(data.get("id"), error["code"], error["message"], details)
