"""The replies of the REST contract, for its OpenAPI document and for the tests that hold replies to it.

The service itself writes JSON from plain data (models.tags): building these for every sentence costs more than
the network's small encoder does.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.labels import Stance, Voice
from service.errors import MAX_DETAILS, Code

Probability = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[int, Field(ge=0)]
Scores = dict[str, Probability]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class ModelName(_Reply):
    """Which bundle answered."""

    name: str
    version: str
    scheme: str


class TargetReply(_Reply):
    """A proposition that stances are about."""

    index: Index
    text: str
    source: Literal["caller", "title", "lead"]


class TypeReply(_Reply):
    """A claim type that passed its threshold, or `none` alone."""

    label: str
    score: Probability


class VoiceReply(_Reply):
    """Whose voice the sentence is in; `scores` only if asked for."""

    label: Literal[tuple(str(v) for v in Voice)]  # type: ignore[valid-type]
    score: Probability
    scores: Scores = Field(default_factory=dict)


class StanceReply(_Reply):
    """Where the sentence stands toward one target; null where it supplied the target."""

    target: Index
    label: Literal[tuple(str(s) for s in Stance)] | None  # type: ignore[valid-type]
    score: Probability | None
    scores: Scores = Field(default_factory=dict)


class SentenceReply(_Reply):
    """The tags of one sentence. Flags that are false are left out, `truncated` excepted."""

    index: Index
    start: Index | None
    end: Index | None
    text: str
    types: Annotated[list[TypeReply], Field(min_length=1)]
    primary: str
    checkable: bool
    voice: VoiceReply
    stances: list[StanceReply]
    truncated: bool
    type_scores: Scores = Field(default_factory=dict)
    no_arabic: bool = False
    is_target: bool = False


class DocumentStanceReply(_Reply):
    """Where the article as a whole stands; `counts` are sentences per stance."""

    target: Index
    label: Literal[tuple(str(s) for s in Stance)]  # type: ignore[valid-type]
    score: Probability
    mixed: bool
    counts: dict[str, Index]


class DocumentReply(_Reply):
    """What is said of the article as a whole."""

    stances: list[DocumentStanceReply]


class UsageReply(_Reply):
    """What the answer cost."""

    sentences: Index
    tokens: Index
    windows: Index


class TagReply(_Reply):
    """The reply of /v1/tag."""

    id: str | None
    model: ModelName
    offset_unit: Literal["codepoint", "utf16"]
    targets: list[TargetReply]
    sentences: list[SentenceReply]
    document: DocumentReply
    usage: UsageReply


class DetailReply(_Reply):
    """One field that is wrong, and how."""

    field: str
    message: str


class ErrorBody(_Reply):
    """What went wrong; holds no text of the caller."""

    code: Code
    message: str
    details: Annotated[list[DetailReply], Field(max_length=MAX_DETAILS)]
    request_id: str


class ErrorReply(_Reply):
    """Every reply that is not 2xx."""

    error: ErrorBody


class ArticleError(_Reply):
    """An article of a batch that could not be tagged."""

    id: str | None
    error: ErrorBody


class BatchReply(_Reply):
    """The reply of /v1/batch, in the order of the request."""

    results: list[TagReply | ArticleError]


class LabelReply(_Reply):
    """One label; `threshold` is null where the arg-max decides.

    `definition_ar` is the definition in Arabic, empty where a bundle's own claim type has none.
    """

    id: str
    arabic: str
    english: str
    definition: str
    definition_ar: str
    example: str
    threshold: float | None


class LabelsReply(_Reply):
    """The bundle's scheme."""

    scheme: str
    types: list[LabelReply]
    none: LabelReply
    voices: list[LabelReply]
    stances: list[LabelReply]
    checkable: list[str]
    mappings: dict[str, dict[str, list[str]]]


class ModelReply(_Reply):
    """What is served."""

    name: str
    version: str
    scheme: str
    fingerprint: str
    encoder: str
    engine: str
    precision: Literal["fp32", "int8"]
    metrics: dict[str, Any]
    licence: str
    licence_text: str
    limits: dict[str, int]
