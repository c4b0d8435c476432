"""Corpora as labelled articles: what training and evaluation read.

`load` turns one declared corpus into articles and a list of everything that could not be used;
`load_splits` does it for all corpora of a run and refuses a run whose splits share an article.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import DataError
from models.labels import SCHEME, Scheme
from training import canonical, compose, formats
from training.articles import LabelledArticle
from training.corpora import Answers, Compose, Corpus, Fields
from training.normal import key
from training.readers import Problem, Row, read

SEEDS = Path("seeds")
ARTICLES, SPLITS = "articles.jsonl", "splits.json"


@dataclass(slots=True)
class Loaded:
    """A corpus as read: its articles, what could not be used, and how many rows there were.

    `shared` are the ids of training articles that were left out because another split has them too.
    """

    corpus: Corpus
    articles: list[LabelledArticle] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    rows: int = 0
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
    held = {split: _keys(one for one in loaded if one.corpus.split == split) for split in _splits(loaded)}
    for one in loaded:
        for split in _splits(loaded):
            if split != one.corpus.split:
                _part(one, split, held[split])
    return loaded


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


def _splits(loaded: Sequence[Loaded]) -> list[str]:
    return list(dict.fromkeys(one.corpus.split for one in loaded))


def _keys(loaded: Iterable[Loaded]) -> dict[str, str]:
    return {article_key(article): article.id for one in loaded for article in one.articles}


def _part(one: Loaded, split: str, held: dict[str, str]) -> None:
    """Take out of one corpus what another split holds, or refuse the run."""
    shared = [article for article in one.articles if article_key(article) in held]
    if not shared:
        return
    if one.corpus.split != "train" or not one.corpus.drop_shared:
        first = shared[0]
        raise DataError(
            f"corpus {one.corpus.name}: {len(shared)} of its articles also stand in split {split!r} "
            f"(the first: {first.id}, {first.file}:{first.line}, there {held[article_key(first)]}); "
            "leave them out with drop, or with drop_shared = true in a train corpus"
        )
    gone = {id(article) for article in shared}
    one.articles = [article for article in one.articles if id(article) not in gone]
    one.shared += [article.id for article in shared]


def _rows(corpus: Corpus, root: Path, loaded: Loaded) -> Iterator[Row]:
    for item in read(corpus, root):
        loaded.rows += 1
        if isinstance(item, Problem):
            loaded.problems.append(item)
        else:
            yield item


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
    "Loaded",
    "Problem",
    "article_key",
    "load",
    "load_splits",
    "source_of",
]
