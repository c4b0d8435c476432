"""Where the weights start: not at random where something better is known.

A masked-language model first learns unigram frequencies, then stands still until some attention head
discovers the neighbouring words. A short budget cannot wait for that, so the first layer's heads start out
looking at the neighbours, and the embeddings start as word vectors.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertModel

from models.errors import ConfigError
from training.pretrain_model import PretrainModel
from training.pretrain_vectors import Vectors

HEADS = "heads.safetensors"
"""Heads that pretraining trained, beside the encoder."""

_IN_BUNDLE = "encoder.embeddings.word_embeddings.weight"

_SCALE = 0.04  # root mean square of an embedding's entries, for words and for positions
_SHARPNESS = 1.4
_SHORTEST, _LONGEST = 2.5, 1_000.0  # wave lengths of the positions, in tokens


@torch.no_grad()
def start_from_corpus(encoder: BertModel, vectors: Vectors) -> None:
    """Set the word embeddings (where a vector is known), the positions and the first layer's attention."""
    embeddings: Any = encoder.embeddings
    width = embeddings.word_embeddings.weight.shape[1]
    known = torch.from_numpy(vectors)
    table = embeddings.word_embeddings.weight
    table.copy_(torch.where(known.any(dim=1, keepdim=True), known * _SCALE * math.sqrt(width), table))
    angle = _angles(embeddings.position_embeddings.weight.shape[0], width)
    waves = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)
    embeddings.position_embeddings.weight.copy_(waves * _SCALE * math.sqrt(2))
    first: Any = encoder.encoder.layer[0]
    _look_at_neighbours(first.attention.self, width)


def start_from_encoder(model: PretrainModel, folder: Path, tokenizer: Tokenizer) -> None:
    """Set the encoder's weights to those in `folder`, and the heads' to those beside it, where there are any.

    `folder` is what a pretraining run saved, or a bundle, whose own heads answer other questions and stay behind.

    Raises:
        ConfigError: the folder has no encoder of the model's shape, or one of another vocabulary.

    """
    try:
        saved = load_file(folder / "model.safetensors")
        if _IN_BUNDLE in saved:
            known = {name: tensor for name, tensor in saved.items() if name.startswith("encoder.")}
        else:
            known = {f"encoder.{name}": tensor for name, tensor in saved.items()}
        vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
        if (folder / HEADS).is_file():
            known |= load_file(folder / HEADS)
        missing, _ = model.load_state_dict(known, strict=False)
    # tokenizers raises bare exceptions.
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"encoder.start: {folder}: no encoder of this run's shape ({reason})") from error
    if any(name.startswith("encoder.") for name in missing):
        raise ConfigError(f"encoder.start: {folder}: no encoder of this run's shape (lacks {missing[0]})")
    if vocabulary != tokenizer.get_vocab():
        raise ConfigError(f"encoder.start: {folder}: its vocabulary is not this run's; give them the same data section")


def _angles(positions: int, width: int) -> Tensor:
    """Angle (positions, width / 2) of each position on each wave."""
    return torch.arange(positions)[:, None] * _frequencies(width)[None]


def _frequencies(width: int) -> Tensor:
    lengths = torch.logspace(math.log10(_SHORTEST), math.log10(_LONGEST), width // 2)
    return 2 * math.pi / lengths


def _look_at_neighbours(attention: Any, width: int) -> None:
    """Head by head, query and key meet where the key is 1 before, 1 after, 2 before, … the query.

    Heads read the shortest waves, keys as they are, queries turned by the distance. Longer ones hardly turn in
    one token, so with them a word would look at itself first.
    """
    heads = attention.num_attention_heads
    size = width // heads
    frequencies = _frequencies(width)
    key, query = attention.key.weight, attention.query.weight
    waves = torch.arange(size // 2)
    for head in range(heads):
        distance = (head // 2 + 1) * (-1 if head % 2 == 0 else 1)
        turn = frequencies[waves] * distance
        rows = head * size + torch.arange(len(waves)) * 2
        sine, cosine = 2 * waves, 2 * waves + 1
        key[rows, sine] += _SHARPNESS
        key[rows + 1, cosine] += _SHARPNESS
        query[rows, sine] += _SHARPNESS * turn.cos()
        query[rows, cosine] += _SHARPNESS * turn.sin()
        query[rows + 1, sine] += -_SHARPNESS * turn.sin()
        query[rows + 1, cosine] += _SHARPNESS * turn.cos()
