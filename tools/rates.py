"""Measures how fast a bundle tags on this machine, for the arithmetic of docs/bulk.md.

    python -m tools.rates [--bundle DIR] [--engine onnx|torch] [--precision fp32|int8]

On a CPU the rate is per second of processor time of one core, so that it is right on a busy machine too; on a GPU
it is per second on the clock. The texts are the project's own articles. Results go into docs/rates.json.
"""

from __future__ import annotations

import itertools
import json
import platform
import resource
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from models.tagger import EngineName, Tagger
from models.tags import Document, Tags

ROOT = Path(__file__).resolve().parents[1]
RATES = ROOT / "docs" / "rates.json"
TARGETS = (0, 1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """`per_second` sentences on one `device` (a core or a GPU), with `targets` targets each."""

    device: str
    kind: Literal["core", "gpu"]
    bundle: str
    version: str
    engine: str
    precision: str
    targets: int
    per_second: float
    sentences: int
    tokens_a_sentence: float
    peak_mib: int

    @property
    def key(self) -> tuple[str, ...]:
        """What makes a newer measurement replace an older one."""
        return (self.device, self.bundle, self.engine, self.precision, str(self.targets))


def read_rates(path: Path = RATES) -> list[Rate]:
    """What has been measured so far."""
    if not path.exists():
        return []
    return [Rate(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def write_rates(new: list[Rate], path: Path = RATES) -> None:
    """Add measurements, each in place of an older one of its kind."""
    by_key = {rate.key: rate for rate in [*read_rates(path), *new]}
    entries = [asdict(by_key[key]) for key in sorted(by_key)]
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def documents(targets: int) -> list[Document]:
    """The seed articles as whole texts, with the first of their targets."""
    lines = (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    articles = [json.loads(line) for line in lines]
    return [
        Document(
            text="\n".join(sentence["text"] for sentence in article["sentences"]),
            targets=tuple(article["targets"][:targets]),
        )
        for article in articles
    ]


def measure(tagger: Tagger, targets: int, seconds: float, *, gpu: bool, batch: int) -> Rate:
    """The rate of whole runs over batches of articles, after one batch to warm up."""
    clock = time.perf_counter if gpu else time.process_time
    found = documents(targets)
    tagger.tag(found[:batch])
    sentences = tokens = 0
    started = clock()
    for first in itertools.cycle(range(0, len(found), batch)):
        for tags in tagger.tag(found[first : first + batch]):
            # The seed articles are the project's own and can all be tagged.
            usage = cast(Tags, tags).usage
            sentences += usage.sentences
            tokens += usage.tokens
        if clock() - started > seconds:
            break
    identity = tagger.bundle.identity()
    return Rate(
        device=_device(gpu),
        kind="gpu" if gpu else "core",
        bundle=identity["name"],
        version=identity["version"],
        engine="",
        precision="",
        targets=targets,
        per_second=round(sentences / (clock() - started), 1),
        sentences=sentences,
        tokens_a_sentence=round(tokens / sentences, 1),
        peak_mib=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def _device(gpu: bool) -> str:
    if gpu:
        import torch

        return str(torch.cuda.get_device_name())
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return models[0].split(":")[1].strip() if models else platform.machine()


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle folder; by default the shipped one.")] = None,
    engine: Annotated[str, typer.Option(help="onnx or torch.")] = "onnx",
    precision: Annotated[str, typer.Option(help="fp32 or int8.")] = "fp32",
    seconds: Annotated[float, typer.Option(help="How long each measurement takes.")] = 10.0,
) -> None:
    """Measure and add to docs/rates.json."""
    tagger = Tagger.load(
        bundle, engine=cast(EngineName, engine), precision=cast(Literal["fp32", "int8"], precision), threads=1
    )
    gpu = engine == "torch"
    rates = [measure(tagger, targets, seconds, gpu=gpu, batch=80 if gpu else 32) for targets in TARGETS]
    rates = [replace(rate, engine=engine, precision=precision) for rate in rates]
    write_rates(rates)
    for rate in rates:
        typer.echo(f"{rate.targets} targets: {rate.per_second:,} sentences/s a {rate.kind}, peak {rate.peak_mib} MiB")


if __name__ == "__main__":
    typer.run(main)
