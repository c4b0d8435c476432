"""The verbs of training and serving, each a thin call of the module that does it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

BundleOption = Annotated[Path | None, typer.Option("--bundle", help="Bundle folder; the shipped one by default.")]
ConfigArgument = Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's TOML file.")]


def serve(
    bundle: BundleOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; HOST, else 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; PORT, else 3000.")] = None,
) -> None:
    """Start the REST service and its page."""
    from service.launch import serve as run

    run(bundle, host, port)


def train(
    config: ConfigArgument,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Train this one of the run's seeds only; `--resume` then makes the bundle.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the run would do, and stop.")] = False,
) -> None:
    """Fine-tune an encoder as CONFIG says, calibrate it and write its bundle."""
    from training.progress import announce, plan
    from training.train import train as run

    announce()
    if dry_run:
        typer.echo(plan(config))
        return
    bundle = run(config, resume=resume, seed=seed)
    if bundle is not None:
        typer.echo(f"{bundle.path}: {bundle.manifest.name} {bundle.manifest.version}, fingerprint {bundle.fingerprint}")


def pretrain(
    config: ConfigArgument,
    minutes: Annotated[float | None, typer.Option(help="Time budget; the config's by default.")] = None,
) -> None:
    """Pretrain an encoder on raw text as CONFIG says."""
    from training.pretrain import pretrain as run
    from training.progress import announce

    announce()
    typer.echo(str(run(config, minutes)))


def tune(
    config: ConfigArgument,
    space: Annotated[Path, typer.Argument(metavar="SPACE", help="TOML of the settings to search.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of the whole study, earlier ones counted in.")] = 20,
    study: Annotated[Path | None, typer.Option(help="Study file; an existing one is gone on with.")] = None,
) -> None:
    """Search a run's settings with Optuna and write the best run as a TOML."""
    from training.progress import announce
    from training.tune import tune as run

    announce()
    typer.echo(str(run(config, space, trials=trials, study=study)))


def ablate(
    config: ConfigArgument,
    variants: Annotated[Path, typer.Argument(metavar="VARIANTS", help="TOML of the variants to compare.")],
    results: Annotated[Path | None, typer.Option(help="JSONL of finished networks; gone on with if it exists.")] = None,
) -> None:
    """Train variants of a run and print the dev scores of each."""
    from training.ablate import ablate as run
    from training.progress import announce

    announce()
    for line in run(config, variants, results):
        typer.echo(json.dumps(line))


def export(
    bundle: BundleOption = None,
    on: Annotated[list[Path] | None, typer.Option("--on", help="Labelled articles that the gate is held on.")] = None,
) -> None:
    """Write a bundle's ONNX networks anew from its weights: fp32, and int8 if it passes its gate."""
    from models.bundle import SHIPPED
    from training.progress import announce
    from training.reexport import reexport

    announce()
    written, gate = reexport(bundle or SHIPPED, on or [])
    typer.echo(f"{written.path}: fingerprint {written.fingerprint}")
    typer.echo(gate.sentence())
    if not gate.passed:
        raise typer.Exit(1)


def push(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="Repository of the hub, OWNER/NAME.")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public.")] = False,
) -> None:
    """Upload a verified bundle to the Hugging Face hub; the token is huggingface_hub's own."""
    from training.push import push as run

    typer.echo(run(bundle, repository, public=public))


def build(
    bundle: BundleOption = None,
    gpu: Annotated[bool, typer.Option("--gpu", help="Serve with torch on a GPU.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="Write the bento to this folder instead of BentoML's store.")
    ] = None,
) -> None:
    """Package a bundle and the service as a bento."""
    from service.build import build as run

    typer.echo(str(run(bundle, gpu=gpu, output=output)))


def doctor(bundle: BundleOption = None) -> None:
    """Check this installation and say what is wrong with it."""
    from service.doctor import doctor as run

    findings = run(bundle)
    for finding in findings:
        typer.echo(f"{'ok   ' if finding.ok else 'wrong'}  {finding.name}: {finding.message}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)
