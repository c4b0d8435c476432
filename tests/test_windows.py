"""Windows: every sentence is read once, whole, where it is farthest from an edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.batch import collate, lay
from models.engines import batches
from models.places import places
from models.windows import WindowSpec, beside, blocks, lay_out, token_types, truncated, windows

SPEC = WindowSpec(cls=1, sep=2, pad=0, max_tokens=32, max_target_tokens=8)

APART = WindowSpec(cls=1, sep=2, pad=0, max_tokens=32, max_target_tokens=8, apart=True)

sentences = st.lists(
    st.lists(st.integers(3, 99), max_size=45).map(lambda ids: np.asarray(ids, dtype=np.int32)), min_size=1, max_size=30
)
targets = st.none() | st.lists(st.integers(3, 99), max_size=8).map(lambda ids: np.asarray(ids, dtype=np.int32))


@given(sentences, targets, st.booleans())
def test_every_sentence_is_read_once_from_its_own_tokens(found, target, context):
    read = {}
    for window in windows(found, target, SPEC, context=context):
        assert window.tokens <= SPEC.max_tokens
        assert window.ids[0] == SPEC.cls
        assert window.ids[window.head - 1] == SPEC.sep
        assert list(window.ids[1 : window.head - 1]) == list(target if target is not None else [])
        for k, i in zip(window.scored, window.sentences, strict=True):
            start, end = window.starts[k], window.ends[k]
            assert window.ids[end - 1] == SPEC.sep
            assert i not in read
            read[int(i)] = list(window.ids[start : end - 1])
    cut = truncated(found, 0 if target is None else len(target), SPEC)
    assert sorted(read) == list(range(len(found)))
    for i, ids in enumerate(found):
        assert read[i] == list(ids[: len(read[i])])
        assert (len(read[i]) < len(ids)) == cut[i]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=60), st.integers(0, 4))
def test_a_sentence_is_scored_where_it_is_farthest_from_an_edge(lengths, overlap):
    spans = lay_out(lengths, 40, overlap)
    for i in range(len(lengths)):
        margins = {s: min(i - s[0], s[1] - 1 - i) for s in spans if s[0] <= i < s[1]}
        (chosen,) = [s for s in spans if i in s[2]]
        inner = {s: m for s, m in margins.items()}
        # The article's own ends are no edges: nothing is missing beyond them.
        inner = {
            s: min(i - s[0] if s[0] else len(lengths), s[1] - 1 - i if s[1] < len(lengths) else len(lengths))
            for s in margins
        }
        assert inner[chosen] == max(inner.values())


def test_neighbouring_windows_share_the_overlap():
    assert lay_out([10] * 6, 40, 2) == [(0, 4, range(0, 3)), (2, 6, range(3, 6))]


def test_token_types_mark_sides_and_matches():
    (window,) = windows([np.asarray([5, 6]), np.asarray([7])], np.asarray([6, 9]), SPEC)
    assert list(window.ids) == [1, 6, 9, 2, 5, 6, 2, 7, 2]
    assert list(token_types(window, SPEC)) == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    marked = WindowSpec(cls=1, sep=2, pad=0, token_types=4)
    assert list(token_types(window, marked)) == [0, 2, 0, 0, 1, 3, 1, 1, 1]


def test_a_target_read_apart_is_a_block_before_the_window_beside_none():
    own = windows([np.asarray([5, 6]), np.asarray([7])], None, APART)
    (window,) = beside(own, [], np.asarray([6, 9]), APART)
    assert window.article is own[0]
    assert list(window.ids) == [1, 6, 9, 2, 1, 2, 5, 6, 2, 7, 2]
    assert (window.head, list(window.ends)) == (4, [9, 11])
    (_, target), (key, article) = blocks(window)
    assert list(target.ids) == [1, 6, 9, 2]
    assert key is article is own[0]
    # Toward a target of no words nothing is said that the article's own window does not say.
    assert beside(own, [], np.asarray([], dtype=np.int32), APART) == own


@given(sentences, targets, st.booleans())
def test_the_same_article_is_read_whatever_the_target(found, target, context):
    own = windows(found, None, APART, context=context)
    whole = windows(found, target, APART, context=context)
    for article, window in zip(own, whole, strict=True):
        assert list(window.ids[window.tokens - article.tokens :]) == list(article.ids)
        assert list(window.sentences) == list(article.sentences)
    assert truncated(found, 0 if target is None else len(target), APART) == truncated(found, 0, APART)


@given(st.lists(st.tuples(sentences, targets, targets), min_size=1, max_size=3))
def test_places_are_those_of_each_sentence_and_its_target(articles):
    found = []
    for article, *wanted in articles:
        own = windows(article, None, APART)
        found += own + [w for t in wanted if t is not None for w in beside(own, article, t, APART)]
    known = {key: block for window in found for key, block in blocks(window)}
    firsts = dict(zip(known, np.cumsum([0, *(b.tokens for b in known.values())]).tolist(), strict=False))
    ids = np.concatenate([block.ids for block in known.values()])
    where = places(found, firsts)
    pairs = iter(where.pairs)
    for window in found:
        for k in window.scored:
            sentence, target = next(pairs)
            row = where.sentences[sentence]
            assert list(ids[row[row >= 0]]) == list(window.ids[window.starts[k] : window.ends[k]])
            assert (target < 0) == (window.article is None)
            if target >= 0:
                row = where.targets[target]
                assert list(ids[row[row >= 0]]) == list(window.ids[: window.head])
    assert next(pairs, None) is None
    # However often it is asked about, a sentence of an article has one row.
    assert len(where.sentences) == sum(len(w.scored) for w in {id(w): w for w in known.values()}.values())


def test_collate_points_at_each_sentence():
    found = windows([np.asarray([5, 6]), np.asarray([7])], None, SPEC) + windows([np.asarray([8])], None, SPEC)
    batch = collate(found, SPEC)
    read = batch.reads.reshape(-1)
    # Read from a row of the batch, so that its place alone is not enough.
    rows = np.repeat([0, 1], batch.reads.shape[1])
    assert list(read[batch.ends]) == [4, 6, 3]
    assert list(rows[batch.ends]) == [0, 0, 1]
    assert list(read[batch.heads]) == [1, 1, 1]
    assert list(batch.ids[[0, 0, 1], read[batch.ends]]) == [2, 2, 2]
    assert list(batch.mask.sum(axis=1)) == [w.tokens for w in found]
    assert batch.pool is None


@given(st.lists(st.tuples(sentences, targets), min_size=1, max_size=3), st.booleans())
def test_a_pool_averages_the_tokens_of_each_sentence(articles, together):
    spec = WindowSpec(cls=1, sep=2, pad=0, max_tokens=32, pooling="mean")
    found = [w for article, target in articles for w in windows(article, target, spec)]
    batch = lay([found], spec) if together else collate(found, spec)
    assert batch.pool is not None
    # A state that no two cells share.
    cells = np.arange(batch.ids.size, dtype=np.float64).reshape(batch.ids.shape)
    read = np.take_along_axis(cells, batch.reads, axis=1).reshape(-1)
    sizes = np.cumsum([0, *(w.tokens for w in found)])
    firsts = sizes[:-1] if together else np.arange(len(found)) * batch.ids.shape[1]
    n = 0
    for window, first in zip(found, firsts, strict=True):
        for k in window.scored:
            start, end = first + window.starts[k], first + window.ends[k]
            assert read[batch.ends[n]] == end - 1
            assert read[batch.heads[n]] == first + window.head - 1
            # Beside a target, the closing [SEP] alone.
            expected = end - 1 if window.beside else np.mean(np.arange(start, end))
            assert batch.pool[n] @ read == pytest.approx(expected, rel=1e-5)
            n += 1
    assert n == len(batch.ends)


@given(st.lists(st.integers(1, 512), max_size=60), st.integers(1, 4096))
def test_batches_keep_to_the_budget_and_the_slack(lengths, budget):
    found = [windows([np.full(n, 5, np.int32)], None, WindowSpec(1, 2, 0, max_tokens=600))[0] for n in lengths]
    groups = batches(found, budget, 0.05)
    assert sorted(i for group in groups for i in group) == list(range(len(found)))
    for group in groups:
        sizes = [found[i].tokens for i in group]
        padded = max(sizes) * len(sizes)
        assert len(sizes) == 1 or padded <= budget
        assert padded <= 1.05 * sum(sizes) + 1e-9
