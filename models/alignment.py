"""How a target and a sentence that were read apart are compared: word by word."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MATCHED = 3.0
"""What equal tokens start with in their score: e to that power times the weight of a pair that says nothing."""


class Alignment(nn.Module):
    """Each word of the target finds its like in the sentence; what it found is compared, and the words are weighed up.

    Soft alignment and comparison as in decomposable attention (Parikh et al. 2016), in heads; then the target's words
    attend to each other, for a target holds if all of its parts do. Equal tokens have a score of their own and say so:
    exact matches are what a small encoder is slowest to find. `hidden` is the encoder's size, `width` that of the words
    here.
    """

    def __init__(self, hidden: int, heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.width, self.heads = hidden // 2, heads
        width = self.width
        self.words = nn.Linear(2 * hidden, 3 * width)
        self.matched = nn.Embedding(2, width)
        self.bias = nn.Parameter(torch.full((heads,), MATCHED))
        self.query = nn.Linear(width, width)
        self.compare = nn.Linear(4 * width, 2 * width)
        self.compared = nn.Linear(2 * width, width)
        self.compared_norm = nn.LayerNorm(width)
        self.among = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.mixed_norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width, 2 * width)
        self.outer = nn.Linear(2 * width, width)
        self.outer_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def project(self, states: Tensor, embedded: Tensor) -> Tensor:
        """(…, 3 x width): each token as a word of a target, and as key and value of a sentence.

        From its last state and its state before the first layer (…, hidden): what it means here, and which word it is.
        """
        words: Tensor = self.words(torch.cat((states, embedded), dim=-1))
        return words

    def forward(self, words: Tensor, tokens: Tensor, targets: Tensor, sentences: Tensor) -> Tensor:
        """What is found of I pairs (I, 2 x width): mean and maximum over the target's words.

        `words` (N, 3 x width) from `project` and `tokens` (N,) their ids; `targets` (I, T) and `sentences` (I, M) say
        which of the N are each pair's, -1 where it has fewer.
        """
        asked, present = targets >= 0, sentences >= 0
        target, sentence = targets.clamp(min=0), sentences.clamp(min=0)
        word, keys, values = words.chunk(3, dim=-1)
        equal = (tokens[target][:, :, None] == tokens[sentence][:, None, :]) & asked[:, :, None] & present[:, None, :]
        x = word[target] + self.matched(equal.any(dim=-1).long())
        scores = self._by_head(self.query(x)) @ self._by_head(keys[sentence]).transpose(-1, -2)
        scores = scores * (self.width // self.heads) ** -0.5 + equal[:, None] * self.bias[:, None, None]
        found = self._attend(scores, present, values[sentence])
        found = torch.cat((x, found, x * found, x - found), dim=-1)
        x = self.compared_norm(x + self.dropout(self.compared(F.gelu(self.compare(found)))))
        query, key, value = self.among(x).chunk(3, dim=-1)
        scores = self._by_head(query) @ self._by_head(key).transpose(-1, -2) * (self.width // self.heads) ** -0.5
        x = self.mixed_norm(x + self.dropout(self.mixed(self._attend(scores, asked, value))))
        x = self.outer_norm(x + self.dropout(self.outer(F.gelu(self.inner(x)))))
        part = asked.unsqueeze(-1)
        mean = (x * part).sum(dim=1) / part.sum(dim=1)
        return torch.cat((mean, x.masked_fill(~part, -1e4).amax(dim=1)), dim=-1)

    def _by_head(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], self.heads, self.width // self.heads).transpose(1, 2)

    def _attend(self, scores: Tensor, seen: Tensor, values: Tensor) -> Tensor:
        weights = scores.masked_fill(~seen[:, None, None, :], -1e4).softmax(dim=-1)
        return (weights.to(values.dtype) @ self._by_head(values)).transpose(1, 2).flatten(2)
