"""Replaced-token detection (ELECTRA, Clark et al. 2020): every token of a row teaches, not only the masked ones."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.pretrain_data import FIRST_WORD
from training.pretrain_model import Batch, PretrainModel


class Electra(nn.Module):
    """A small generator fills the masked places; the encoder says of each token whether it was there before.

    Both are trained together, the generator by the masked words, the encoder by `weight` times the loss of its
    answers and by stance. What is saved is the encoder.
    """

    def __init__(self, generator: PretrainModel, encoder: PretrainModel, weight: float) -> None:
        super().__init__()
        self.generator, self.reader, self.weight = generator, encoder, weight
        self.replaced = nn.Linear(int(encoder.encoder.config.hidden_size), 1)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Loss of words (the generator's and the weighted one of what was replaced) and of stances."""
        logits = self.generator.words(self.generator.encode(batch, batch.masked)).float()
        guess_loss = F.cross_entropy(logits, batch.answers.reshape(-1))
        guesses = sample(logits.detach(), batch.luck.reshape(-1)).view_as(batch.masked)
        ids = batch.ids.scatter(1, batch.masked, guesses)
        wrong = torch.zeros_like(ids).scatter(1, batch.masked, (guesses != batch.answers).long())
        everywhere = torch.arange(ids.shape[1], device=ids.device)[None].expand_as(ids)
        hidden = self.reader.encode(replace(batch, ids=ids), everywhere)
        doubt = F.linear(hidden.float(), self.replaced.weight, self.replaced.bias).squeeze(-1)
        words = (ids >= FIRST_WORD).float()
        found = F.binary_cross_entropy_with_logits(doubt, wrong.float(), reduction="none")
        replaced_loss = (found * words).sum() / words.sum()

        def at(places: Tensor) -> Tensor:
            return hidden.gather(1, places[:, :, None].expand(-1, -1, hidden.shape[-1]))

        stance_loss = self.reader.stance_loss(at(batch.heads[:, None])[:, 0], at(batch.ends), batch.allowed)
        return guess_loss + self.weight * replaced_loss, stance_loss


def sample(logits: Tensor, luck: Tensor) -> Tensor:
    """Ids (N,) drawn from the softmax of logits (N, V): where its running sum passes `luck` (N,), from 0 to 1."""
    mass = torch.softmax(logits, dim=-1).cumsum(dim=-1)
    # The sum may end a little below 1.
    place = torch.searchsorted(mass, (luck * mass[:, -1])[:, None], right=True).squeeze(-1)
    return place.clamp(max=logits.shape[-1] - 1)
