"""How good a bundle is: everything goes through the serving Tagger, so that what is measured is what is served."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.bundle import Precision
from models.errors import DataError
from models.labels import Scheme
from models.tagger import EngineName, Tagger
from training import measures, probes
from training.articles import LabelledArticle
from training.baselines import Linear, Majority
from training.data import Corpus, Loaded, article_key, load, source_of
from training.label_sets import by_label_set
from training.predictions import Answered, Refused, by_tagger
from training.readers import files
from training.revision import revision
from training.uncalibrated import uncalibrated_nll

FORMAT = 1
SEEDS = Path(__file__).resolve().parents[1] / "seeds"
FOREIGN = 2
_UNCHECKED = (
    "The gold and seed labels were made by language-model annotators under the guideline; no person has checked them."
)


@dataclass(slots=True)
class Report:
    """An evaluation: numbers, and (article id, sentence index) of single answers, never text.

    `data` is what report.json holds; `hardest` has the texts, and is written only where it is asked for.
    """

    data: dict[str, Any]
    hardest: list[dict[str, Any]] = field(default_factory=list)

    @property
    def summary(self) -> dict[str, dict[str, float]]:
        """Macro-F1 by corpus and head."""
        return {
            corpus["name"]: {head: result["macro_f1"]["value"] for head, result in corpus["heads"].items()}
            for corpus in self.data["corpora"]
        }

    def to_json(self) -> str:
        """The text of report.json."""
        return json.dumps(self.data, ensure_ascii=False, indent=1) + "\n"

    def write_errors(self, path: Path) -> None:
        """Write the hardest errors with their texts, one JSON object a line; never commit it."""
        lines = [json.dumps(error, ensure_ascii=False) for error in self.hardest]
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What beside the bundle itself is measured.

    `train` is what the baselines learn from (default: the seeds' training part, and the `train` file that
    stands beside an evaluated `dev` or `test` file); `against` another bundle; `foreign` the number of other
    articles' targets that each article is read beside; `alone` whether `context: false` is tried as well.
    """

    baselines: bool = False
    train: Sequence[Path | Corpus] = ()
    against: Path | None = None
    foreign: int = FOREIGN
    alone: bool = True
    engine: EngineName = "onnx"
    precision: Precision = "fp32"


Progress = Callable[[str], None]


def evaluate(
    bundle: Path,
    data: Sequence[Path | Corpus],
    options: Options | None = None,
    *,
    root: Path | None = None,
    progress: Progress = lambda _: None,
) -> Report:
    """Measure a bundle on labelled data; `progress` is told what is being done.

    Corpora given as paths are canonical; declared ones are found relative to `root`.

    Raises:
        BundleError: a bundle cannot be loaded.
        DataError: a corpus cannot be read, or has no labelled article.

    """
    options, root, started = options or Options(), root or Path(), time.monotonic()
    corpora = _corpora(data)
    tagger = _tagger(bundle, options)
    other = _tagger(options.against, options) if options.against else None
    scheme = tagger.bundle.scheme
    loaded = [load(corpus, root, scheme=scheme) for corpus in corpora]
    train = _training(options, loaded, root, scheme) if options.baselines else None
    floors = _floors(train, scheme, progress) if train else {}
    report = Report({})
    results = []
    for one in loaded:
        results.append(_corpus(one, root, tagger, other, floors, train, options, report, progress))
    report.data = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(time.monotonic() - started, 1),
        "code": revision(),
        "bundle": _identity(tagger, options),
        "against": _identity(other, options) if other else None,
        "baselines": _trained_on(train) if train else None,
        "note": _UNCHECKED,
        "labels": {
            label.id: {"english": label.english, "arabic": label.arabic}
            for label in (*scheme.types, scheme.none, *scheme.voices, *scheme.stances)
        },
        "corpora": [_plain(result) for result in results],
    }
    return report


def _corpora(data: Sequence[Path | Corpus]) -> list[Corpus]:
    corpora = [source_of(one) if isinstance(one, Path) else one for one in data]
    if not corpora:
        raise DataError("data: nothing to evaluate on; name a file or a folder of labelled articles")
    return corpora


def _tagger(bundle: Path, options: Options) -> Tagger:
    return Tagger.load(bundle, engine=options.engine, precision=options.precision)


def _training(options: Options, evaluated: Sequence[Loaded], root: Path, scheme: Scheme) -> list[Loaded]:
    """What the baselines learn from, less every article that they are measured on."""
    named = [source_of(one, split="train") if isinstance(one, Path) else one for one in options.train]
    if not named:
        named = [source_of(SEEDS, split="train")] if SEEDS.is_dir() else []
        for corpus in (one.corpus for one in evaluated):
            beside = (root / str(corpus.path)).with_name("train.jsonl")
            if corpus.format == "canonical" and corpus.splits is None and beside.is_file():
                named.append(source_of(beside, split="train"))
    train = [load(corpus, root, scheme=scheme) for corpus in named]
    held = {article_key(article) for article in _articles(evaluated)}
    for one in train:
        one.articles = [article for article in one.articles if article_key(article) not in held]
    if not _articles(train):
        raise DataError("train: nothing for the baselines to learn from; name labelled articles with --train")
    return train


def _floors(train: Sequence[Loaded], scheme: Scheme, progress: Progress) -> dict[str, Majority | Linear]:
    articles = _articles(train)
    progress("training the linear baseline")
    return {
        "majority": Majority.fit(articles, scheme),
        "linear": Linear.fit(articles, scheme=scheme),
    }


def _articles(loaded: Iterable[Loaded]) -> list[LabelledArticle]:
    return [article for one in loaded for article in one.articles]


def _corpus(
    one: Loaded,
    root: Path,
    tagger: Tagger,
    other: Tagger | None,
    floors: dict[str, Majority | Linear],
    train: list[Loaded] | None,
    options: Options,
    report: Report,
    progress: Progress,
) -> dict[str, Any]:
    """Everything that is measured on one corpus."""
    scheme, name = tagger.bundle.scheme, one.corpus.name
    if not one.articles:
        raise DataError(f"corpus {name}: no labelled article in it ({len(one.problems)} problems)")
    progress(f"{name}: tagging {len(one.articles)} articles")
    answered, refused = _tag(tagger, one.articles, foreign=options.foreign)
    articles = [a.article for a in answered]
    result = {
        "name": name,
        "split": one.corpus.split,
        "rows": one.rows,
        "articles": len(answered),
        "sentences": sum(len(a.said) for a in answered),
        "targets": sum(len(a.article.targets) for a in answered),
        "cut": sum(said.tokens_cut for a in answered for said in a.said),
        "sha256": fingerprint(one.corpus, root),
        "problems": [
            {"file": Path(problem.file).name, "line": problem.line, "field": problem.field} for problem in one.problems
        ],
        "refused": [{"article": r.article.id, "message": r.message} for r in refused],
        **measures.everything(answered, scheme),
        "uncalibrated_nll": uncalibrated_nll(answered, tagger.bundle.manifest.calibration, scheme),
        "label_sets": by_label_set(answered),
        "thresholds": tagger.bundle.manifest.calibration.thresholds,
        "stance_kinds": probes.kinds(answered, scheme),
        "false_alarms": probes.alarms(answered),
        "polarity": probes.polarity(answered),
        "contrast": probes.contrast(answered),
        "shortcuts": probes.shortcuts(answered, scheme, _articles(train or [])),
        "documents": probes.documents(answered),
    }
    rivals = _rivals(articles, name, tagger, other, floors, options, progress)
    result["beside"] = {rival: _beside(answered, theirs, scheme) for rival, theirs in rivals.items()}
    report.hardest += _with_texts(answered, result["hardest"], name)
    return result


def _rivals(
    articles: Sequence[LabelledArticle],
    name: str,
    tagger: Tagger,
    other: Tagger | None,
    floors: dict[str, Majority | Linear],
    options: Options,
    progress: Progress,
) -> dict[str, list[Answered]]:
    """The answers of everything that the bundle is compared with."""
    rivals: dict[str, list[Answered]] = {}
    if options.alone and any(len(article.sentences) > 1 for article in articles):
        progress(f"{name}: tagging each sentence alone")
        rivals["context: false"] = _tag(tagger, articles, context=False)[0]
    if other is not None:
        progress(f"{name}: tagging with the other bundle")
        rivals["against"] = _tag(other, articles)[0]
    for floor, system in floors.items():
        rivals[floor] = system.answer(articles)
    return rivals


def _tag(
    tagger: Tagger, articles: Sequence[LabelledArticle], *, context: bool = True, foreign: int = 0
) -> tuple[list[Answered], list[Refused]]:
    found = list(by_tagger(tagger, articles, context=context, foreign=foreign))
    answered = [one for one in found if isinstance(one, Answered)]
    refused = [one for one in found if isinstance(one, Refused)]
    if not answered:
        raise DataError(f"no article could be tagged; the first: {refused[0].article.id}: {refused[0].message}")
    return answered, refused


def _beside(ours: Sequence[Answered], theirs: Sequence[Answered], scheme: Scheme) -> dict[str, Any]:
    """Another system's macro-F1 and the paired difference, on the articles that both answered."""
    by_id = {id(one.article): one for one in theirs}
    both = [one for one in ours if id(one.article) in by_id]
    paired = [by_id[id(one.article)] for one in both]
    return {
        "macro_f1": measures.macro_f1s(paired, scheme),
        "label_sets": by_label_set(paired),
        "difference": measures.differences(both, paired, scheme),
    }


def _with_texts(answered: Sequence[Answered], hardest: Sequence[measures.Hard], corpus: str) -> list[dict[str, Any]]:
    by_id = {one.article.id: one.article for one in answered}
    found = []
    for hard in hardest:
        article = by_id[hard.article]
        target = None if hard.target is None else article.targets[hard.target]
        text = article.sentences[hard.sentence].text
        found.append({"corpus": corpus, **asdict(hard), "text": text, "target_text": target})
    return found


def fingerprint(corpus: Corpus, root: Path) -> str | None:
    """The sha256 of a corpus's files together; nothing for hub data, whose revision names it."""
    if corpus.hub is not None:
        return corpus.revision
    digest = hashlib.sha256()
    for path in files(corpus, root):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _identity(tagger: Tagger, options: Options) -> dict[str, str]:
    bundle = tagger.bundle
    return {
        **bundle.identity(),
        "fingerprint": bundle.fingerprint,
        "encoder": bundle.manifest.encoder,
        "engine": options.engine,
        "precision": options.precision,
    }


def _trained_on(train: Sequence[Loaded]) -> list[dict[str, Any]]:
    return [
        {
            "name": one.corpus.name,
            "articles": len(one.articles),
            "sentences": sum(len(a.sentences) for a in one.articles),
        }
        for one in train
    ]


def _plain(value: Any) -> Any:
    """Dataclasses as dictionaries and floats at six digits, all the way down."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain({name: getattr(value, name) for name in value.__dataclass_fields__})
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value
