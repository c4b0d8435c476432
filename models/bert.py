"""BERT's shape of encoder: its last layer is computed only at the positions that are read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers.masking_utils import create_bidirectional_mask

SHAPES = ("bert", "roberta", "xlm-roberta", "camembert")


def is_bert(encoder: PreTrainedModel) -> bool:
    """Whether an encoder has BERT's embeddings and layers, whatever its size."""
    return encoder.config.model_type in SHAPES and not getattr(encoder.config, "is_decoder", False)


def attendable(encoder: PreTrainedModel, mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """A mask as the encoder's attention takes it: transformers passes one of (B, 1, L, L) on as it is.

    Plain ("eager") attention adds it to the scores, so that true and false would both let a token be seen.
    """
    if mask is None or mask.ndim == 2 or mask.dtype != torch.bool or encoder.config._attn_implementation != "eager":
        return mask
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)


def states(
    encoder: PreTrainedModel,
    ids: Tensor,
    mask: Tensor | None,
    types: Tensor | None,
    positions: Tensor | None,
    reads: Tensor,
) -> Tensor:
    """Last hidden states (B, Q, hidden) at the positions `reads` (B, Q) of each row, as the whole encoder has them.

    A sentence's vector is that of one token, so in the last layer the other tokens serve as keys and values only:
    an eighth of the work of a window of six layers is never read.
    """
    parts: Any = encoder
    hidden: Tensor = parts.embeddings(input_ids=ids, token_type_ids=types, position_ids=positions)
    wide = create_bidirectional_mask(
        config=encoder.config, inputs_embeds=hidden, attention_mask=attendable(encoder, mask, hidden.dtype)
    )
    *lower, last = parts.encoder.layer
    for layer in lower:
        hidden = layer(hidden, wide)
    return _read(last, hidden, mask, reads)


def _read(layer: Any, hidden: Tensor, mask: Tensor | None, reads: Tensor) -> Tensor:
    own = layer.attention.self
    read = hidden.gather(1, reads.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
    query, key, value = (
        part.unflatten(-1, (own.num_attention_heads, -1)).transpose(1, 2)
        for part in (own.query(read), own.key(hidden), own.value(hidden))
    )
    if mask is not None:
        # From (B, L), or from rows of (B, 1, L, L), true where a token may attend.
        mask = mask[:, None, None, :] if mask.ndim == 2 else _rows(mask, reads)
        mask = mask.to(torch.bool)
    dropout = own.dropout.p if layer.training else 0.0
    context = F.scaled_dot_product_attention(query, key, value, mask, dropout)
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), read)
    result: Tensor = layer.output(layer.intermediate(attended), attended)
    return result


def _rows(mask: Tensor, reads: Tensor) -> Tensor:
    return mask.gather(2, reads[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[-1]))
