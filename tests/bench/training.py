"""A training step three ways: padded to the longest, grouped by length, packed into rows.

    python -m tests.bench.training [--rounds 5] [--readings 64] [--batch 16] [--threads N]

Each contender reads the same crops of the seeds with the same network (the compact shape, random weights, no
dropout), forward and backward, in interleaved rounds. `ratios` are to padding in random order; `gradients` is the
largest difference between the gradients of a packed and of a padded batch, as a share of the largest gradient.
The last line is JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
import typer

from models.engines.onnx import usable_cores
from models.labels import SCHEME
from models.network import Answers, Network, head_losses
from models.text import NORMALISERS
from tests.bench.bundles import ROOT, SHAPES, random_network
from tests.bench.measure import interleave, machine, ratio, report
from tests.tiny import tiny_run
from training.batching import Collator
from training.config import Crops, Encoder, Scratch, Windows
from training.data import load_splits
from training.encoders import resolve
from training.reads import Reading, Reads, encode_articles
from training.train import texts_of


def main(rounds: int = 5, readings: int = 64, batch: int = 16, threads: int = usable_cores()) -> None:
    """Measure the three ways and print one line of JSON."""
    torch.set_num_threads(threads)
    network, found = _prepare(readings)
    spec, types = network.spec, SCHEME.type_ids
    padded = Collator(spec, types, 0.3, packing=False)
    packed = Collator(spec, types, 0.3, packing=True, one_row=not torch.cuda.is_available())
    by_length = sorted(found, key=lambda reading: reading.window.tokens)
    contenders = {
        "padded": partial(_epoch, network, padded, _cut(found, batch)),
        "grouped": partial(_epoch, network, padded, _cut(by_length, batch)),
        "packed": partial(_epoch, network, packed, _cut(found, batch)),
    }
    seconds = interleave(contenders, rounds)
    tokens = sum(reading.window.tokens for reading in found)
    report(
        {
            "ratios": {name: ratio(seconds["padded"], seconds[name]) for name in ("grouped", "packed")},
            "gradients": _largest_difference(network, padded, packed, found[:batch]),
            "tokens_per_s": {name: round(tokens / sorted(s)[len(s) // 2]) for name, s in seconds.items()},
            "cells_per_token": {
                name: round(sum(_cells(c, group) for group in groups) / tokens, 2)
                for name, c, groups in (
                    ("padded", padded, _cut(found, batch)),
                    ("grouped", padded, _cut(by_length, batch)),
                    ("packed", packed, _cut(found, batch)),
                )
            },
            "readings": len(found),
            "batch": batch,
            "rounds": rounds,
            "threads": threads,
            "machine": machine(),
        }
    )


def _prepare(readings: int) -> tuple[Network, list[Reading]]:
    run = tiny_run("sep", 2, 512)
    loaded = load_splits(run.corpora, ROOT)
    articles = [article for one in loaded for article in one.articles]
    normalise = NORMALISERS[run.encoder.normaliser]
    texts = [normalise(text) for article in articles for text in texts_of(article)]
    source = resolve(Encoder(scratch=Scratch(**SHAPES["compact"])), Windows(), ROOT, texts)
    reads = Reads(encode_articles(articles, source.tokenizer, normalise), source.spec, Crops(), epochs=1.0, seed=3)
    # Eval mode: without dropout the three ways have the same gradients.
    return random_network("compact", source.spec), [
        reading for i in range(min(readings, len(reads))) for reading in reads[i]
    ]


def _epoch(network: Network, collator: Collator, groups: Sequence[Sequence[Reading]]) -> None:
    for group in groups:
        _backward(network, collator, group)


def _backward(network: Network, collator: Collator, group: Sequence[Reading]) -> None:
    network.zero_grad(set_to_none=True)
    batch = collator([group])
    losses = head_losses(network(**batch["inputs"]), Answers(**batch["answers"]), network.layout)
    torch.stack([value / weight.clamp(min=1) for value, weight in losses.values()]).sum().backward()


def _largest_difference(network: Network, one: Collator, other: Collator, group: Sequence[Reading]) -> float:
    found = []
    for collator in (one, other):
        _backward(network, collator, group)
        found.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    return float((found[0] - found[1]).abs().max() / found[0].abs().max())


def _cut(readings: Sequence[Reading], batch: int) -> list[Sequence[Reading]]:
    return [readings[i : i + batch] for i in range(0, len(readings), batch)]


def _cells(collator: Collator, group: Sequence[Reading]) -> int:
    batch = collator([group])
    return int(batch["inputs"]["ids"].numel())


if __name__ == "__main__":
    typer.run(main)
