"""`qawl data check` and `qawl evaluate`: how good is the data, how good is the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

data = typer.Typer(name="data", help="Look at labelled data before training on it.", no_args_is_help=True)

_OUT = Path("runs/out/evaluation")
_Engine = Literal["onnx", "torch"]
_Precision = Literal["fp32", "int8"]


@data.callback()
def _data() -> None:
    """Look at labelled data before training on it."""


@data.command("check")
def check(
    path: Annotated[Path, typer.Argument(metavar="CONFIG|PATH", help="A run's TOML, a folder such as seeds/, a file.")],
) -> None:
    """Count what is there; find bad rows, duplicates and articles that two splits share."""
    from training.check import check as run
    from training.check import print_checked

    checked = run(path)
    print_checked(checked, _console())
    raise typer.Exit(checked.exit_code)


def evaluate(
    bundle: Annotated[Path | None, typer.Argument(help="Bundle folder; the shipped one by default.")] = None,
    on: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DATA]...", help="Labelled articles; the seeds' test part by default."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="Evaluate on the corpora of this run's TOML as well.")] = None,
    split: Annotated[str, typer.Option(help="Which split of --config.")] = "dev",
    baselines: Annotated[bool, typer.Option("--baselines", help="Train and show the baselines beside it.")] = False,
    train: Annotated[
        list[Path] | None,
        typer.Option(help="What the baselines learn from; by default the seeds and a train.jsonl beside DATA."),
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Another bundle to compare with, by a paired bootstrap.")] = None,
    errors: Annotated[Path | None, typer.Option(help="Write the hardest errors with their texts to this file.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for report.json and report.html.")] = _OUT,
    alone: Annotated[bool, typer.Option(help="Also tag each sentence without context.")] = True,
    engine: Annotated[_Engine, typer.Option(help="What runs the network.")] = "onnx",
    precision: Annotated[_Precision, typer.Option(help="Which network of the bundle.")] = "fp32",
) -> None:
    """Measure a bundle on labelled data, exactly as it serves."""
    from rich.console import Console

    from models.bundle import SHIPPED
    from training.config import read_run
    from training.evaluate import SEEDS, Options
    from training.evaluate import evaluate as run
    from training.report import print_report, render_html

    corpora: list[Path] = [path.resolve() for path in on or ([] if config else [SEEDS])]
    declared = [corpus for corpus in read_run(config).corpora if corpus.split == split] if config else []
    options = Options(
        baselines=baselines,
        train=[path.resolve() for path in train or ()],
        against=against,
        alone=alone,
        engine=engine,
        precision=precision,
    )
    root = config.parent if config else Path()
    with Console(stderr=True).status("loading") as status:
        report = run(bundle or SHIPPED, [*corpora, *declared], options, root=root, progress=status.update)
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.json").write_text(report.to_json(), encoding="utf-8")
    (out / "report.html").write_text(render_html(report.data), encoding="utf-8")
    if errors is not None:
        report.write_errors(errors)
    print_report(report.data, _console())
    typer.echo(f"{out / 'report.html'}")


def _console() -> Console:
    """Where tables go; into a file or a pipe they are not squeezed to the 80 columns of an unknown terminal."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=150)
