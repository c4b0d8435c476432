"""Bundles of random weights in the shapes that are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel

from models import bundle as bundles
from models.apart import build_network
from models.bundle import Bundle
from models.calibrate import Calibration
from models.engines import Heads
from models.labels import SCHEME
from models.network import Network
from models.text import NORMALISERS
from models.windows import WindowSpec
from tests.bench.mix import seeds
from training.config import Encoder, Scratch, Windows
from training.encoders import Source, resolve
from training.export import quantise
from training.package import write_network

ROOT = Path(__file__).resolve().parents[2]
SHAPES = {
    "compact": {"layers": 6, "hidden": 256, "heads": 4, "intermediate": 1024, "vocabulary": 16_384},
    "arabert": {"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3072, "vocabulary": 64_000},
}


def random_bundle(shape: str, target: Path) -> Bundle:
    """A whole bundle of that shape, fp32 and int8, with random weights and a vocabulary made of the seeds."""
    size = SHAPES[shape]
    normalise = NORMALISERS["arabert-v02"]
    texts = (normalise(text) for article in seeds() for text in (*article["sentences"], *article["targets"]))
    # With so many pieces the seeds take 1.25 tokens a word, as the news does with AraBERT's 64,000; the other rows of
    # the table are never looked up.
    source = resolve(Encoder(scratch=Scratch(**{**size, "vocabulary": 6000})), Windows(), ROOT, texts)
    network = random_network(shape, source.spec)

    def write(folder: Path) -> None:
        write_network(network, source, folder)
        quantise(folder / "model.onnx", folder / "model.int8.onnx")
        for name in ("report.json", "README.md", "LICENSE"):
            (folder / name).write_text("{}\n", encoding="utf-8")

    return bundles.save(target, _fields(shape, source), write)


def random_network(shape: str, spec: WindowSpec) -> Network:
    """The network of a shape with random weights from a fixed seed."""
    torch.manual_seed(11)
    size = SHAPES[shape]
    config = BertConfig(
        vocab_size=size["vocabulary"],
        hidden_size=size["hidden"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"],
        intermediate_size=size["intermediate"],
        max_position_embeddings=spec.max_tokens,
        type_vocab_size=2,
        pad_token_id=spec.pad,
    )
    return build_network(BertModel(config, add_pooling_layer=False), Heads(len(SCHEME.types)), spec).eval()


def _fields(shape: str, source: Source) -> dict[str, Any]:
    return {
        "name": f"random-{shape}",
        "version": "0",
        "scheme": SCHEME.to_json(),
        "normaliser": "arabert-v02",
        "windows": source.spec.to_json(),
        "calibration": Calibration.neutral(SCHEME),
        "encoder": f"random {shape}",
        "licence": "Apache-2.0",
        "provenance": {},
        "metrics": {},
    }
