"""`qawl annotate`: choose articles, label them in Label Studio with the model's help, bring the labels back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

if TYPE_CHECKING:
    from models.labels import Scheme
    from tools.articles import Article
    from tools.workers import Reply

app = typer.Typer(
    help="Label articles in Label Studio, pre-filled by the model, and bring the labels back for training.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Inputs = Annotated[list[str], Argument(metavar="INPUT", help="What qawl tag reads: files, folders, patterns.")]
Targets = Annotated[list[str] | None, Option("--target", "-t", help="A claim to take stances on; repeat it for more.")]
Bundle = Annotated[
    Path | None, Option("--bundle", "-b", envvar="QAWL_BUNDLE", help="Bundle folder; by default the shipped one.")
]
Scheming = Annotated[
    Path | None, Option("--bundle", "-b", envvar="QAWL_BUNDLE", help="Bundle with claim types of its own.")
]
Url = Annotated[str | None, Option(envvar="QAWL_URL", help="Ask this running service instead.")]
Key = Annotated[str | None, Option(envvar="QAWL_KEY", help="Its key.")]


@app.command()
def sample(
    inputs: Inputs,
    output: Annotated[Path, Option("--output", "-o", help="Chosen articles (jsonl), for annotate export.")],
    count: Annotated[int, Option("--count", "-n", min=1, help="How many articles.")] = 50,
    target: Targets = None,
    seed: Annotated[int, Option(help="Another seed, another choice among equals.")] = 0,
    bundle: Bundle = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Choose the articles worth labelling: the model is unsure of them, and they are unlike one another."""
    import json

    from tools.sample import pick, uncertainty

    found = _tagged(inputs, target, bundle, url, key, scores=True)
    texts = [" ".join(s["text"] for s in reply["sentences"]) for _, reply in found]
    unsure = [uncertainty(reply) for _, reply in found]
    chosen = pick(texts, unsure, count, seed=seed)
    with output.open("w", encoding="utf-8") as stream:
        for i in chosen:
            article = found[i][0]
            row = article.request | {"source": article.source, "uncertainty": round(unsure[i], 4)}
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
    mean = sum(unsure) / max(len(unsure), 1)
    picked = sum(unsure[i] for i in chosen) / max(len(chosen), 1)
    _say(f"{len(chosen)} of {len(found)} articles; mean uncertainty {picked:.3f}, of all {mean:.3f}")


@app.command()
def export(
    inputs: Inputs,
    output: Annotated[Path, Option("--output", "-o", help="Tasks for Label Studio's import (JSON).")],
    target: Targets = None,
    bundle: Bundle = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Write Label Studio tasks whose sentences and labels the model has filled in."""
    import json

    from tools.label_studio import task
    from tools.progress import counted

    found = _tagged(inputs, target, bundle, url, key, whole=True)
    columns = max((len(reply["targets"]) for _, reply in found), default=0)
    tasks = [task(article, reply, columns) for article, reply in found]
    output.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
    _say(f"{counted(len(tasks), 'task')}; their configuration: qawl annotate config {output}")


@app.command("import")
def import_(
    export: Annotated[Path, Argument(help="Label Studio's export (JSON).", exists=True, dir_okay=False)],
    output: Annotated[Path, Option("--output", "-o", help="Labelled articles (jsonl), as qawl train reads them.")],
    annotator: Annotated[str | None, Option(help="Only this annotator's labels (email or id).")] = None,
    bundle: Scheming = None,
) -> None:
    """Turn corrected labels into labelled articles for qawl train; exit code 1 if some could not be used."""
    import json

    from tools.label_studio import labelled
    from training.canonical import convert
    from training.corpora import Corpus
    from training.readers import Problem, Row

    corpus = Corpus(name="label-studio", path=str(output), format="canonical", split="train")
    scheme = _scheme(bundle)
    good, wrong = 0, 0
    with output.open("w", encoding="utf-8") as stream:
        for one in labelled(export, annotator):
            article = convert(Row(one.place, 0, one.article), corpus, scheme)
            if isinstance(article, list):
                wrong += 1
                for problem in article:
                    _say(f"{one.place}: {problem.field}: {problem.message}" if isinstance(problem, Problem) else "")
                continue
            good += 1
            stream.write(json.dumps(one.article, ensure_ascii=False) + "\n")
    _say(f"{good} labelled articles" + (f", {wrong} could not be used" if wrong else ""))
    raise typer.Exit(1 if wrong else 0)


@app.command()
def config(
    tasks: Annotated[Path | None, Argument(help="What annotate export wrote, for its targets.", dir_okay=False)] = None,
    targets: Annotated[int | None, Option(min=0, max=32, help="Targets of the article that has most.")] = None,
    bundle: Scheming = None,
) -> None:
    """Print the labelling configuration for Label Studio, made from the label scheme.

    Label Studio takes no tasks with fewer targets than their configuration has; name the tasks, or the number.
    """
    from models.errors import ConfigError
    from tools.label_studio import columns_of
    from tools.label_studio import config as labelling

    if tasks is not None and targets is None:
        targets = columns_of(tasks)
    elif tasks is not None or targets is None:
        raise ConfigError("annotate config: name the tasks that annotate export wrote, or --targets")
    sys.stdout.write(labelling(targets, _scheme(bundle)))


@app.command()
def agreement(
    a: Annotated[Path, Argument(help="One annotator's labels: Label Studio's export, or labelled articles (jsonl).")],
    b: Annotated[Path, Argument(help="The other's.")],
    as_json: Annotated[bool, Option("--json", help="As JSON, for a program.")] = False,
) -> None:
    """Agreement of two annotators on the articles that both labelled: kappa for each label."""
    from tools import agreement as tool

    found = tool.pairs(tool.read(a), tool.read(b))
    lines = list(tool.agreement(found))
    if as_json:
        import json
        from dataclasses import asdict

        sys.stdout.write(
            json.dumps({"sentences": len(found), "labels": [asdict(line) for line in lines]}, indent=1) + "\n"
        )
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("head", "label", "items", "A", "B", "same", "kappa", "AC1", title=f"{len(found)} sentences")
    for line in lines:
        kappa = "–" if line.kappa is None else f"{line.kappa:.2f}"
        counts = [str(line.items), str(line.a), str(line.b)] if line.label else [str(line.items), "", ""]
        table.add_row(line.head, line.label, *counts, f"{line.same:.2f}", kappa, f"{line.ac1:.2f}")
    Console().print(table)


def _tagged(
    inputs: list[str],
    target: list[str] | None,
    bundle: Path | None,
    url: str | None,
    key: str | None,
    *,
    scores: bool = False,
    whole: bool = False,
) -> list[tuple[Article, Reply]]:
    """Articles with their replies; rows that cannot be tagged are named on stderr and left out."""
    from tools import readers, run
    from tools.articles import Article
    from tools.label_studio import whole_text

    job = run.Job(inputs=tuple(inputs), targets=tuple(target or ()), bundle=bundle, url=url, key=key, scores=scores)
    files = readers.find(job.inputs)
    worker = run.worker_for(job, files)
    found: list[tuple[Article, Any]] = []
    for batch in run.batches(readers.read(files, job.columns)):
        articles = [whole_text(item) if whole else item for item in batch if isinstance(item, Article)]
        for bad in batch:
            if not isinstance(bad, Article):
                _say(str(bad))
        for article, reply in zip(articles, worker.tag(articles), strict=True):
            if isinstance(reply, str):
                _say(f"{article.place}: {reply}")
            else:
                found.append((article, reply))
    return found


def _scheme(bundle: Path | None) -> Scheme:
    from models.bundle import Bundle
    from models.labels import SCHEME

    return SCHEME if bundle is None else Bundle.load(bundle).scheme


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
