"""The network of a pretraining run: a plain `BertModel` and its pretraining heads, computed the fast way.

The parameters are those of `transformers.BertModel`, so the encoder is saved and loaded as one. The forward
pass is our own: rows have no padding, query, key and value are one matrix product, and the last layer is
computed only at the positions that a loss reads, about a fifth of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from models.labels import STANCES

_SIDED = 2.0  # added weight of a sentence that takes a side


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of equal length, without padding.

    `ids`, `types`, `positions` (B, L) int64. `masked` (B, K) are the places to guess
    and `answers` (B, K) what stood there.
    Stance: `heads` (B,) position of the target's [SEP]; `ends` (B, M) those of the sentences' [SEP];
    `allowed` (B, M, 4) the stances that may hold, all true where nothing is known. M is 0 without stance.
    `luck` (B, K) decides what a generator guesses at the masked places.
    """

    ids: Tensor
    types: Tensor
    positions: Tensor
    masked: Tensor
    answers: Tensor
    heads: Tensor
    ends: Tensor
    allowed: Tensor
    luck: Tensor


class PretrainModel(nn.Module):
    """Encoder, masked-word head (tied to the embeddings) and a stance head shaped like the product's."""

    def __init__(self, config: BertConfig, precision: torch.dtype) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        hidden = int(config.hidden_size)
        self.transform = nn.Linear(hidden, hidden)
        self.transform_norm = nn.LayerNorm(hidden, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(int(config.vocab_size)))
        self.pair = nn.Linear(3 * hidden, hidden)
        self.stance = nn.Linear(hidden, len(STANCES))
        self.precision = precision

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mean loss of the masked words and of the stances whose answer is known (0 if none is)."""
        read = torch.cat((batch.masked, batch.heads[:, None], batch.ends), dim=1)
        hidden = self.encode(batch, read)
        guesses = batch.masked.shape[1]
        word_loss = F.cross_entropy(self.words(hidden[:, :guesses]).float(), batch.answers.reshape(-1))
        return word_loss, self.stance_loss(hidden[:, guesses], hidden[:, guesses + 1 :], batch.allowed)

    def stance_loss(self, target: Tensor, sentences: Tensor, allowed: Tensor) -> Tensor:
        """Mean loss of the stances whose answer is known, from the vectors that `stances` takes; 0 if none is."""
        if not sentences.shape[1]:
            return sentences.new_zeros((), dtype=torch.float32)
        scores = F.log_softmax(self.stances(target, sentences), dim=-1)
        mass = scores.masked_fill(~allowed, -1e4).logsumexp(dim=-1)
        # A row has one sentence that agrees or disagrees, if any, and several that do neither.
        known = (~allowed.all(dim=-1)).float() * (1 + _SIDED * (allowed[..., :2].any(dim=-1)).float())
        return -(mass * known).sum() / known.sum().clamp(min=1)

    def encode(self, batch: Batch, read: Tensor) -> Tensor:
        """Last hidden states (B, P, hidden) at the positions `read` (B, P)."""
        embeddings: Any = self.encoder.embeddings
        # Few token types: a product's gradient is cheap, a lookup's is a scatter into a handful of rows.
        table = embeddings.token_type_embeddings.weight
        kinds = F.one_hot(batch.types, table.shape[0]).to(self.precision) @ table.to(self.precision)
        hidden = embeddings.word_embeddings(batch.ids) + kinds + embeddings.position_embeddings(batch.positions)
        hidden = self._norm(hidden, embeddings.LayerNorm)
        layers: list[Any] = list(self.encoder.encoder.layer)
        for layer in layers[:-1]:
            hidden = self._layer(hidden, layer, None)
        return self._layer(hidden, layers[-1], read)

    def words(self, hidden: Tensor) -> Tensor:
        """Logits (N, vocabulary) of masked positions (B, K, hidden), flattened."""
        hidden = self._norm(F.gelu(self._linear(hidden, self.transform)), self.transform_norm)
        embeddings: Any = self.encoder.embeddings
        table: Tensor = embeddings.word_embeddings.weight.to(self.precision)
        return hidden.reshape(-1, hidden.shape[-1]) @ table.t() + self.bias.to(self.precision)

    def stances(self, target: Tensor, sentences: Tensor) -> Tensor:
        """Logits (B, M, 4) from the target's vector (B, hidden) and the sentences' (B, M, hidden)."""
        target = target[:, None].expand_as(sentences)
        pair = F.gelu(self._linear(torch.cat((sentences, target, sentences * target), dim=-1), self.pair))
        return self._linear(pair, self.stance).float()

    def _layer(self, hidden: Tensor, layer: Any, read: Tensor | None) -> Tensor:
        attention, width = layer.attention.self, hidden.shape[-1]
        if read is None:
            query, key, value = self._stacked(hidden, attention.query, attention.key, attention.value)
        else:
            key, value = self._stacked(hidden, attention.key, attention.value)
            hidden = hidden.gather(1, read[:, :, None].expand(-1, -1, width))
            query = self._linear(hidden, attention.query)
        heads = attention.num_attention_heads
        context = self._attend(query, key, value, heads)
        output = layer.attention.output
        hidden = self._norm(hidden + self._linear(context, output.dense), output.LayerNorm)
        inner = F.gelu(self._linear(hidden, layer.intermediate.dense))
        return self._norm(hidden + self._linear(inner, layer.output.dense), layer.output.LayerNorm)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        rows, width = query.shape[0], query.shape[-1]
        q, k, v = (part.view(rows, -1, heads, width // heads).transpose(1, 2) for part in (query, key, value))
        if q.is_cuda:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            # On a CPU the fused kernel's backward pass takes longer than all the layer's matrix products.
            scores = (q * (width // heads) ** -0.5) @ k.transpose(-1, -2)
            mixed = torch.softmax(scores.float(), dim=-1).to(self.precision) @ v
        return mixed.transpose(1, 2).reshape(rows, -1, width)

    def _stacked(self, hidden: Tensor, *parts: nn.Linear) -> tuple[Tensor, ...]:
        weight = torch.cat([part.weight for part in parts]).to(self.precision)
        bias = torch.cat([part.bias for part in parts]).to(self.precision)
        return (hidden @ weight.t() + bias).chunk(len(parts), dim=-1)

    def _linear(self, hidden: Tensor, part: nn.Linear) -> Tensor:
        # Product and bias apart: the compiler joins the bias to what follows.
        return hidden @ part.weight.to(self.precision).t() + part.bias.to(self.precision)

    def _norm(self, hidden: Tensor, part: nn.LayerNorm) -> Tensor:
        return F.layer_norm(hidden.float(), part.normalized_shape, part.weight, part.bias, part.eps).to(self.precision)
