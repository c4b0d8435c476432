"""Makes the small bundle of the tests: real files, random weights."""

from __future__ import annotations

from pathlib import Path

import torch

from models import bundle as bundles
from models.calibrate import Calibration
from models.card import card
from models.engines import Heads
from models.labels import SCHEME
from models.network import Network
from models.text import NORMALISERS
from training.config import Encoder, Run, Scratch, Windows
from training.data import Loaded, load_splits
from training.encoders import Source, resolve
from training.package import Trained, data_table, manifest_fields, write_network
from training.train import texts_of

ROOT = Path(__file__).resolve().parents[1]


def tiny_run(pooling: str, token_types: int, max_tokens: int) -> Run:
    seeds = {"name": "seeds", "path": "seeds/articles.jsonl", "format": "canonical", "splits": "seeds/splits.json"}
    return Run.model_validate(
        {
            "name": "tiny",
            "version": "0",
            "output": "tiny",
            "licence": "Apache-2.0",
            "corpora": [{**seeds, "split": "train"}, {**seeds, "split": "dev"}],
            "encoder": Encoder(
                scratch=Scratch(layers=2, hidden=32, heads=2, intermediate=64, vocabulary=1500), token_types=token_types
            ),
            "windows": Windows(max_tokens=max_tokens, max_target_tokens=48, pooling=pooling),
        }
    )


def write_tiny(target: Path, *, pooling: str, token_types: int, max_tokens: int) -> Path:
    run = tiny_run(pooling, token_types, max_tokens).model_copy(update={"output": str(target)})
    loaded = load_splits(run.corpora, ROOT)
    normalise = NORMALISERS[run.encoder.normaliser]
    texts = [normalise(text) for one in loaded for article in one.articles for text in texts_of(article)]
    source = resolve(run.encoder, run.windows, ROOT, texts)
    torch.manual_seed(7)
    network = Network(source.build(), Heads(len(SCHEME.types)), source.spec)
    with torch.no_grad():
        # Untrained heads answer nearly alike everywhere; larger weights make every mix-up visible.
        for head in (network.tags, network.pair, network.types, network.primary, network.voice, network.stance):
            head.weight.mul_(8)
    return save_uncalibrated(target, run, source, loaded, network)


def save_uncalibrated(target: Path, run: Run, source: Source, loaded: list[Loaded], network: Network) -> Path:
    """The bundle of a network that nothing was fitted or measured on."""
    trained = Trained(network, Calibration.neutral(SCHEME), [], {"mean": 0.0}, 7, {})
    fields = manifest_fields(run, source, loaded, trained)
    texts = {"report.json": "{}\n", "README.md": card(fields, data_table(loaded)), "LICENSE": "-\n"}

    def write(folder: Path) -> None:
        write_network(network, source, folder)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")

    return bundles.save(target, fields, write).path
