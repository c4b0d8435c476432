"""The verbs of training and serving, each a thin call of the module that does it."""

from __future__ import annotations

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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what the run would do, and stop.")] = False,
) -> None:
    """Fine-tune an encoder as CONFIG says, calibrate it and write its bundle."""
    from training.progress import announce, plan
    from training.train import train as run

    announce()
    if dry_run:
        typer.echo(plan(config))
        return
    bundle = run(config, resume=resume)
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
