"""Corpora as labelled articles: what training and evaluation read.

`load` turns one declared corpus into articles and a list of everything that could not be used;
`load_splits` does it for all corpora of a run and refuses a run whose splits share an article.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import DataError
from models.labels import SCHEME, Scheme
from training import canonical, compose, formats, standoff
from training.articles import LabelledArticle
from training.corpora import Answers, Compose, Corpus, Fields
from training.normal import key
from training.readers import Problem, Row, read, texts

ARTICLES, SPLITS = "articles.jsonl", "splits.json"


@dataclass(slots=True)
class Loaded:
    """A corpus as read: its articles, what could not be used, and how many rows there were, and were skipped.

    `shared` are the ids of training articles that were left out because another split has them too.
    """

    corpus: Corpus
    articles: list[LabelledArticle] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
    skipped: int = 0
    shared: list[str] = field(default_factory=list)


def load(corpus: Corpus, root: Path, *, scheme: Scheme = SCHEME) -> Loaded:
    """Read a corpus; rows that cannot be used are listed in `problems` and never dropped silently.

    Raises:
        DataError: the corpus as a whole cannot be read, or names an unknown label.

    """
    _check_labels(corpus, scheme)
    loaded = Loaded(corpus)
    rows = _rows(corpus, root, loaded)
    if corpus.format == "canonical":
        found = _canonical(rows, loaded, scheme)
    elif corpus.format in ("pairs", "sentences"):
        found = _pairs(rows, loaded, scheme)
    else:
        found = _documents(rows, loaded)
    wanted = _split_ids(corpus, root)
    articles = [a for a in found if corpus.takes(a.id) and (wanted is None or a.id in wanted)]
    if corpus.compose:
        articles = compose.compose(articles, corpus.compose, corpus.name)
    loaded.articles = articles
    return loaded


def load_splits(corpora: Sequence[Corpus], root: Path, *, scheme: Scheme = SCHEME) -> list[Loaded]:
    """Load every corpus of a run and keep the splits apart.

    An article of a `train` corpus that also stands in another split is left out where the corpus says
    `drop_shared`, and refused otherwise; so is an article that two other splits share.

    Raises:
        DataError: as `load`, or two splits share an article.

    """
    loaded = [load(corpus, root, scheme=scheme) for corpus in corpora]
    for leak in separate(loaded):
        raise DataError(str(leak))
    return loaded


@dataclass(frozen=True, slots=True)
class Leak:
    """Articles of a corpus that also stand in another split: (id, place, the other's id)."""

    corpus: str
    split: str
    articles: tuple[tuple[str, str, str], ...]

    def __str__(self) -> str:
        name, place, other = self.articles[0]
        return (
            f"corpus {self.corpus}: {len(self.articles)} of its articles also stand in split {self.split!r} "
            f"(the first: {name}, {place}, there {other}); leave them out with drop, or with "
            "drop_shared = true in a train corpus"
        )


def separate(loaded: Sequence[Loaded]) -> list[Leak]:
    """Take out of `drop_shared` training corpora what another split holds, and return every other overlap.

    Each overlap of two splits is returned once, for the corpus that comes first.
    """
    found: list[Leak] = []
    for i, one in enumerate(loaded):
        droppable = _drops(one)
        for other in loaded if droppable else loaded[i + 1 :]:
            if other.corpus.split != one.corpus.split and not _drops(other):
                leak = _overlap(one, other, droppable)
                found += [leak] if leak else []
    return found


def _drops(one: Loaded) -> bool:
    return one.corpus.split == "train" and one.corpus.drop_shared


def _overlap(one: Loaded, other: Loaded, droppable: bool) -> Leak | None:
    held = {article_key(article): article.id for article in other.articles}
    shared = [article for article in one.articles if article_key(article) in held]
    if not shared:
        return None
    if droppable:
        gone = {id(article) for article in shared}
        one.articles = [article for article in one.articles if id(article) not in gone]
        one.shared += [article.id for article in shared]
        return None
    places = [(a.id, f"{a.file}:{a.line}", held[article_key(a)]) for a in shared]
    return Leak(one.corpus.name, other.corpus.split, tuple(places))


def source_of(path: Path, *, name: str | None = None, split: str = "test") -> Corpus:
    """A canonical corpus for a bare path: a file, or a folder such as seeds/ with its split file."""
    if path.is_dir() and (path / ARTICLES).is_file():
        splits = str(path / SPLITS) if (path / SPLITS).is_file() else None
        return Corpus(name=name or path.name, path=str(path / ARTICLES), splits=splits, split=split, format="canonical")
    return Corpus(name=name or _name(path), path=str(path), split=split, format="canonical")


def article_key(article: LabelledArticle) -> str:
    """What copies of an article share; a pair is its sentence and its target, for headlines recur."""
    texts = [sentence.text for sentence in article.sentences]
    return key([*texts, *article.targets] if len(texts) == 1 else texts)


def _name(path: Path) -> str:
    stem = path.name.removesuffix(".gz")
    return f"{path.resolve().parent.name}-{Path(stem).stem}"


def _rows(corpus: Corpus, root: Path, loaded: Loaded) -> Iterator[Row]:
    for item in _read(corpus, root):
        loaded.rows += 1
        if isinstance(item, Problem):
            loaded.problems.append(item)
        else:
            yield item


def _read(corpus: Corpus, root: Path) -> Iterator[Row | Problem]:
    if not corpus.texts:
        yield from read(corpus, root)
        return
    rows = []
    for item in read(corpus, root):
        if isinstance(item, Problem):
            yield item
        else:
            rows.append(item)
    yield from standoff.join(rows, texts(corpus, root))


def _canonical(rows: Iterator[Row], loaded: Loaded, scheme: Scheme) -> list[LabelledArticle]:
    articles: list[LabelledArticle] = []
    places: dict[str, str] = {}
    for row in rows:
        found = canonical.convert(row, loaded.corpus, scheme)
        if not isinstance(found, LabelledArticle):
            loaded.problems += found
        elif found.id in places:
            message = f"{found.id!r}: already the id of {places[found.id]}"
            loaded.problems.append(Problem(row.file, row.line, "id", message))
        else:
            places[found.id] = f"{row.file}:{row.line}"
            articles.append(found)
    return articles


def _pairs(rows: Iterator[Row], loaded: Loaded, scheme: Scheme) -> list[LabelledArticle]:
    articles: list[LabelledArticle] = []
    groups: dict[tuple[str, ...], list[LabelledArticle]] = {}
    for row in rows:
        try:
            if formats.is_skipped(row, loaded.corpus):
                loaded.skipped += 1
                continue
            article = formats.convert_pair(row, loaded.corpus, scheme)
            group = formats.group_of(row, loaded.corpus)
        except formats.RowError as error:
            loaded.problems.append(Problem(row.file, row.line, error.field, error.message))
            continue
        if group is None:
            articles.append(article)
        else:
            groups.setdefault(group, []).append(article)
    return articles + [formats.join(members, "_".join(group)) for group, members in groups.items()]


def _documents(rows: Iterator[Row], loaded: Loaded) -> list[LabelledArticle]:
    articles: list[LabelledArticle] = []
    for row in rows:
        try:
            for found in formats.convert_documents(row, loaded.corpus):
                if isinstance(found, Problem):
                    loaded.problems.append(found)
                else:
                    articles.append(found)
        except formats.RowError as error:
            loaded.problems.append(Problem(row.file, row.line, error.field, error.message))
    return articles


def _split_ids(corpus: Corpus, root: Path) -> set[str] | None:
    if corpus.splits is None:
        return None
    path = root / corpus.splits
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"corpus {corpus.name}: splits: {corpus.splits}: {error}") from error
    if not isinstance(splits, dict) or not isinstance(splits.get(corpus.split), list):
        raise DataError(f"corpus {corpus.name}: splits: {corpus.splits}: has no list {corpus.split!r}")
    return set(splits[corpus.split])


def _check_labels(corpus: Corpus, scheme: Scheme) -> None:
    """Claim types are data of a bundle, so they are checked here and not where the corpus is declared."""
    allowed = (*scheme.type_ids, scheme.none.id)
    for label, answer in corpus.labels.items():
        for name in [*(answer.types or {}), *(answer.primary or [])]:
            if name not in allowed:
                raise DataError(f"corpus {corpus.name}: labels.{label}: {name!r}: must be one of {', '.join(allowed)}")


__all__ = [
    "Answers",
    "Compose",
    "Corpus",
    "Fields",
    "Leak",
    "Loaded",
    "Problem",
    "article_key",
    "load",
    "load_splits",
    "separate",
    "source_of",
]
