"""BERT's shape of encoder, layer by layer; the last one is computed only at the positions that are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
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


def embed(encoder: PreTrainedModel, ids: Tensor, types: Tensor | None, positions: Tensor | None) -> Tensor:
    """States (B, L, hidden) before the first layer."""
    parts: Any = encoder
    hidden: Tensor = parts.embeddings(input_ids=ids, token_type_ids=types, position_ids=positions)
    return hidden


def every(encoder: PreTrainedModel, hidden: Tensor, mask: Tensor | Sequence[int] | None) -> Tensor:
    """Last states (B, L, hidden) of all tokens, given those before the first layer.

    `mask` is as `Network.forward` takes it, or the lengths of the stretches of one row (B = 1) that see themselves.
    """
    parts: Any = encoder
    return _through(encoder, parts.encoder.layer, hidden, mask)


def few(
    encoder: PreTrainedModel,
    hidden: Tensor,
    mask: Tensor | Sequence[int] | None,
    reads: Tensor,
    counts: Sequence[int] = (),
) -> Tensor:
    """Last states (B, Q, hidden) at the positions `reads` (B, Q) of each row; `hidden` and `mask` as for `every`.

    A sentence's vector is that of a few tokens, so in the last layer the other tokens serve as keys and values only:
    an eighth of the work of a window of six layers is never read. `counts` says how many of `reads` belong to each
    stretch, where `mask` is their lengths.
    """
    parts: Any = encoder
    *lower, last = parts.encoder.layer
    hidden = _through(encoder, lower, hidden, mask)
    read = hidden.gather(1, reads.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
    if mask is None or isinstance(mask, Tensor):
        return _layer(last, read, hidden, partial(_masked, mask=mask, reads=reads))
    return _layer(last, read, hidden, partial(_stretches, queries=counts, keys=mask))


def _through(encoder: PreTrainedModel, layers: Any, hidden: Tensor, mask: Tensor | Sequence[int] | None) -> Tensor:
    if mask is None or isinstance(mask, Tensor):
        attended = attendable(encoder, mask, hidden.dtype)
        # In the form that the encoder's own attention takes.
        wide = create_bidirectional_mask(config=encoder.config, inputs_embeds=hidden, attention_mask=attended)
        for layer in layers:
            hidden = layer(hidden, wide)
    else:
        for layer in layers:
            hidden = _layer(layer, hidden, hidden, partial(_stretches, queries=mask, keys=mask))
    return hidden


def _layer(layer: Any, read: Tensor, hidden: Tensor, attend: Callable[..., Tensor]) -> Tensor:
    """States (B, Q, hidden) of the tokens `read`, which attend to `hidden` (B, L, hidden)."""
    own = layer.attention.self
    if read is hidden:
        query, key, value = _stacked(hidden, own.query, own.key, own.value)
    else:
        query, (key, value) = own.query(read), _stacked(hidden, own.key, own.value)
    query, key, value = (_by_head(part, own.num_attention_heads) for part in (query, key, value))
    context = attend(query, key, value, dropout=own.dropout.p if layer.training else 0.0)
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), read)
    result: Tensor = layer.output(layer.intermediate(attended), attended)
    return result


def _by_head(part: Tensor, heads: int) -> Tensor:
    return part.view(*part.shape[:-1], heads, -1).transpose(1, 2)


def _stacked(hidden: Tensor, *parts: Any) -> tuple[Tensor, ...]:
    """Several linear maps of one input as one product."""
    weight, bias = torch.cat([part.weight for part in parts]), torch.cat([part.bias for part in parts])
    return F.linear(hidden, weight, bias).chunk(len(parts), dim=-1)


def _masked(query: Tensor, key: Tensor, value: Tensor, *, mask: Tensor | None, reads: Tensor, dropout: float) -> Tensor:
    if mask is not None:
        # From (B, L), or from rows of (B, 1, L, L), true where a token may attend.
        mask = mask[:, None, None, :] if mask.ndim == 2 else _rows(mask, reads)
        mask = mask.to(torch.bool)
    return F.scaled_dot_product_attention(query, key, value, mask, dropout)


def _rows(mask: Tensor, reads: Tensor) -> Tensor:
    return mask.gather(2, reads[:, None, :, None].expand(-1, mask.shape[1], -1, mask.shape[-1]))


def _stretches(
    query: Tensor, key: Tensor, value: Tensor, *, queries: Sequence[int], keys: Sequence[int], dropout: float
) -> Tensor:
    """Attention of each stretch of one row to itself: no work between stretches, no padding, no mask.

    Neighbours of equal length go through one product: many targets are short and of few lengths. On a CPU the plain
    products have the quickest backward pass.
    """
    query = query * query.shape[-1] ** -0.5
    runs = [(len(list(run)), *sizes) for sizes, run in groupby(zip(queries, keys, strict=True))]
    parts = (
        torch.split(x, [count * (reads, read)[which] for count, reads, read in runs], 2)
        for x, which in ((query, 0), (key, 1), (value, 1))
    )
    contexts = []
    for (count, reads, read), q, k, v in zip(runs, *parts, strict=True):
        q, k, v = q.unflatten(2, (count, reads)), k.unflatten(2, (count, read)), v.unflatten(2, (count, read))
        shares = torch.softmax(q @ k.transpose(-1, -2), dim=-1)
        contexts.append((F.dropout(shares, dropout, dropout > 0).to(v.dtype) @ v).flatten(2, 3))
    return torch.cat(contexts, 2)
