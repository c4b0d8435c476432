"""Writes the pages of docs/ that are made and not written: `python -m tools.docs`, or `--check` that they are current.

docs/cli.md has the help of every verb; docs/bulk.md the cost of bulk work, from docs/rates.json.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from tools.rates import Rate, read_rates

DOCS = Path(__file__).resolve().parents[1] / "docs"
SIZES = {"1 million": 10**6, "100 million": 10**8, "10 billion": 10**10}
# Assumptions, not measurements: what an hour of rented hardware costs. Change them and write the page anew.
PRICE_A_CORE = 0.04
PRICE_A_GPU = 4.0
CORES_A_NODE = 16
NODES = 10
GPUS = 8


def cli_page() -> str:
    """The help of every verb."""
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from tools.cli import app

    command = get_command(app)
    context = typer.Context(command, info_name="qawl")
    with context:
        text = get_docs_for_click(obj=command, ctx=context, name="qawl")
    text = re.sub(r"^# `qawl`\n", "# The command line\n", text)
    return f"<!-- Made by `python -m tools.docs`; do not edit. -->\n\n{text.strip()}\n"


def bulk_page(rates: Iterable[Rate]) -> str:
    """Time and cost of large jobs."""
    rates = list(rates)
    lines = [
        "<!-- Made by `python -m tools.docs` from docs/rates.json; do not edit. -->",
        "",
        "# What bulk work takes",
        "",
        "Rates were measured by `python -m tools.rates` on whole runs of the Tagger (segmentation, tokenisation,",
        "network, calibration) over the project's own articles. On a CPU they are per second of processor time of one",
        "core; `qawl tag` keeps each core busy with a thread of its own. 0 targets is types and voice only; each",
        "target is one more reading of the article. Measure on your own machine and texts before you buy.",
        "",
        f"Prices are assumptions, to be replaced by your own: {PRICE_A_CORE:.2f} USD an hour for a core, "
        f"{PRICE_A_GPU:.2f} USD for a GPU.",
        "",
        "## Measured",
        "",
        "| bundle | engine | device | targets | tokens a sentence | sentences/s | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.bundle} {r.version} | {r.engine} {r.precision} | {r.device} ({r.kind}) | {r.targets} "
        f"| {r.tokens_a_sentence:.1f} | {r.per_second:,.0f} | {r.peak_mib:,} MiB |"
        for r in rates
    ]
    for kind, devices, name, price in (
        ("core", CORES_A_NODE * NODES, f"{NODES} nodes of {CORES_A_NODE} cores", PRICE_A_CORE),
        ("gpu", GPUS, f"{GPUS} GPUs", PRICE_A_GPU),
    ):
        of_kind = [r for r in rates if r.kind == kind]
        if of_kind:
            lines += ["", f"## On {name}", "", *_table(of_kind, devices, price)]
    lines += [
        "",
        "Time = sentences / (rate × devices); cost = sentences / rate × price. Reading and writing are left out.",
    ]
    return "\n".join(lines) + "\n"


def _table(rates: list[Rate], devices: int, price: float) -> list[str]:
    head = ["| bundle, engine, targets | " + " | ".join(f"{name} sentences" for name in SIZES) + " |"]
    head.append("|---" * (1 + len(SIZES)) + "|")
    rows = []
    for rate in rates:
        cells = []
        for size in SIZES.values():
            seconds = size / rate.per_second
            cells.append(f"{duration(seconds / devices)}, {seconds / 3600 * price:,.2f} USD")
        rows.append(f"| {rate.bundle}, {rate.engine} {rate.precision}, {rate.targets} | " + " | ".join(cells) + " |")
    return head + rows


def duration(seconds: float) -> str:
    """A length of time as people say it."""
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds"


def pages() -> dict[Path, str]:
    """Every made page and what it should hold."""
    return {DOCS / "cli.md": cli_page(), DOCS / "bulk.md": bulk_page(read_rates())}


def main(check: Annotated[bool, typer.Option("--check", help="Only say which pages are out of date.")] = False) -> None:
    """Write the made pages of docs/."""
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            sys.stderr.write(f"docs/{path.name} is out of date: run python -m tools.docs\n")
        else:
            path.write_text(pages()[path], encoding="utf-8")
    raise typer.Exit(1 if check and stale else 0)


if __name__ == "__main__":
    typer.run(main)
