"""What is surely known of a sentence's labels: partial labels have no single right answer to score against."""

from __future__ import annotations

from models.labels import NONE, SCHEME, Scheme
from training.articles import Allowed, LabelledSentence


def single(allowed: Allowed | None) -> str | None:
    """The one answer a label allows, or nothing where it is partial or unknown."""
    return next(iter(allowed)) if allowed is not None and len(allowed) == 1 else None


def type_set(sentence: LabelledSentence, scheme: Scheme = SCHEME) -> frozenset[str] | None:
    """A sentence's types with `none` when there are none; nothing where some type is not annotated."""
    if sentence.types is None or any(name not in sentence.types for name in scheme.type_ids):
        return None
    return frozenset(name for name in scheme.type_ids if sentence.types[name]) or frozenset((NONE,))
