"""`qawl tag`: the options of the verb. The work is in tools/run.py, imported when it is needed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option


class Format(StrEnum):
    """What comes out."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    HTML = "html"


class EngineChoice(StrEnum):
    """What runs the network."""

    ONNX = "onnx"
    TORCH = "torch"


class PrecisionChoice(StrEnum):
    """The numbers it runs in."""

    FP32 = "fp32"
    INT8 = "int8"


def tag(
    inputs: Annotated[
        list[str],
        Argument(
            metavar="INPUT",
            help="Files (txt, jsonl, csv, tsv, json, parquet; .gz too), folders, quoted patterns, or - for stdin.",
        ),
    ],
    target: Annotated[
        list[str] | None, Option("--target", "-t", help="A claim to take stances on; repeat it for more.")
    ] = None,
    where: Annotated[
        str | None, Option("--where", "-w", help="Sentences to keep, such as 'voice=author and checkable'.")
    ] = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="File to write; a killed run goes on when repeated.")
    ] = None,
    format: Annotated[
        Format | None,
        Option("--format", "-f", help="By default what -o ends in; else a table in a terminal, jsonl in a pipe."),
    ] = None,
    text_column: Annotated[str, Option(help="Field that holds the article.")] = "text",
    id_column: Annotated[str, Option(help="Field that holds its id.")] = "id",
    title_column: Annotated[str, Option(help="Field that holds its title.")] = "title",
    target_column: Annotated[str, Option(help="Field with the article's own target or targets.")] = "target",
    source_column: Annotated[str, Option(help="Field that names the paper; by default the folder or file.")] = "source",
    default_target: Annotated[
        bool, Option("--default-target", help="Without a target, take stances on the title or lead.")
    ] = False,
    context: Annotated[bool, Option(help="Read each sentence in its article, or alone.")] = True,
    scores: Annotated[bool, Option("--scores", help="Probabilities of all labels (jsonl).")] = False,
    fail_fast: Annotated[bool, Option("--fail-fast", help="Stop at the first bad row instead of skipping it.")] = False,
    overwrite: Annotated[bool, Option("--overwrite", help="Start afresh, whatever is there.")] = False,
    quiet: Annotated[bool, Option("--quiet", "-q", help="No progress and no summary.")] = False,
    bundle: Annotated[
        Path | None, Option("--bundle", "-b", envvar="QAWL_BUNDLE", help="Bundle folder; by default the shipped one.")
    ] = None,
    engine: Annotated[EngineChoice, Option(help="onnx on a CPU, torch on a GPU.")] = EngineChoice.ONNX,
    precision: Annotated[PrecisionChoice, Option(help="int8 is faster, if the bundle has it.")] = PrecisionChoice.FP32,
    threads: Annotated[int | None, Option(min=1, help="Cores to use; by default all.")] = None,
    url: Annotated[str | None, Option(envvar="QAWL_URL", help="Ask this running service instead.")] = None,
    key: Annotated[str | None, Option(envvar="QAWL_KEY", help="Its key.")] = None,
    ray: Annotated[
        str | None, Option(metavar="ADDRESS", help="Spread the files over this Ray cluster (auto, local, HOST:PORT).")
    ] = None,
) -> None:
    """Tag articles: claim types, voice, and stance toward the targets, sentence by sentence.

    One article a txt file; one a line of jsonl or csv, or a row of parquet. A row that cannot be tagged is named on
    stderr and skipped; the exit code is then 1.
    """
    from tools.run import Job, run

    job = Job(
        inputs=tuple(inputs),
        targets=tuple(target or ()),
        where=where,
        output=output,
        format=format,
        text_column=text_column,
        id_column=id_column,
        title_column=title_column,
        target_column=target_column,
        source_column=source_column,
        default_target=default_target,
        context=context,
        scores=scores,
        fail_fast=fail_fast,
        overwrite=overwrite,
        quiet=quiet,
        bundle=bundle,
        engine=engine.value,
        precision=precision.value,
        threads=threads,
        url=url,
        key=key,
    )
    if ray is not None:
        from tools.ray_tag import run_on_ray

        raise typer.Exit(run_on_ray(job, ray))
    raise typer.Exit(run(job))
