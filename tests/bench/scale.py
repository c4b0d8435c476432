"""How time and memory grow with articles and with targets.

    python -m tests.bench.scale [--bundle FOLDER] [--articles 1000] [--rounds 5] [--threads N]

Articles of news length are streamed through one Tagger, 1 to `--articles` of them, one target each: seconds an
article and the resident memory afterwards. Then T(k), the time of the same articles beside k targets, in
interleaved rounds, as a multiple of T(0). The last line is JSON.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import typer

from models.bundle import SHIPPED
from models.engines.onnx import usable_cores
from models.tagger import IN_FLIGHT, Tagger
from models.tags import Document
from tests.bench.measure import clock, interleave, machine, progress, ratio, report
from tests.bench.mix import articles, turned

TARGETS = (0, 1, 5, 20, 32)


def main(
    bundle: Path = SHIPPED,
    articles_: int = typer.Option(1000, "--articles", help="the largest corpus"),
    rounds: int = 5,
    threads: int = usable_cores(),
) -> None:
    """Measure growth and print one line of JSON."""
    tagger = Tagger.load(bundle, threads=threads)
    sizes = [10**power for power in range(len(str(articles_))) if 10**power <= articles_]
    corpora: dict[str, Any] = {}
    for size in sizes:
        seconds = clock(partial(_stream, tagger, size))
        corpora[str(size)] = {"seconds_per_article": round(seconds / size, 4), "rss_mib": _rss()}
        progress(f"{size} articles: {seconds:.1f} s")
    some = list(articles(4, targets=max(TARGETS)))
    few = {k: [replace(document, targets=(document.targets or ())[:k]) for document in some] for k in TARGETS}
    seconds_by_targets = interleave(
        {str(k): partial(_asked, tagger, found, count()) for k, found in few.items()}, rounds
    )
    report(
        {
            "targets": {k: round(1 / ratio(seconds_by_targets["0"], s), 2) for k, s in seconds_by_targets.items()},
            "articles": corpora,
            "bundle": tagger.bundle.manifest.name,
            "rounds": rounds,
            "threads": threads,
            "machine": machine(),
        }
    )


def _asked(tagger: Tagger, documents: list[Document], turns: Iterator[int]) -> None:
    tagger.tag(turned(documents, turns))


def _stream(tagger: Tagger, size: int) -> None:
    found = articles(size)
    while group := list(islice(found, IN_FLIGHT)):
        tagger.tag(group)


def _rss() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


if __name__ == "__main__":
    typer.run(main)
