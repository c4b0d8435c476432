"""A training step three ways, padded to the longest, grouped by length, packed into rows; and target and article apart.

    python -m tests.bench.training [--rounds 5] [--articles 11] [--batch 16] [--threads N]

The first three read the same crops of the seeds with the same network (the compact shape, random weights, no dropout),
forward and backward, in interleaved rounds. The fourth reads as many passes over the same articles with a network that
reads target and article apart. `ratios` are to padding in random order, `apart` to packing; `gradients` is the largest
difference between the gradients of a packed and of a padded batch, as a share of the largest gradient. The last line is
JSON.
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


def main(
    rounds: int = 5,
    articles: int = typer.Option(11, help="articles of the seeds that each contender passes over once"),
    batch: int = 16,
    threads: int = usable_cores(),
) -> None:
    """Measure the ways and print one line of JSON."""
    torch.set_num_threads(threads)
    network, found = _prepare(articles, apart=False)
    network_apart, passes = _prepare(articles, apart=True)
    spec, types, one_row = network.spec, SCHEME.type_ids, not torch.cuda.is_available()
    padded = Collator(spec, types, 0.3, packing=False)
    packed = Collator(spec, types, 0.3, packing=True, one_row=one_row)
    apart = Collator(network_apart.spec, types, 0.3, packing=True, one_row=one_row)
    by_length = sorted(found, key=lambda reading: reading[0].window.tokens)
    # As many windows a step as the others have.
    few = max(1, round(batch * len(passes) / len(found)))
    contenders = {
        "padded": partial(_epoch, network, padded, _cut(found, batch)),
        "grouped": partial(_epoch, network, padded, _cut(by_length, batch)),
        "packed": partial(_epoch, network, packed, _cut(found, batch)),
        "apart": partial(_epoch, network_apart, apart, _cut(passes, few)),
    }
    seconds = interleave(contenders, rounds)
    tokens = sum(reading.window.tokens for (reading,) in found)
    report(
        {
            "ratios": {name: ratio(seconds["padded"], seconds[name]) for name in ("grouped", "packed")},
            "apart": ratio(seconds["packed"], seconds["apart"]),
            "gradients": _largest_difference(network, padded, packed, found[:batch]),
            "tokens_per_s": {
                name: round(tokens / sorted(seconds[name])[rounds // 2]) for name in ("padded", "grouped", "packed")
            },
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


Item = Sequence[Reading]


def _prepare(articles: int, *, apart: bool) -> tuple[Network, list[Item]]:
    run = tiny_run("sep", 2, 512)
    loaded = load_splits(run.corpora, ROOT)
    everything = [article for one in loaded for article in one.articles]
    normalise = NORMALISERS[run.encoder.normaliser]
    texts = [normalise(text) for article in everything for text in texts_of(article)]
    source = resolve(Encoder(scratch=Scratch(**SHAPES["compact"])), Windows(apart=apart), ROOT, texts)
    read = encode_articles(everything[:articles], source.tokenizer, normalise)
    reads = Reads(read, source.spec, Crops(), epochs=1.0, seed=3)
    # Eval mode: without dropout the ways have the same gradients.
    return random_network("compact", source.spec), [reads[i] for i in range(len(reads))]


def _epoch(network: Network, collator: Collator, groups: Sequence[Sequence[Item]]) -> None:
    for group in groups:
        _backward(network, collator, group)


def _backward(network: Network, collator: Collator, group: Sequence[Item]) -> None:
    network.zero_grad(set_to_none=True)
    batch = collator(group)
    losses = head_losses(network(**batch["inputs"]), Answers(**batch["answers"]), network.layout)
    torch.stack([value / weight.clamp(min=1) for value, weight in losses.values()]).sum().backward()


def _largest_difference(network: Network, one: Collator, other: Collator, group: Sequence[Item]) -> float:
    found = []
    for collator in (one, other):
        _backward(network, collator, group)
        found.append(torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None]))
    return float((found[0] - found[1]).abs().max() / found[0].abs().max())


def _cut(items: Sequence[Item], batch: int) -> list[Sequence[Item]]:
    return [items[i : i + batch] for i in range(0, len(items), batch)]


def _cells(collator: Collator, group: Sequence[Item]) -> int:
    batch = collator(group)
    return int(batch["inputs"]["ids"].numel())


if __name__ == "__main__":
    typer.run(main)
