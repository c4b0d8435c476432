"""The network whose encoder reads an article once for all its targets, and each target alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from models import bert
from models.alignment import Alignment
from models.engines import Heads
from models.errors import ConfigError
from models.network import Network
from models.windows import WindowSpec

PARTS = 4


class ApartNetwork(Network):
    """Types and voice as in `Network`; stance from the closing [SEP]s and an `Alignment` of the words.

    The encoder meets a target nowhere, so an article beside k targets costs one pass and k short ones.
    """

    def __init__(self, encoder: PreTrainedModel, heads: Heads, spec: WindowSpec, dropout: float = 0.1) -> None:
        super().__init__(encoder, heads, spec, dropout)
        config = encoder.config
        if not bert.is_bert(encoder) or config.hidden_act != "gelu" or config.num_attention_heads % 2:
            raise ConfigError(
                "windows.apart: true: only encoders of BERT's shape, with GELU and an even number of attention heads, "
                f"read target and article apart; this one is {config.model_type}; use false"
            )
        hidden = int(config.hidden_size)
        self.alignment = Alignment(hidden, config.num_attention_heads // 2, dropout)
        self.pair = torch.nn.Linear(3 * hidden + 2 * self.alignment.width, hidden)

    def forward(  # type: ignore[override]
        self,
        ids: Tensor,
        mask: Tensor | Sequence[int] | None,
        types: Tensor | None,
        positions: Tensor | None,
        sentences: Tensor,
        targets: Tensor,
        pairs: Tensor,
    ) -> Tensor:
        """Logits (N, heads.width) of the N scored sentences.

        Blocks as rows of tokens, `mask` as `Network.forward` takes it or the blocks' lengths in one row; the rest are
        the fields of `places.Places`. Beside a target only stance is answered, beside none all but stance; the others
        are 0.
        """
        states = self.encode(ids, mask, types, positions).flatten(0, 1)
        return self.answer(states, ids.flatten(), sentences, targets, pairs)

    def answer(self, states: Tensor, tokens: Tensor, sentences: Tensor, targets: Tensor, pairs: Tensor) -> Tensor:
        """The logits of `forward` from the blocks' states (tokens, …) and token ids (tokens,)."""
        alone = pairs[:, 1] < 0
        logits = states.new_zeros((len(pairs), self.layout.width))
        logits[alone, : self.layout.stance.start] = self.tag(states, sentences)[pairs[alone, 0]].to(logits.dtype)
        stance = self.compare(states, tokens, sentences, targets, pairs[~alone])
        logits[~alone, self.layout.stance.start :] = stance.to(logits.dtype)
        return logits

    def encode(
        self,
        ids: Tensor,
        mask: Tensor | Sequence[int] | None,
        types: Tensor | None,
        positions: Tensor | None = None,
    ) -> Tensor:
        """All that is read of blocks later: (B, L, hidden + 3 x width), last states and the alignment's words."""
        embedded = bert.embed(self.encoder, ids, types, positions)
        states = bert.every(self.encoder, embedded, mask)
        return torch.cat((states, self.alignment.project(states, embedded)), dim=-1)

    def tag(self, states: Tensor, sentences: Tensor) -> Tensor:
        """Logits of types, primary and voice of `sentences` (S, M), from the blocks' states (tokens, …)."""
        hidden = states[:, : self.tags.in_features]
        if self.spec.pooling == "sep":
            return self.said(hidden[sentences.amax(dim=1)])
        present = (sentences >= 0).unsqueeze(-1)
        own = (hidden[sentences.clamp(min=0)] * present).sum(dim=1) / present.sum(dim=1)
        return self.said(own)

    def compare(self, states: Tensor, tokens: Tensor, sentences: Tensor, targets: Tensor, pairs: Tensor) -> Tensor:
        """Logits of stance (I, 4) of `pairs` (I, 2), from the blocks' states (tokens, …) and token ids (tokens,)."""
        size = self.tags.in_features
        hidden, words = states[:, :size], states[:, size:]
        # Short sentences together, so that few are padded much.
        lengths = (sentences >= 0).sum(dim=1)[pairs[:, 0]]
        order = lengths.argsort()
        found = []
        for part in order.tensor_split(PARTS if len(order) > PARTS else 1):
            sentence, target = sentences[pairs[part, 0]], targets[pairs[part, 1]]
            sentence = sentence[:, : int(lengths[part].amax()) if len(part) else 1]
            aligned = self.alignment(words, tokens, target, sentence)
            found.append(self.stood(hidden[sentence.amax(dim=1)], hidden[target.amax(dim=1)], aligned))
        return torch.cat(found)[order.argsort()]


def build_network(encoder: PreTrainedModel, heads: Heads, spec: WindowSpec, dropout: float = 0.1) -> Network:
    """The network that a spec asks for, around an encoder; its heads have random weights.

    Raises:
        ConfigError: the encoder cannot read target and article apart, and the spec says so.

    """
    return (ApartNetwork if spec.apart else Network)(encoder, heads, spec, dropout)
