"""The project's own format, one labelled article a line, read strictly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field, ValidationError

from models.labels import NONE, STANCES, VOICES, Scheme
from training.articles import Allowed, LabelledArticle, LabelledSentence
from training.corpora import Corpus
from training.readers import Problem, Row
from training.strict import Strict


class Attribution(Strict):
    """Who is said to have said what; kept for annotators, not yet learned from."""

    source: str | None = None
    cue: str | None = None
    via: str | None = None
    content: str | None = None
    source_kind: str | None = None
    carried_forward: bool = False


class CanonicalSentence(Strict):
    """A sentence and its labels; `null` says that a head was not annotated.

    `types[0]` is the primary type. A stance may be a list: any of these answers is right.
    """

    text: str
    types: list[str] | None
    voice: str | None
    attributions: list[Attribution] = Field(default_factory=list)
    stances: list[str | list[str] | None]
    zone: str | None = None


class CanonicalArticle(Strict):
    """An article; the first sentence is its title."""

    id: str
    targets: list[str]
    sentences: list[CanonicalSentence]
    source: str | None = None
    topic: str | None = None
    style: str | None = None
    document_stances: list[str | None] | None = None


def convert(row: Row, corpus: Corpus, scheme: Scheme) -> LabelledArticle | list[Problem]:
    """The article of one row, or everything that is wrong with it."""
    try:
        article = CanonicalArticle.model_validate(row.data)
    except ValidationError as error:
        return [_problem(row, dict(detail)) for detail in error.errors()]
    wrong = [Problem(row.file, row.line, field, message) for field, message in _faults(article, scheme)]
    if wrong:
        return wrong
    document = article.document_stances or [None] * len(article.targets)
    return LabelledArticle(
        id=article.id,
        sentences=tuple(_sentence(sentence, scheme) for sentence in article.sentences),
        targets=tuple(article.targets),
        corpus=corpus.name,
        source=article.source,
        document_stances=tuple(None if stance is None else frozenset((stance,)) for stance in document),
        weight=corpus.weight_of(article.id),
        file=row.file,
        line=row.line,
    )


def type_answers(types: Sequence[str], scheme: Scheme) -> Mapping[str, bool]:
    """A complete type annotation as one answer per claim type."""
    return {name: name in types for name in scheme.type_ids}


def text_fault(text: object) -> str | None:
    """Why a text cannot be tagged, or nothing."""
    if not isinstance(text, str):
        return f"must be text, not {type(text).__name__}"
    if not text.strip():
        return "must not be empty or only white space"
    if "\0" in text:
        return "must not hold NUL"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "must not hold a lone surrogate"
    return None


def _problem(row: Row, detail: Mapping[str, object]) -> Problem:
    place = detail["loc"]
    field = ".".join(str(part) for part in place if not _is_branch(part)) if isinstance(place, tuple) else ""
    message = {"extra_forbidden": "unknown field", "missing": "is missing"}.get(str(detail["type"]))
    return Problem(row.file, row.line, field, message or str(detail["msg"]))


def _is_branch(part: object) -> bool:
    # Pydantic names the branch of a union it tried (`str`, `list[str]`); a user's field has no such part.
    return part in ("str", "list[str]")


def _sentence(sentence: CanonicalSentence, scheme: Scheme) -> LabelledSentence:
    types = sentence.types
    return LabelledSentence(
        text=sentence.text,
        types=None if types is None else type_answers(types, scheme),
        primary=frozenset((types[0],)) if types and types[0] != NONE else None,
        voice=None if sentence.voice is None else frozenset((sentence.voice,)),
        stances=tuple(_allowed(stance) for stance in sentence.stances),
    )


def _allowed(stance: str | list[str] | None) -> Allowed | None:
    if stance is None:
        return None
    return frozenset((stance,) if isinstance(stance, str) else stance)


def _faults(article: CanonicalArticle, scheme: Scheme) -> Iterator[tuple[str, str]]:
    """Field and reason of everything that the row's shape alone does not rule out."""
    if not article.id.strip():
        yield "id", "must not be empty"
    if not article.sentences:
        yield "sentences", "must hold at least one sentence"
    for i, target in enumerate(article.targets):
        if fault := text_fault(target):
            yield f"targets.{i}", fault
    document = article.document_stances
    if document is not None:
        if len(document) != len(article.targets):
            yield "document_stances", f"{len(document)} stances for {len(article.targets)} targets"
        for i, stance in enumerate(document):
            yield from _unknown(f"document_stances.{i}", stance, STANCES)
    for i, sentence in enumerate(article.sentences):
        for field, fault in _sentence_faults(sentence, len(article.targets), scheme):
            yield f"sentences.{i}.{field}", fault


def _sentence_faults(sentence: CanonicalSentence, targets: int, scheme: Scheme) -> Iterator[tuple[str, str]]:
    if fault := text_fault(sentence.text):
        yield "text", fault
    if sentence.types is not None:
        yield from _type_faults(sentence.types, scheme)
    yield from _unknown("voice", sentence.voice, VOICES)
    if len(sentence.stances) != targets:
        yield "stances", f"{len(sentence.stances)} stances for {targets} targets: must be one per target"
    for i, stance in enumerate(sentence.stances):
        if stance == []:
            yield f"stances.{i}", "must name at least one stance"
        for name in stance if isinstance(stance, list) else [stance]:
            yield from _unknown(f"stances.{i}", name, STANCES)


def _type_faults(types: list[str], scheme: Scheme) -> Iterator[tuple[str, str]]:
    if not types:
        yield "types", f"must name at least one type, or {NONE}"
    if NONE in types and len(types) > 1:
        yield "types", f"{', '.join(types)}: {NONE} excludes every other type"
    if len(set(types)) != len(types):
        yield "types", f"{', '.join(types)}: a type is named twice"
    for i, name in enumerate(types):
        yield from _unknown(f"types.{i}", name, (*scheme.type_ids, NONE))


def _unknown(field: str, name: str | None, allowed: Sequence[str]) -> Iterator[tuple[str, str]]:
    if name is not None and name not in allowed:
        yield field, f"{name!r}: must be one of {', '.join(allowed)}"
