"""A document made ready for the windows: checked, cut into sentences, normalised and tokenised once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from models.bundle import Bundle
from models.errors import InputError
from models.segment import segment
from models.tags import Document
from models.windows import Ids, encode

_ARABIC = re.compile(
    r"[\u0620-\u063f\u0641-\u064a\u066e-\u06d3\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c7\ufb50-\ufdfc\ufe70-\ufefc]"
)
# A headline's picture tag and its speaker ("X:") are not part of the proposition (annotation guideline, C).
_PICTURES = re.compile(r"^(?:بالصور|بالفيديو|بالصورة|فيديو|صور)(?:\s+و\s*(?:الصور|الفيديو))?\s*[.…:،|\-–—]+\s*")
_SPEAKER = re.compile(r"^[^:؟!.«»\"“”]{1,60}:\s+(?=\S)")


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The sentences of a document as the encoder reads them.

    `texts` and `tokens` start with the title where the document has one (`skip` is then 1): it is context and
    may be a target, but is never returned. `spans` are the returned sentences' offsets, None for a caller's list.
    """

    texts: list[str]
    tokens: list[Ids]
    spans: list[tuple[int, int]] | None
    skip: int

    @property
    def count(self) -> int:
        """Sentences that are returned."""
        return len(self.texts) - self.skip


def prepare(document: Document, bundle: Bundle) -> Prepared:
    """Check a document, cut it into sentences and tokenise each once.

    Raises:
        InputError: a field is missing, empty, out of range or holds NUL; names the field.

    """
    _check(document)
    spans: list[tuple[int, int]] | None = None
    if document.text is not None:
        spans = list(document.spans) if document.spans is not None else segment(document.text)
        sentences = [document.text[start:end] for start, end in spans]
    else:
        sentences = list(document.sentences or ())
    title = [document.title] if document.title is not None else []
    texts = [*title, *sentences]
    tokens = encode(bundle.tokenizer, [bundle.normalise(text) for text in texts])
    return Prepared(texts, tokens, spans, len(title))


def has_arabic(text: str) -> bool:
    """Whether a text has any letter of the Arabic script."""
    return _ARABIC.search(text) is not None


def proposition(title: str) -> str:
    """A headline without its picture tag and speaker, which are no part of what it claims."""
    bare = _PICTURES.sub("", title.strip())
    return _SPEAKER.sub("", bare).strip() or title.strip()


def _check(document: Document) -> None:
    if (document.text is None) == (document.sentences is None):
        raise InputError("text", "exactly one of text and sentences must be given")
    if document.spans is not None and document.text is None:
        raise InputError("spans", "may be given with text only")
    if document.text is not None:
        _check_text("text", document.text)
    if document.sentences is not None and not document.sentences:
        raise InputError("sentences", "must hold at least one sentence")
    for i, sentence in enumerate(document.sentences or ()):
        _check_text(f"sentences[{i}]", sentence)
    if document.title is not None:
        _check_text("title", document.title)
    for i, target in enumerate(document.targets or ()):
        _check_text(f"targets[{i}]", target)
    _check_spans(document)


def _check_text(field: str, text: str) -> None:
    if not text or text.isspace():
        raise InputError(field, "must not be empty or only white space")
    if "\0" in text:
        raise InputError(field, "must not hold NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(field, "must not hold a lone surrogate") from error


def _check_spans(document: Document) -> None:
    if document.spans is None or document.text is None:
        return
    if not document.spans:
        raise InputError("spans", "must hold at least one span")
    end = 0
    for i, (start, stop) in enumerate(document.spans):
        if not 0 <= start < stop <= len(document.text):
            raise InputError(f"spans[{i}]", f"must satisfy 0 <= start < end <= {len(document.text)}")
        if start < end:
            raise InputError(f"spans[{i}]", "must start at or after the end of the span before it")
        _check_text(f"spans[{i}]", document.text[start:stop])
        end = stop
