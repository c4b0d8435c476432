"""What every corpus becomes before training or evaluation: articles with partial labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Allowed = frozenset[str]
"""A set of allowed answers; one member is an ordinary label, several a partial one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSentence:
    """A sentence and what is known of its labels; `None` is "nothing known".

    `types` says of each named claim type whether it holds; a type that is left out is masked in the loss.
    `stances` has one entry per target of the article.
    """

    text: str
    types: Mapping[str, bool] | None = None
    primary: Allowed | None = None
    voice: Allowed | None = None
    stances: tuple[Allowed | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledArticle:
    """An article of a corpus.

    `source` is the paper it came from. `document_stances` has one entry per target where the corpus labels
    whole articles. `weight` multiplies the article's share of the loss. `line` is its place in `file`.
    """

    id: str
    sentences: tuple[LabelledSentence, ...]
    targets: tuple[str, ...] = ()
    corpus: str = ""
    source: str | None = None
    document_stances: tuple[Allowed | None, ...] = ()
    weight: float = 1.0
    file: str = ""
    line: int = 0
