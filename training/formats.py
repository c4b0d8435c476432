"""Rows of other people's corpora as labelled articles.

What a label of a whole article says of its lines (the AraStance and Unified-FC formats): a line of an
article that takes a side takes that side or none, a line of an article that discusses the claim takes no
side, and in an unrelated article every line is unrelated. A line marked as rationale takes the article's side.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from models.labels import NONE, STANCES, Scheme, Stance
from training.articles import Allowed, LabelledArticle, LabelledSentence
from training.canonical import text_fault
from training.corpora import Answers, Corpus, Fields
from training.readers import Problem, Row

DEFAULT_FIELDS = {
    "pairs": Fields(text="text", target="target", label="label"),
    "sentences": Fields(text="text", label="label"),
    "arastance": Fields(text="article", target="claim", label="stance"),
    "unified-fc": Fields(text="article", target="claim", label="stance", rationale="rationale"),
}
LINES: dict[str, Allowed] = {
    Stance.AGREE: frozenset((Stance.AGREE, Stance.DISCUSS, Stance.UNRELATED)),
    Stance.DISAGREE: frozenset((Stance.DISAGREE, Stance.DISCUSS, Stance.UNRELATED)),
    Stance.DISCUSS: frozenset((Stance.DISCUSS, Stance.UNRELATED)),
    Stance.UNRELATED: frozenset((Stance.UNRELATED,)),
}
_MISSING = object()


class RowError(Exception):
    """One field of one row that cannot be used."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def fields_of(corpus: Corpus) -> Fields:
    """The corpus's field names, the format's own where it gives none."""
    given = corpus.fields.model_dump(exclude_none=True)
    return DEFAULT_FIELDS[corpus.format].model_copy(update=given)


def lookup(data: dict[str, Any], path: str) -> Any:
    """The value at `a.b`; a name that differs only in case will do. `_MISSING` when nothing is there."""
    value: Any = data
    for name in path.split("."):
        if not isinstance(value, dict):
            return _MISSING
        if name not in value:
            alike = [key for key in value if isinstance(key, str) and key.casefold() == name.casefold()]
            name = alike[0] if len(alike) == 1 else name
        value = value.get(name, _MISSING)
    return value


def need(data: dict[str, Any], path: str | None) -> Any:
    """The value at a field that must be there."""
    value = _MISSING if path is None else lookup(data, path)
    if value is _MISSING:
        raise RowError(str(path), "is missing")
    return value


def need_text(data: dict[str, Any], path: str | None) -> str:
    """The text at a field that must hold one."""
    value = need(data, path)
    if fault := text_fault(value):
        raise RowError(str(path), fault)
    return str(value)


def row_id(row: Row, corpus: Corpus, fields: Fields) -> str:
    """The row's own id, or the corpus's name and the line where it has none."""
    if fields.id is not None:
        return str(need(row.data, fields.id))
    value = lookup(row.data, "id")
    return f"{corpus.name}-{row.line}" if value in (_MISSING, None, "") else str(value)


def row_source(row: Row, fields: Fields) -> str | None:
    """Where the text was published, when the corpus says so."""
    value = lookup(row.data, fields.source) if fields.source else None
    return None if value in (_MISSING, None, "") else str(value)


def answers(label: object, corpus: Corpus, field: str) -> Answers:
    """What a label allows; without a label map the four stances mean themselves, in any case."""
    name = str(label)
    if not corpus.labels:
        stance = name.strip().casefold()
        if stance not in STANCES:
            raise RowError(field, f"{name!r}: must be one of {', '.join(STANCES)}, or give a label map")
        return Answers(stance=[stance])
    if name not in corpus.labels:
        raise RowError(field, f"{name!r}: not in the label map: {', '.join(corpus.labels)}")
    return corpus.labels[name]


def label_of(data: dict[str, Any], fields: Fields) -> tuple[str, str]:
    """The row's label and its field's name; several label fields are joined by `/`."""
    names = [fields.label] if isinstance(fields.label, str) else fields.label or []
    return "/".join(str(need(data, name)) for name in names), "/".join(names)


def label_answers(data: dict[str, Any], corpus: Corpus, fields: Fields) -> Answers:
    """What the row's label allows."""
    label, field = label_of(data, fields)
    return answers(label, corpus, field)


def is_skipped(row: Row, corpus: Corpus) -> bool:
    """Whether the corpus leaves rows with this label out on purpose."""
    return bool(corpus.skip) and label_of(row.data, fields_of(corpus))[0] in corpus.skip


def labelled(text: str, allowed: Answers, scheme: Scheme, stances: Sequence[Allowed | None] = ()) -> LabelledSentence:
    """A sentence with the answers of a label map."""
    types = allowed.types
    if types is not None and types.get(NONE):
        types = dict.fromkeys(scheme.type_ids, False)
    elif types is not None:
        types = {name: holds for name, holds in types.items() if name != NONE}
    return LabelledSentence(
        text=text,
        types=types,
        primary=None if allowed.primary is None else frozenset(allowed.primary),
        voice=None if allowed.voice is None else frozenset(allowed.voice),
        stances=tuple(stances),
    )


def convert_pair(row: Row, corpus: Corpus, scheme: Scheme) -> LabelledArticle:
    """A (target, sentence) row, or a sentence without a target, as an article of one sentence."""
    fields = fields_of(corpus)
    text = need_text(row.data, fields.text)
    allowed = label_answers(row.data, corpus, fields)
    pair = corpus.format == "pairs"
    stance = None if allowed.stance is None else frozenset(allowed.stance)
    identity = row_id(row, corpus, fields)
    return LabelledArticle(
        id=identity,
        sentences=(labelled(text, allowed, scheme, (stance,) if pair else ()),),
        targets=(need_text(row.data, fields.target),) if pair else (),
        corpus=corpus.name,
        source=row_source(row, fields),
        weight=corpus.weight_of(identity),
        file=row.file,
        line=row.line,
    )


def group_of(row: Row, corpus: Corpus) -> tuple[str, ...] | None:
    """What rows of one article have in common, when the corpus groups its rows."""
    group = corpus.fields.group
    if group is None:
        return None
    return tuple(str(need(row.data, name)) for name in ([group] if isinstance(group, str) else group))


def join(articles: Sequence[LabelledArticle], name: str) -> LabelledArticle:
    """One-sentence articles as one article, in order; a repeated text gathers its targets' stances."""
    targets = tuple(dict.fromkeys(target for article in articles for target in article.targets))
    texts: dict[tuple[str, int], dict[str, Allowed | None]] = {}
    first: dict[tuple[str, int], LabelledSentence] = {}
    for article in articles:
        sentence = article.sentences[0]
        target = article.targets[0] if article.targets else ""
        # The same text twice with one target is two sentences; with two targets it is one.
        turn = 0
        while target in texts.get((sentence.text, turn), {}):
            turn += 1
        key = (sentence.text, turn)
        first.setdefault(key, sentence)
        texts.setdefault(key, {})[target] = sentence.stances[0] if sentence.stances else None
    head = articles[0]
    return LabelledArticle(
        id=name,
        sentences=tuple(
            LabelledSentence(
                text=key[0],
                types=first[key].types,
                primary=first[key].primary,
                voice=first[key].voice,
                stances=tuple(found.get(target) for target in targets),
            )
            for key, found in texts.items()
        ),
        targets=targets,
        corpus=head.corpus,
        source=head.source,
        weight=head.weight,
        file=head.file,
        line=head.line,
    )


def convert_documents(row: Row, corpus: Corpus) -> Iterator[LabelledArticle | Problem]:
    """A claim with its articles, each with the stance of the whole and, where given, rationale lines."""
    fields = fields_of(corpus)
    claim = need_text(row.data, fields.target)
    label = fields.label if isinstance(fields.label, str) else (fields.label or [""])[0]
    texts, stances = need(row.data, fields.text), need(row.data, label)
    rationales = lookup(row.data, fields.rationale) if fields.rationale else None
    rationales = None if rationales is _MISSING else rationales
    several = isinstance(texts, list)
    if not several:
        texts, stances, rationales = [texts], [stances], [rationales]
    elif not isinstance(stances, list) or len(stances) != len(texts):
        raise RowError(label, f"must be a list of {len(texts)} stances, one per article")
    elif rationales is None:
        rationales = [None] * len(texts)
    elif not isinstance(rationales, list) or len(rationales) != len(texts):
        raise RowError(str(fields.rationale), f"must be a list of {len(texts)}, one per article")
    identity = row_id(row, corpus, fields)
    for i, (text, stance, lines) in enumerate(zip(texts, stances, rationales, strict=True)):
        name, place = (f"{identity}_{i}", f".{i}") if several else (identity, "")
        try:
            if fault := text_fault(text):
                raise RowError(f"{fields.text}{place}", fault)
            allowed = answers(stance, corpus, f"{label}{place}")
            marked = _rationale(lines, f"{fields.rationale}{place}")
            yield _document(row, corpus, name, claim, str(text), allowed, marked)
        except RowError as error:
            yield Problem(row.file, row.line, error.field, error.message)


def _rationale(value: Any, field: str) -> list[int]:
    """Line numbers given as a list or as its JSON text; nothing stands for none."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except ValueError as error:
            raise RowError(field, f"{value!r}: must be a list of line numbers") from error
    lines = value or []
    if not isinstance(lines, list) or not all(isinstance(line, int) for line in lines):
        raise RowError(field, f"{value!r}: must be a list of line numbers")
    return lines


def _document(
    row: Row, corpus: Corpus, name: str, claim: str, text: str, allowed: Answers, rationale: list[int]
) -> LabelledArticle:
    stance = frozenset(allowed.stance or STANCES)
    lines = _lines(corpus, text)
    if wrong := [line for line in rationale if not 0 <= line < len(lines)]:
        raise RowError(str(fields_of(corpus).rationale), f"{wrong[0]}: the article has lines 0 to {len(lines) - 1}")
    others = frozenset().union(*(LINES[answer] for answer in stance))
    return LabelledArticle(
        id=name,
        sentences=tuple(
            LabelledSentence(text=line, stances=(stance if i in rationale else others,))
            for i, line in enumerate(lines)
            if line.strip()
        ),
        targets=(claim,),
        corpus=corpus.name,
        source=row_source(row, fields_of(corpus)),
        document_stances=(stance,),
        weight=corpus.weight_of(name),
        file=row.file,
        line=row.line,
    )


def _lines(corpus: Corpus, text: str) -> list[str]:
    # Rationales count lines, so those stay as they are; elsewhere an article is cut as serving cuts it.
    if corpus.format == "unified-fc":
        return text.split("\n")
    # Only whole articles need the segmenter and its library.
    from models.segment import segment

    return [text[start:end] for start, end in segment(text)]
