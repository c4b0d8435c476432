"""The network: a Hugging Face encoder, a head for types, primary, voice and stance, and the partial-label loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from models import bert
from models.batch import Stretches
from models.engines import Heads
from models.errors import ConfigError
from models.windows import WindowSpec


class Network(nn.Module):
    """Reads each sentence from its own tokens in the window.

    Types and voice are read from the vector of a sentence's closing [SEP], or from the mean of its tokens
    (`spec.pooling`). The stance head sees the closing [SEP]s of sentence and target and their product.
    """

    def __init__(self, encoder: PreTrainedModel, heads: Heads, spec: WindowSpec, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.layout, self.spec = encoder, heads, spec
        hidden = int(encoder.config.hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.tags = nn.Linear(hidden, hidden)
        self.pair = nn.Linear(3 * hidden, hidden)
        self.types = nn.Linear(hidden, heads.type_count)
        self.primary = nn.Linear(hidden, heads.type_count)
        self.voice = nn.Linear(hidden, heads.voice.stop - heads.voice.start)
        self.stance = nn.Linear(hidden, heads.stance.stop - heads.stance.start)

    def forward(
        self,
        ids: Tensor,
        mask: Tensor | None,
        types: Tensor | None,
        reads: Tensor,
        ends: Tensor,
        heads: Tensor,
        pool: Tensor | None = None,
        positions: Tensor | None = None,
        stretches: Stretches | None = None,
    ) -> Tensor:
        """Logits (N, heads.width) of the N scored sentences; the arguments are the fields of `batch.Batch`.

        `mask` is None where nothing is padded. It may also be (B, 1, L, L), true where a token may attend, for
        rows that hold several windows. One row of any number of windows may say where they lie by `stretches`
        instead, if the encoder has BERT's shape.
        """
        if bert.is_bert(self.encoder):
            hidden = bert.embed(self.encoder, ids, types, positions)
            apart, counts = (mask, ()) if stretches is None else (stretches.windows, stretches.reads)
            read = bert.few(self.encoder, hidden, apart, reads, counts).flatten(0, 1)
        else:
            hidden = self.states(ids, mask, types, positions)
            read = hidden.gather(1, reads.unsqueeze(-1).expand(-1, -1, hidden.shape[-1])).flatten(0, 1)
        sentence = read[ends]
        own = sentence if pool is None else pool.to(read.dtype) @ read
        return torch.cat((self.said(own), self.stood(sentence, read[heads])), dim=-1)

    def states(self, ids: Tensor, mask: Tensor | None, types: Tensor | None, positions: Tensor | None) -> Tensor:
        """Last hidden states (B, L, hidden) of every token, from any encoder."""
        mask = bert.attendable(self.encoder, mask, self.tags.weight.dtype)
        inputs: dict[str, Tensor | None] = {"input_ids": ids, "attention_mask": mask}
        if types is not None:
            inputs["token_type_ids"] = types
        if positions is not None:
            inputs["position_ids"] = positions
        hidden: Tensor = self.encoder(**inputs).last_hidden_state
        return hidden

    def said(self, own: Tensor) -> Tensor:
        """Logits of types, primary and voice (N, all but stance's) from the sentences' pooled vectors (N, hidden)."""
        alone = self.dropout(F.gelu(self.tags(self.dropout(own))))
        return torch.cat((self.types(alone), self.primary(alone), self.voice(alone)), dim=-1)

    def stood(self, sentence: Tensor, target: Tensor, *compared: Tensor) -> Tensor:
        """Logits of stance (N, 4) from closing [SEP]s (N, hidden), and what else is known of each pair (N, any)."""
        sentence, target = self.dropout(sentence), self.dropout(target)
        both = torch.cat((sentence, target, sentence * target, *compared), dim=-1)
        stance: Tensor = self.stance(self.dropout(F.gelu(self.pair(both))))
        return stance


@dataclass(frozen=True, slots=True)
class Answers:
    """What is known of N sentences, as sets of allowed answers.

    `types` (N, T) is 0 or 1, weighted by `types_weight` (N, T). For the softmax heads, `*_allowed` (N, K) is
    true for each allowed answer and `*_weight` (N,) is 0 where nothing is known.
    """

    types: Tensor
    types_weight: Tensor
    primary_allowed: Tensor
    primary_weight: Tensor
    voice_allowed: Tensor
    voice_weight: Tensor
    stance_allowed: Tensor
    stance_weight: Tensor


def head_losses(logits: Tensor, answers: Answers, heads: Heads) -> dict[str, tuple[Tensor, Tensor]]:
    """Sum of losses and of weights for each head; their quotient is the head's mean loss.

    The loss of a set of allowed answers is -log of the probability mass on it (partial-label learning, Jin and
    Ghahramani 2002); for one allowed answer it is the cross-entropy. Sums are kept apart from the weights so
    that several processes can normalise by the global count.
    """
    logits = logits.float()
    bce = F.binary_cross_entropy_with_logits(logits[:, heads.types], answers.types, reduction="none")
    losses = {"types": ((bce * answers.types_weight).sum(), answers.types_weight.sum())}
    for name, part, allowed, weight in (
        ("primary", heads.primary, answers.primary_allowed, answers.primary_weight),
        ("voice", heads.voice, answers.voice_allowed, answers.voice_weight),
        ("stance", heads.stance, answers.stance_allowed, answers.stance_weight),
    ):
        log_probs = F.log_softmax(logits[:, part], dim=-1)
        # Rows with nothing known allow everything, so their mass is 1 and no infinity meets their zero weight.
        allowed = allowed | ~allowed.any(dim=-1, keepdim=True)
        mass = log_probs.masked_fill(~allowed, -torch.inf).logsumexp(dim=-1)
        losses[name] = (-(mass * weight).sum(), weight.sum())
    return losses


def load_encoder(
    name: str, *, revision: str | None = None, token_types: int | None = None, dropout: float | None = None
) -> PreTrainedModel:
    """Any Hugging Face encoder by hub name or path, with `token_types` rows of token-type embeddings.

    Rows beyond the checkpoint's start as copies of its last two (target, article). `dropout` replaces the
    checkpoint's own on hidden states and goes with none on attention, whose fast kernels know no dropout.

    Raises:
        ConfigError: the name cannot be loaded, or the encoder has no token types to extend.

    """
    try:
        config = AutoConfig.from_pretrained(name, revision=revision)
        if dropout is not None:
            set_dropout(config, dropout)
        encoder: PreTrainedModel = AutoModel.from_pretrained(
            name, revision=revision, config=config, attn_implementation=_kernel()
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"encoder: {name}: not a checkpoint that transformers can load ({reason})") from error
    return with_token_types(drop_pooler(encoder), token_types or 0)


def build_encoder(config: dict[str, Any], dropout: float = 0.0) -> PreTrainedModel:
    """An encoder with random weights from the plain data of a config.json."""
    data = dict(config)
    shape = AutoConfig.for_model(data.pop("model_type"), **data)
    set_dropout(shape, dropout)
    encoder: PreTrainedModel = AutoModel.from_config(shape, attn_implementation=_kernel())  # type: ignore[no-untyped-call]
    return drop_pooler(encoder)


def _kernel() -> str:
    # Without dropout on attention, plain matrix products have the faster backward pass on a CPU.
    return "sdpa" if torch.cuda.is_available() else "eager"


def drop_pooler(encoder: PreTrainedModel) -> PreTrainedModel:
    """The encoder without BERT's pooler: sentences are read from their own tokens, so it would be dead weight."""
    if getattr(encoder, "pooler", None) is not None:
        setattr(encoder, "pooler", None)  # noqa: B010
    return encoder


def set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    """Dropout on the hidden states and none on attention, in the configs that call them so."""
    for name, value in (("hidden_dropout_prob", dropout), ("attention_probs_dropout_prob", 0.0)):
        if hasattr(config, name):
            setattr(config, name, value)


def with_token_types(encoder: PreTrainedModel, count: int) -> PreTrainedModel:
    """The encoder with `count` rows of token-type embeddings, its own if 0; the first ones are those it had."""
    if not count or count == int(getattr(encoder.config, "type_vocab_size", 0) or 0):
        return encoder
    old = getattr(getattr(encoder, "embeddings", None), "token_type_embeddings", None)
    if not isinstance(old, nn.Embedding) or old.num_embeddings < 2:
        raise ConfigError(f"token_types: {count}: this encoder has no token types to extend; use 2 or leave it out")
    new = nn.Embedding(count, old.embedding_dim)
    with torch.no_grad():
        for row in range(count):
            new.weight[row] = old.weight[row if row < old.num_embeddings else row % 2]
    encoder.get_submodule("embeddings").token_type_embeddings = new
    encoder.config.type_vocab_size = count
    return encoder
