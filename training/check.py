"""`qawl data check`: what a run's corpora hold, what is wrong with them, and whether their splits are apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tokenizers import Tokenizer

from models.bundle import SHIPPED
from models.errors import DataError
from models.labels import NONE, SCHEME, STANCES, VOICES, Scheme
from models.text import NORMALISERS
from models.windows import lay_out
from training.articles import LabelledArticle, LabelledSentence
from training.config import Windows, read_run
from training.data import ARTICLES, SPLITS, Corpus, Loaded, Problem, article_key, load, separate, source_of
from training.gold import single, type_set
from training.normal import key, words

# Shorter sentences (bylines, "read also") recur between unrelated articles.
_LONG = 6
_COPY = 0.5


@dataclass(slots=True)
class Counted:
    """One corpus in figures; lengths are words a sentence: median, 90th percentile, longest.

    `windows` is how many windows one pass over the articles takes with an empty target, and `with_targets`
    how many more their targets take. `skipped` rows are left out by the corpus's own declaration, `left_out`
    articles because another split has them.
    """

    name: str
    split: str
    rows: int
    articles: int
    sentences: int
    targets: int
    problems: int
    skipped: int
    left_out: int
    lengths: tuple[int, int, int]
    windows: int
    with_targets: int
    labels: dict[str, Counter[str]]


@dataclass(slots=True)
class Checked:
    """The outcome of a check.

    `refusals` and `problems` make it fail; `warnings` are for people to judge. `estimated` says that windows
    were counted without a tokenizer.
    """

    corpora: list[Counted] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    estimated: bool = False

    @property
    def exit_code(self) -> int:
        """0 when the data can be trained on as it stands, else 1."""
        return 1 if self.problems or self.refusals else 0


def check(path: Path) -> Checked:
    """Check a run's TOML, a folder of canonical articles with its split file, or one canonical file.

    Raises:
        ConfigError, DataError: the TOML or a corpus as a whole cannot be read.

    """
    checked = Checked()
    scheme, windows, tokenizer, normaliser, root = SCHEME, Windows(), None, "arabert-v02", Path()
    if path.suffix == ".toml":
        run = read_run(path)
        root, scheme, windows = path.parent, run.scheme(), run.windows
        normaliser = run.encoder.normaliser
        tokenizer = _tokenizer(root / run.encoder.path) if run.encoder.path else None
        corpora: Sequence[Corpus] = run.corpora
    else:
        corpora = _corpora(path, checked)
    tokenizer = tokenizer or _tokenizer(SHIPPED)
    checked.estimated = tokenizer is None
    loaded = [load(corpus, root, scheme=scheme) for corpus in corpora]
    checked.refusals += [str(leak) for leak in separate(loaded)]
    lengths = _Lengths(tokenizer, normaliser)
    checked.corpora = [_count(one, scheme, windows, lengths) for one in loaded]
    # Corpora that are parts of one file report its problems once.
    checked.problems = list(dict.fromkeys(problem for one in loaded for problem in one.problems))
    checked.warnings += [*_duplicates(loaded), *_overlaps(loaded), *_missing(loaded)]
    return checked


def _corpora(path: Path, checked: Checked) -> list[Corpus]:
    """Every split of a folder, or the one file."""
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    splits = path / SPLITS
    if not (path.is_dir() and (path / ARTICLES).is_file() and splits.is_file()):
        return [source_of(path)]
    try:
        listed = json.loads(splits.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{splits}: not JSON: {error}") from error
    if not isinstance(listed, dict) or not all(isinstance(ids, list) for ids in listed.values()):
        raise DataError(f'{splits}: must be {{"train": [ids], …}}')
    checked.refusals += _split_faults(path, listed)
    return [source_of(path, split=split) for split in listed]


def _split_faults(folder: Path, listed: dict[str, list[str]]) -> list[str]:
    everything = source_of(folder / ARTICLES)
    ids = [article.id for article in load(everything, Path()).articles]
    counted = Counter(name for names in listed.values() for name in names)
    faults = []
    for name, times in counted.items():
        if times > 1:
            faults.append(f"{folder / SPLITS}: {name} is listed {times} times; an article stands in one split only")
        if name not in ids:
            faults.append(f"{folder / SPLITS}: {name} is no article of {ARTICLES}")
    return faults + [f"{folder / SPLITS}: {name} of {ARTICLES} is in no split" for name in ids if name not in counted]


class _Lengths:
    """Tokens of texts: counted where there is a tokenizer, else estimated from their words."""

    def __init__(self, tokenizer: Tokenizer | None, normaliser: str) -> None:
        self._tokenizer, self._normalise = tokenizer, NORMALISERS[normaliser]

    def __call__(self, texts: Sequence[str]) -> list[int]:
        cleaned = [self._normalise(text) for text in texts]
        if self._tokenizer is None:
            # About 1.4 tokens a word with the vocabularies of Arabic encoders.
            return [round(1.4 * len(text.split())) for text in cleaned]
        return [len(e.ids) for e in self._tokenizer.encode_batch_fast(cleaned, add_special_tokens=False)]


def _tokenizer(folder: Path) -> Tokenizer | None:
    path = folder / "tokenizer.json"
    return Tokenizer.from_file(str(path)) if path.is_file() else None


def _count(one: Loaded, scheme: Scheme, windows: Windows, lengths: _Lengths) -> Counted:
    sentences = [sentence for article in one.articles for sentence in article.sentences]
    sizes = [len(words(sentence.text)) for sentence in sentences] or [0]
    own, beside = _windows(one.articles, windows, lengths)
    return Counted(
        name=one.corpus.name,
        split=one.corpus.split,
        rows=one.rows,
        articles=len(one.articles),
        sentences=len(sentences),
        targets=sum(len(article.targets) for article in one.articles),
        problems=len(one.problems),
        skipped=one.skipped,
        left_out=len(one.shared),
        lengths=(int(np.percentile(sizes, 50)), int(np.percentile(sizes, 90)), max(sizes)),
        windows=own,
        with_targets=beside,
        labels={
            "types": _type_counts(sentences, scheme),
            "voice": Counter(_shown_label(s.voice) for s in sentences if s.voice),
            "stance": Counter(_shown_label(a) for s in sentences for a in s.stances if a),
        },
    )


def _type_counts(sentences: Iterable[LabelledSentence], scheme: Scheme) -> Counter[str]:
    """Counts in the scheme's order, which is how people know it."""
    counted = Counter(dict.fromkeys((*scheme.type_ids, NONE), 0))
    counted.update(name for sentence in sentences for name in type_set(sentence, scheme) or ())
    return counted


def _shown_label(allowed: frozenset[str]) -> str:
    return single(allowed) or "partial"


def _windows(articles: Sequence[LabelledArticle], spec: Windows, lengths: _Lengths) -> tuple[int, int]:
    """Windows of one pass with the empty target, and of one pass a target."""
    texts = [sentence.text for article in articles for sentence in article.sentences]
    sizes = iter(lengths(texts))
    targets = iter(lengths([target for article in articles for target in article.targets]))
    own = beside = 0
    for article in articles:
        tokens = [next(sizes) + 1 for _ in article.sentences]
        own += _fit(tokens, spec.max_tokens - 2, spec.overlap)
        for _ in article.targets:
            target = min(next(targets), spec.max_target_tokens)
            room = spec.max_tokens - 2 - (0 if spec.apart else target)
            beside += _fit(tokens, room, spec.overlap)
    return own, beside


def _fit(tokens: Sequence[int], room: int, overlap: int) -> int:
    return len(lay_out([min(size, room) for size in tokens], room, overlap))


def _duplicates(loaded: Iterable[Loaded]) -> list[str]:
    """Articles that stand twice in one split."""
    found = []
    by_split: dict[str, Counter[str]] = {}
    for one in loaded:
        by_split.setdefault(one.corpus.split, Counter()).update(article_key(a) for a in one.articles)
    for split, counted in by_split.items():
        if extra := sum(times - 1 for times in counted.values()):
            found.append(f"split {split!r}: {extra} articles are copies of others in it")
    return found


def _overlaps(loaded: Sequence[Loaded]) -> list[str]:
    """Texts, targets and near copies of articles that two splits have in common."""
    found = []
    splits = list(dict.fromkeys(one.corpus.split for one in loaded))
    articles = {s: [a for one in loaded if one.corpus.split == s for a in one.articles] for s in splits}
    texts = {split: _texts(articles[split]) for split in splits}
    targets = {split: {key([t]) for t in {t for a in articles[split] for t in a.targets}} for split in splits}
    for i, a in enumerate(splits):
        for b in splits[i + 1 :]:
            if shared := len(texts[a] & texts[b]):
                found.append(f"splits {a!r} and {b!r}: {shared} sentences of {_LONG} words or more stand in both")
            if shared := len(targets[a] & targets[b]):
                found.append(f"splits {a!r} and {b!r}: {shared} targets stand in both")
            found += _near_copies(articles[a], texts[b], a, b)
    return found


def _texts(articles: Iterable[LabelledArticle]) -> set[str]:
    found = (words(s.text) for a in articles for s in a.sentences)
    return {" ".join(text) for text in found if len(text) >= _LONG}


def _near_copies(articles: Sequence[LabelledArticle], there: set[str], a: str, b: str) -> list[str]:
    near = []
    for article in articles:
        own = _texts([article])
        if len(own) > 1 and len(own & there) >= _COPY * len(own):
            near.append(article.id)
    if not near:
        return []
    return [
        f"splits {a!r} and {b!r}: {len(near)} articles of {a!r} have half or more of their sentences in {b!r}: "
        f"{', '.join(near[:5])}{' …' if len(near) > 5 else ''}"
    ]


def _missing(loaded: Iterable[Loaded]) -> list[str]:
    return [f"corpus {one.corpus.name}: no article in split {one.corpus.split!r}" for one in loaded if not one.articles]


def print_checked(checked: Checked, console: Console) -> None:
    """The tables of a check, then everything that is wrong."""
    sizes = Table("corpus", "split", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("rows", "articles", "sentences", "targets", "words p50/p90/max", "windows", "+ targets", "problems"):
        sizes.add_column(column, justify="right")
    for column in ("skipped", "left out"):
        sizes.add_column(column, justify="right")
    about = "~" if checked.estimated else ""
    for one in checked.corpora:
        figures = (one.rows, one.articles, one.sentences, one.targets)
        lengths = "/".join(map(str, one.lengths))
        windows = (f"{about}{one.windows}", f"{about}{one.with_targets}")
        problems = f"[red]{one.problems}[/]" if one.problems else "0"
        sizes.add_row(
            one.name, one.split, *map(str, figures), lengths, *windows, problems, str(one.skipped), str(one.left_out)
        )
    console.print(sizes)
    for head, labels in (("types", None), ("voice", VOICES), ("stance", STANCES)):
        _print_labels(checked, head, labels, console)
    for warning in checked.warnings:
        _line(console, "yellow", "warning", warning)
    for problem in checked.problems:
        _line(console, "red", "problem", str(problem))
    for refusal in checked.refusals:
        _line(console, "red", "refused", refusal)
    if not checked.exit_code:
        console.print("[green]ok[/] every row can be used and no two splits share an article")


def _line(console: Console, colour: str, kind: str, message: str) -> None:
    # One line a finding, however long: `file:line:` at its start must stay searchable.
    console.print(f"[{colour}]{kind}[/] {escape(message)}", highlight=False, soft_wrap=True)


def _print_labels(checked: Checked, head: str, labels: Sequence[str] | None, console: Console) -> None:
    if not any(one.labels[head].total() for one in checked.corpora):
        return
    names = list(labels or dict.fromkeys(name for one in checked.corpora for name in one.labels[head]))
    if any(one.labels[head]["partial"] for one in checked.corpora):
        names.append("partial")
    table = Table(head, "split", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, justify="right")
    for one in checked.corpora:
        if one.labels[head].total():
            table.add_row(one.name, one.split, *[str(one.labels[head][name]) for name in names])
    console.print(table)
