"""What the benchmarks measure with: articles of news length, useful work, medians of ratios."""

from __future__ import annotations

import statistics
from dataclasses import replace

import numpy as np
import pytest

from models.windows import WindowSpec, beside, windows
from tests.bench.measure import interleave, quantiles, ratio, useful_flops
from tests.bench.mix import articles, mixed
from tests.bench.queueing import first_come


def test_articles_are_as_long_as_the_news():
    found = list(articles(400))
    lengths = statistics.quantiles([len(d.sentences or ()) for d in found], n=10)
    assert 11 <= lengths[4] <= 13
    assert 22 <= lengths[8] <= 28
    words = statistics.quantiles([len(s.split()) for d in found for s in d.sentences or ()], n=10)
    assert 24 <= words[4] <= 26
    assert 54 <= words[8] <= 60
    assert found == list(articles(400))


def test_the_mix_is_half_headlines():
    found = list(mixed(20, 3))
    assert [len(d.sentences or ()) == 1 for d in found[1::2]] == [True] * 10
    assert all(len(d.targets) == 1 for d in found)


def test_useful_work_of_a_window_counted_by_hand():
    spec = WindowSpec(cls=1, sep=2, pad=0)
    (window,) = windows([np.asarray([5, 6, 7]), np.asarray([8])], None, spec)
    config = {"hidden_size": 4, "intermediate_size": 8, "num_hidden_layers": 2}
    found = useful_flops(config, spec, [window])
    # Eight tokens; a layer's four maps of 4 x 4 and two of 4 x 8, and two products of 8 x 8 with 4.
    layer = 8 * 2 * (4 * 16 + 2 * 32) + 2 * 2 * 8 * 8 * 4
    assert window.tokens == 8
    assert found["network"] == 2 * layer
    # In the last layer keys and values of all, the rest at [SEP] of the target and of two sentences.
    last = 8 * 2 * 2 * 16 + 3 * 2 * (2 * 16 + 2 * 32) + 2 * 2 * 3 * 8 * 4
    assert found["done"] == layer + last
    # Where a mean is read, all six tokens of the sentences count as read.
    pooled = useful_flops(config, replace(spec, pooling="mean"), [window])
    assert pooled["done"] == layer + 8 * 2 * 2 * 16 + 7 * 2 * (2 * 16 + 2 * 32) + 2 * 2 * 7 * 8 * 4
    # Read apart, the article is read once, and a target of one word as three tokens.
    apart = replace(spec, apart=True)
    (beside_target,) = beside([window], [], np.asarray([9]), apart)
    target = 3 * 2 * (4 * 16 + 2 * 32) + 2 * 2 * 3 * 3 * 4
    assert useful_flops(config, apart, [window, beside_target])["done"] == 2 * (layer + target)


def test_rounds_take_turns_and_the_first_is_not_counted():
    order: list[str] = []
    seconds = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4
    assert [len(s) for s in seconds.values()] == [3, 3]


def test_a_ratio_is_the_median_of_ratios():
    assert ratio([2.0, 9.0, 6.0], [1.0, 1.0, 2.0]) == 3.0
    assert quantiles([0.001 * n for n in range(1, 101)]) == {"p50": 51.0, "p99": 100.0}


def test_one_server_without_loss_waits_as_theory_says():
    # M/D/1: the mean wait is rho / (2 (1 - rho)) services.
    found = first_come([0.01], 70.0)
    waits = [spent / 0.01 - 1 for _, spent in found]
    assert sum(waits) / len(waits) == pytest.approx(0.7 / 0.6, rel=0.05)
    assert min(waits) == pytest.approx(0, abs=1e-6)
