"""Training rows, drawn, edited and masked on the device, with no loop over rows.

    [CLS] target [SEP] sentence [SEP] sentence [SEP] …

The windows of the product, of a fixed length. The target is empty, a sentence of the same article, or one of
another article; its stances are known because we made it ("synthetic stance"):

- taken from a sentence (a stretch of it, words left out, forms changed): that sentence agrees;
- taken from the headline: the first sentence of the article agrees, in other words;
- the same, and one to three words then say something else, on either side: that sentence disagrees;
- sentences that share much of its vocabulary discuss it, those that share nothing are unrelated to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.labels import STANCES, Stance
from training.pretrain_config import Stage
from training.pretrain_data import CLS, FIRST_WORD, MASK, PAD, SEP, UNK, Shard
from training.pretrain_model import Batch

TARGET_TOKENS = 40
MOST_SENTENCES = 12
_AGREE, _DISAGREE, _DISCUSS, _UNRELATED = (STANCES.index(stance) for stance in Stance)

_EMPTY = 0.15  # rows without a target
_ELSEWHERE = 0.2  # targets of other articles
_HEADLINE = 0.25  # targets that are the article's headline, where it has one
_HEADLINE_TOKENS = 24
_REACH = (-1, 4)  # the target's sentence, counted from the window's first
_EDITED = 0.5  # rows of which one side is corrupted
_EDITED_TARGET = 0.6  # of these: it is the target
_WHOLE = 0.25  # targets that are the whole sentence
_LEFT_OUT = 0.12
_REFORMED = 0.06
_MUCH, _MOST = 0.3, 0.6  # shares of the target's content words


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """What the edits need to know of each token id.

    `continues` (V,) the piece continues a word; `content` (V,) rare enough to carry meaning; `alternatives`
    (V, A) and `variants` (V,) as `pretrain_vectors` makes them.
    """

    continues: Tensor
    content: Tensor
    alternatives: Tensor
    variants: Tensor


@dataclass(frozen=True, slots=True)
class _Picks:
    """Sentences by number, for each row (B,).

    The window's first, the one the target is taken from and the one that decides it; whether the target is of
    another article, whether it is a headline.
    """

    start: Tensor
    target: Tensor
    decides: Tensor
    elsewhere: Tensor
    headline: Tensor


class Sampler:
    """Draws batches from shards held on one device; the same generator state gives the same batch."""

    def __init__(
        self,
        shards: list[Shard],
        shares: list[float],
        vocabulary: Vocabulary,
        positions: int,
        token_types: int,
        device: torch.device,
    ) -> None:
        joined = Shard.join(shards)
        self.vocabulary = vocabulary
        self.positions = positions
        self.token_types = token_types
        self.device = device
        self.tokens = torch.from_numpy(joined.tokens.astype(np.int32)).to(device)
        self.sentences = torch.from_numpy(joined.sentences).to(device)
        self.articles = torch.from_numpy(joined.articles).to(device)
        counts = torch.tensor([len(shard.sentences) - 1 for shard in shards], device=device)
        self.first = counts.cumsum(0) - counts
        self.count = counts
        self.shares = torch.tensor(shares, dtype=torch.float32, device=device)

    def draw(self, stage: Stage, rows: int, generator: torch.Generator) -> Batch:
        """A batch of `rows` rows for a stage."""
        source = torch.multinomial(self.shares, rows, replacement=True, generator=generator)
        start = self._sentences_of(source, generator)
        if stage.stance_weight:
            return self._stance_rows(stage, start, source, generator)
        ids, heads = self._plain_rows(stage.length, start, generator)
        ends = heads.new_zeros((rows, 0))
        allowed = torch.zeros((rows, 0, len(STANCES)), dtype=torch.bool, device=self.device)
        return self._masked(stage, ids, heads, ends, allowed, generator)

    def _plain_rows(self, length: int, start: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Running text; the first sentence stands as the target in half of the rows, the others have none."""
        empty = (self._rand(generator, len(start)) < 0.5).long()
        place = torch.arange(length, device=self.device)[None] - 1 - empty[:, None]
        ids = self._text(self.sentences[start][:, None] + place.clamp(min=0))
        ids = torch.where(place < 0, SEP, ids)
        ids[:, 0] = CLS
        return ids, (ids == SEP).int().argmax(dim=1)

    def _stance_rows(self, stage: Stage, start: Tensor, source: Tensor, generator: torch.Generator) -> Batch:
        rows = len(start)
        picks = self._pick(start, source, generator)
        target, target_length = self._targets(picks.target, generator)
        place = torch.arange(stage.length, device=self.device)[None] - (target_length + 2)[:, None]
        at = self.sentences[picks.start][:, None] + place.clamp(min=0)
        text = self._text(at)
        # Corrupted: words of the target now say something else, or those of the deciding sentence do.
        bounds = self.sentences[torch.stack((picks.decides, picks.decides + 1), dim=1)]
        inside = (at >= bounds[:, :1]) & (at < bounds[:, 1:]) & (place >= 0)
        edited = (self._rand(generator, rows) < _EDITED) & ~picks.elsewhere
        in_target = self._rand(generator, rows) < _EDITED_TARGET
        words = torch.arange(TARGET_TOKENS, device=self.device)[None] < target_length[:, None]
        # Told apart from the deciding sentence only: what the others say of the headline is not known.
        evidence = torch.where(inside, text, PAD)
        target, target_hit = self._corrupt(target, words & (edited & in_target)[:, None], evidence, generator)
        text, text_hit = self._corrupt(text, inside & (edited & ~in_target)[:, None], target, generator)

        ids = torch.where(place < 0, SEP, text)
        width = min(TARGET_TOKENS, stage.length - 2)
        columns = torch.arange(width, device=self.device)[None].expand(rows, -1)
        head = torch.where(columns < target_length[:, None], target[:, :width], ids[:, 1 : 1 + width])
        ids = torch.cat((torch.full_like(ids[:, :1], CLS), head, ids[:, 1 + width :]), dim=1)
        heads = target_length + 1
        ends, sentence = self._ends(ids, heads)
        labels = self._labels(ids, heads, sentence, picks, target_hit | text_hit)
        return self._masked(stage, ids, heads, ends, labels, generator)

    def _pick(self, start: Tensor, source: Tensor, generator: torch.Generator) -> _Picks:
        """Which sentences the targets are taken from, and which decide them."""
        article = torch.searchsorted(self.articles, start, right=True) - 1
        first, last = self.articles[article], self.articles[article + 1] - 1
        low, high = _REACH
        near = start + low + (self._rand(generator, len(start)) * (high - low)).long()
        near = torch.minimum(torch.maximum(near, first), last)
        far = self._sentences_of(source, generator)
        elsewhere = self._rand(generator, len(start)) < _ELSEWHERE
        elsewhere &= torch.searchsorted(self.articles, far, right=True) - 1 != article
        short = self.sentences[first + 1] - self.sentences[first] <= _HEADLINE_TOKENS
        headline = (self._rand(generator, len(start)) < _HEADLINE) & short & (last > first) & ~elsewhere
        target = torch.where(headline, first, torch.where(elsewhere, far, near))
        return _Picks(
            start=torch.where(headline, first + 1, start),
            target=target,
            decides=torch.where(headline, first + 1, target),
            elsewhere=elsewhere,
            headline=headline,
        )

    def _targets(self, chosen: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Stretches of sentences (B, TARGET_TOKENS), padded, with words left out and forms changed; their lengths."""
        rows = len(chosen)
        start, length = self.sentences[chosen], self.sentences[chosen + 1] - self.sentences[chosen] - 1
        part = 0.2 + 0.8 * self._rand(generator, rows)
        part = torch.where(self._rand(generator, rows) < _WHOLE, 1.0, part)
        taken = (length * part).long().clamp(min=5).minimum(length).clamp(max=TARGET_TOKENS)
        offset = (self._rand(generator, rows) * (length - taken + 1)).long()
        place = torch.arange(TARGET_TOKENS, device=self.device)[None].expand(rows, -1)
        ids = self._text((start + offset)[:, None] + place)
        inside = place < taken[:, None]
        luck = self._per_word(ids, generator)
        thinned = self._rand(generator, rows) < 0.5
        keep = inside & ~((luck < _LEFT_OUT) & thinned[:, None])
        # A stretch starts and ends with whole words.
        keep &= ~((~self.vocabulary.continues[ids]).cumsum(dim=1) == 0)
        reformed = (self._rand(generator, *ids.shape) < _REFORMED) & (self.vocabulary.variants[ids] >= 0)
        ids = torch.where(reformed & self._single(ids), self.vocabulary.variants[ids], ids)
        keep &= (self._rand(generator, rows) >= _EMPTY)[:, None]
        order = torch.argsort((~keep).int(), dim=1, stable=True)
        kept = keep.sum(dim=1)
        return ids.gather(1, order).masked_fill(place >= kept[:, None], PAD), kept

    def _corrupt(self, ids: Tensor, where: Tensor, other: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Replace one to three words that stand once in `where` and in `other`, by words that `other` does not have.

        Returns the ids and whether a row was changed.
        """
        candidates = where & (self.vocabulary.alternatives[ids, 0] >= 0) & self._single(ids)
        candidates &= (ids[:, :, None] == other[:, None, :]).any(dim=-1)
        candidates &= ((ids[:, :, None] == ids[:, None, :]) & where[:, None, :]).sum(dim=-1) == 1
        luck = self._rand(generator, *ids.shape).masked_fill(~candidates, -1)
        best = luck.topk(3, dim=1)
        wanted = 1 + (self._rand(generator, len(ids)) ** 2 * 3).long()
        nth = torch.arange(3, device=self.device)[None]
        column = (self._rand(generator, len(ids), 3) * self.vocabulary.alternatives.shape[1]).long()
        old = ids.gather(1, best.indices)
        new = self.vocabulary.alternatives[old, column]
        use = (nth < wanted[:, None]) & (best.values >= 0) & (new[:, :, None] != other[:, None, :]).all(dim=-1)
        return ids.scatter(1, best.indices, torch.where(use, new, old)), use.any(dim=1)

    def _ends(self, ids: Tensor, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Positions (B, M) of the sentences' [SEP], 0 where there are fewer; each token's sentence (B, L) or -1."""
        place = torch.arange(ids.shape[1], device=self.device)[None]
        closing = (ids == SEP) & (place > heads[:, None])
        sentence = closing.int().cumsum(dim=1) - closing.int()
        sentence = sentence.masked_fill(place <= heads[:, None], -1)
        slot = torch.where(closing & (sentence < MOST_SENTENCES), sentence, MOST_SENTENCES).long()
        ends = torch.zeros((len(ids), MOST_SENTENCES + 1), dtype=torch.long, device=self.device)
        ends.scatter_(1, slot, place.expand_as(slot))
        return ends[:, :MOST_SENTENCES], sentence

    def _labels(self, ids: Tensor, heads: Tensor, sentence: Tensor, picks: _Picks, edited: Tensor) -> Tensor:
        """Allowed stances (B, M, 4)."""
        target = ids[:, 1 : TARGET_TOKENS + 1]
        inside = torch.arange(target.shape[1], device=self.device)[None] + 1 < heads[:, None]
        content = (inside & self.vocabulary.content[target]).float()
        members = F.one_hot(sentence.clamp(-1, MOST_SENTENCES) + 1, MOST_SENTENCES + 2)[:, :, 1:-1].float()
        found = ((target[:, :, None] == ids[:, None, :]).float() @ members) > 0
        share = (found * content[:, :, None]).sum(dim=1) / content.sum(dim=1).clamp(min=1)[:, None]

        number = torch.arange(MOST_SENTENCES, device=self.device)[None]
        decides = number == (picks.decides - picks.start)[:, None]
        loose = picks.headline[:, None] & (share < _MUCH)
        complete = number < (sentence.max(dim=1).values)[:, None]
        known = complete & inside.any(dim=1)[:, None] & (decides | (share < _MOST))
        allowed = torch.zeros((*share.shape, len(STANCES)), dtype=torch.bool, device=self.device)
        allowed[..., _AGREE] = decides & ~edited[:, None]
        allowed[..., _DISAGREE] = decides & edited[:, None]
        allowed[..., _DISCUSS] = torch.where(decides, loose, share > 0)
        allowed[..., _UNRELATED] = ~decides & (share < _MUCH)
        return allowed | ~known[..., None]

    def _masked(
        self,
        stage: Stage,
        ids: Tensor,
        heads: Tensor,
        ends: Tensor,
        allowed: Tensor,
        generator: torch.Generator,
    ) -> Batch:
        """Hide whole words: 8 of 10 become [MASK], one a random token, one stays."""
        count = max(1, round(stage.masked * stage.length))
        luck = self._per_word(ids, generator).masked_fill(ids < FIRST_WORD, -1)
        masked = luck.topk(count, dim=1).indices
        answers = ids.gather(1, masked)
        fate = self._rand(generator, *masked.shape)
        size = len(self.vocabulary.continues)
        random = FIRST_WORD + (self._rand(generator, *masked.shape) * (size - FIRST_WORD)).long()
        shown = torch.where(fate < 0.8, MASK, torch.where(fate < 0.9, random, answers))
        # A row with too few words has specials among its answers; they stay as they are.
        ids = ids.scatter(1, masked, torch.where(answers < FIRST_WORD, answers, shown))
        return Batch(
            ids,
            self._types(ids, heads),
            self._positions(ids.shape, generator),
            masked,
            answers,
            heads,
            ends,
            allowed,
            self._rand(generator, *masked.shape),
        )

    def _positions(self, shape: torch.Size, generator: torch.Generator) -> Tensor:
        """From 0 in half of the batches, else from anywhere, so that short rows train every position."""
        luck, place = self._rand(generator, 2)
        first = torch.where(luck < 0.5, 0, (place * (self.positions - shape[1] + 1)).long())
        return (torch.arange(shape[1], device=self.device) + first).expand(shape)

    def _types(self, ids: Tensor, heads: Tensor) -> Tensor:
        """0 before the sentences and 1 in them; of four types, 2 and 3 are for tokens that stand on both sides."""
        place = torch.arange(ids.shape[1], device=self.device)[None]
        after = place > heads[:, None]
        if self.token_types == 2:
            return after.long()
        words = (ids >= FIRST_WORD) | (ids == UNK)
        same = (ids[:, :, None] == ids[:, None, :]) & (after[:, :, None] != after[:, None, :])
        return after.long() + 2 * (same.any(dim=-1) & words).long()

    def _sentences_of(self, source: Tensor, generator: torch.Generator) -> Tensor:
        """A random sentence of each of the sources (B,)."""
        return self.first[source] + (self._rand(generator, len(source)) * self.count[source]).long()

    def _per_word(self, ids: Tensor, generator: torch.Generator) -> Tensor:
        """A random number for each word, the same for all its pieces."""
        luck = self._rand(generator, *ids.shape)
        place = torch.arange(ids.shape[1], device=self.device)[None].expand_as(ids)
        return luck.gather(1, place.masked_fill(self.vocabulary.continues[ids], 0).cummax(dim=1).values)

    def _single(self, ids: Tensor) -> Tensor:
        """Words of one piece."""
        follows = F.pad(self.vocabulary.continues[ids[:, 1:]], (0, 1), value=False)
        return ~self.vocabulary.continues[ids] & ~follows

    def _text(self, at: Tensor) -> Tensor:
        return self.tokens[at.clamp(max=len(self.tokens) - 1)].long()

    def _rand(self, generator: torch.Generator, *shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=self.device)
