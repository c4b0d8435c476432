"""The floors: they learn what can be learned without reading, and nothing from what they are measured on."""

from __future__ import annotations

import pytest

from models.labels import NONE, SCHEME, STANCES, VOICES, ClaimType, Stance, Voice
from tests.conftest import ROOT
from training import measures
from training.articles import LabelledArticle, LabelledSentence
from training.baselines import Linear, Majority
from training.data import load, source_of
from training.gold import single, type_set

WORDS = {ClaimType.QUANTITY: "ارتفعت الأسعار خمسين", ClaimType.DEMAND: "طالب النواب بإلغاء"}


def toy(number):
    """Articles whose words give the types away, and whose target is agreed with exactly when it is repeated."""
    articles = []
    for i in range(number):
        kind = (ClaimType.QUANTITY, ClaimType.DEMAND)[i % 2]
        types = {name: name == kind for name in SCHEME.type_ids}
        topic, other = f"القطن{i % 7} الفاخر", f"القمح{i % 5} القاسي"
        sentence = LabelledSentence(
            text=f"{WORDS[kind]} {topic}",
            types=types,
            voice=frozenset({Voice.ATTRIBUTED if i % 2 else Voice.AUTHOR}),
            stances=(frozenset({Stance.AGREE}), frozenset({Stance.UNRELATED})),
        )
        articles.append(LabelledArticle(id=str(i), sentences=(sentence,), targets=(topic, other)))
    return articles


@pytest.fixture(scope="module")
def seeds():
    return [load(source_of(ROOT / "seeds", split=split), ROOT).articles for split in ("train", "dev")]


@pytest.fixture(scope="module")
def linear(seeds):
    return Linear.fit(seeds[0])


def test_majority_gives_the_most_frequent_answers():
    articles = toy(9)
    (answered, *_) = Majority.fit(articles).answer(articles)
    assert answered.said[0].types == {ClaimType.QUANTITY}
    assert answered.said[0].voice == Voice.AUTHOR
    assert answered.said[0].stances == (Stance.AGREE,) * 2
    empty = Majority.fit([]).answer(articles)[0].said[0]
    assert empty.types == {NONE}


def test_linear_learns_words_and_repetition():
    model = Linear.fit(toy(60))
    scores = measures.macro_f1s(model.answer(toy(80)[60:]), SCHEME)
    assert scores["types"] == 1.0
    assert scores["voice"] == 1.0
    assert scores["stance"] == 1.0


def test_linear_that_reads_one_side_sees_nothing_of_the_other():
    articles = toy(40)
    swapped = [
        LabelledArticle(
            id=a.id,
            targets=a.targets[::-1],
            sentences=tuple(
                LabelledSentence(text=s.text, types=s.types, voice=s.voice, stances=s.stances[::-1])
                for s in a.sentences
            ),
        )
        for a in articles
    ]
    by_sentence = Linear.fit(articles, reads="sentence").answer(swapped)
    for answered in by_sentence:
        for said in answered.said:
            assert said.stances[0] == said.stances[1]
            # Only stance is learned: the other heads are even.
            assert set(said.voice_scores.values()) == {1 / len(VOICES)}
    by_target = Linear.fit(articles, reads="target").answer(articles)
    given = {
        (t, stance) for a in by_target for s in a.said for t, stance in zip(a.article.targets, s.stances, strict=True)
    }
    assert len(given) == len({target for target, _ in given})


def test_linear_beats_the_majority_on_unseen_seeds(seeds, linear):
    train, dev = seeds
    ours = measures.macro_f1s(linear.answer(dev), SCHEME)
    floor = measures.macro_f1s(Majority.fit(train).answer(dev), SCHEME)
    for head in ("types", "voice", "stance"):
        assert ours[head] > floor[head] + 0.1
    assert 0 < linear.threshold < 1


def test_scores_are_probabilities(seeds, linear):
    for answered in linear.answer(seeds[1][:2]):
        for said in answered.said:
            assert set(said.type_scores) == {*SCHEME.type_ids, NONE}
            assert sum(said.voice_scores.values()) == pytest.approx(1)
            for scores in said.stance_scores:
                assert set(scores) == set(STANCES)
                assert sum(scores.values()) == pytest.approx(1)


def test_partial_labels_have_no_single_answer():
    assert single(None) is None
    assert single(frozenset({Stance.AGREE})) == Stance.AGREE
    assert single(frozenset({Stance.DISCUSS, Stance.UNRELATED})) is None
    assert type_set(LabelledSentence(text="س", types={ClaimType.EVENT: True})) is None
    nothing = dict.fromkeys(SCHEME.type_ids, False)
    assert type_set(LabelledSentence(text="س", types=nothing)) == frozenset({NONE})
