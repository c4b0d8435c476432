"""Evaluation end to end on a tiny bundle, and every probe on answers made by hand."""

from __future__ import annotations

import json
import math

import pytest
from sklearn.metrics import f1_score

from models.errors import DataError
from models.labels import NONE, SCHEME, STANCES, VOICES, ClaimType, Stance, Voice
from models.tags import Document, DocumentStance
from tests.conftest import ROOT
from training import measures, probes
from training.articles import LabelledArticle, LabelledSentence
from training.data import load, source_of
from training.evaluate import Options, evaluate
from training.predictions import Answered, Refused, Said, by_tagger, foreign_targets

AGREE, DISAGREE, DISCUSS, UNRELATED = STANCES


def said(stances=(), types=(ClaimType.EVENT,), voice=Voice.AUTHOR, sure=0.7):
    def scores(chosen, labels):
        return {label: sure if label == chosen else (1 - sure) / (len(labels) - 1) for label in labels}

    return Said(
        types=frozenset(types),
        primary=types[0],
        voice=voice,
        type_scores={name: sure if name in types else 1 - sure for name in (*SCHEME.type_ids, NONE)},
        voice_scores=scores(voice, VOICES),
        stances=tuple(stances),
        stance_scores=tuple(scores(stance, STANCES) for stance in stances),
    )


def answered(gold, given, *, name="a", foreign=(), document=(), document_stances=(), source=None):
    """An article from rows of gold and given stances, one row a sentence."""
    types = {one: one == ClaimType.EVENT for one in SCHEME.type_ids}
    sentences = tuple(
        LabelledSentence(
            text=f"جملة {i} من المقال {name}",
            types=types,
            primary=frozenset({ClaimType.EVENT}),
            voice=frozenset({Voice.AUTHOR}),
            stances=tuple(frozenset(one if isinstance(one, tuple) else (one,)) for one in row),
        )
        for i, row in enumerate(gold)
    )
    article = LabelledArticle(
        id=name,
        sentences=sentences,
        targets=tuple(f"هدف {name} {t}" for t in range(len(gold[0]))),
        source=source,
        document_stances=document_stances,
    )
    return Answered(article, tuple(said(row) for row in given), foreign, document)


# Probes


def test_polarity_counts_only_targets_with_both_sides():
    gold = [[AGREE, AGREE], [DISAGREE, AGREE], [AGREE, DISCUSS], [UNRELATED, UNRELATED]]
    given = [[AGREE, DISAGREE], [AGREE, DISAGREE], [DISCUSS, AGREE], [AGREE, AGREE]]
    found = probes.polarity([answered(gold, given)])
    assert found is not None
    # The third sentence said discuss, with both sides equally likely: a tie goes to agree.
    assert (found.targets, found.sentences) == (1, 3)
    assert found.accuracy.value == pytest.approx(2 / 3)
    assert found.one_side == pytest.approx(2 / 3)
    assert probes.polarity([answered([[AGREE]], [[AGREE]])]) is None


def test_contrast_follows_the_agreements_that_were_found():
    gold = [[AGREE, UNRELATED, UNRELATED, DISAGREE]] * 4 + [[AGREE, UNRELATED, UNRELATED, DISCUSS]]
    given = [
        [AGREE, UNRELATED, UNRELATED, DISAGREE],
        [AGREE, UNRELATED, UNRELATED, AGREE],
        [DISCUSS, UNRELATED, UNRELATED, DISAGREE],
        [AGREE, UNRELATED, UNRELATED, DISAGREE],
        [AGREE, UNRELATED, UNRELATED, AGREE],
    ]
    found = probes.contrast([answered(gold, given)])
    assert found is not None
    assert (found.sentences, found.found) == (4, 3 / 4)
    assert found.turned == pytest.approx(2 / 3)
    assert found.both.value == pytest.approx(2 / 4)
    assert probes.contrast([answered([[AGREE]], [[AGREE]])]) is None


def test_one_side_per_target_flattens_to_the_likelier_side():
    gold = [[AGREE], [DISAGREE], [DISAGREE], [UNRELATED]]
    found = probes.shortcuts([answered(gold, gold)], SCHEME)
    flat = [DISAGREE, DISAGREE, DISAGREE, UNRELATED]
    labels = [stance for (stance,) in gold]
    expected = f1_score(labels, flat, labels=sorted(set(labels)), average="macro")
    assert found == {
        "one side per target": pytest.approx(expected),
        "gold with one side per target": pytest.approx(expected),
    }


def test_false_alarms_are_per_thousand_readings():
    one = answered([[AGREE]] * 4, [[AGREE]] * 4, foreign=((AGREE, UNRELATED), (DISAGREE, UNRELATED)) * 2)
    found = probes.alarms([one])
    assert found is not None
    assert (found.sentences, found.agree_per_1000, found.disagree_per_1000) == (8, 250, 250)
    assert probes.alarms([answered([[AGREE]], [[AGREE]])]) is None


def test_kinds_of_target_are_named_by_their_place():
    gold = [[AGREE, DISAGREE, DISCUSS, DISAGREE]]
    rows = probes.kinds([answered(gold, [[AGREE, AGREE, DISCUSS, AGREE]])], SCHEME)
    assert [row["accuracy"] for row in rows] == [1, 0, 1, 0]
    assert rows[3]["name"].startswith("contrast")
    assert probes.kinds([answered([[AGREE]], [[AGREE]])], SCHEME) == []


def test_document_stances_are_scored_where_the_corpus_has_them():
    def document(label):
        return (DocumentStance(0, label, 0.5, label == DISAGREE, {}),)

    def gold(*stances):
        return (frozenset(stances),)

    found = probes.documents(
        [
            answered([[AGREE]], [[AGREE]], document=document(AGREE), document_stances=gold(AGREE)),
            answered([[AGREE]], [[AGREE]], document=document(DISAGREE), document_stances=gold(AGREE)),
            answered([[AGREE]], [[AGREE]], document=document(AGREE), document_stances=gold(DISCUSS, UNRELATED)),
        ]
    )
    assert found is not None
    assert (found["items"], found["accuracy"], found["mixed"]) == (2, 0.5, 1)
    assert probes.documents([answered([[AGREE]], [[AGREE]])]) is None


# Measures


def test_partial_labels_count_apart():
    gold = [[AGREE], [(DISCUSS, UNRELATED)], [(DISCUSS, UNRELATED)]]
    result = measures.head_result([answered(gold, [[AGREE], [DISCUSS], [AGREE]])], "stance", SCHEME)
    assert result is not None
    assert (result.items, result.partial_items, result.within) == (1, 2, 0.5)
    assert result.confusion is not None
    assert result.confusion[0][0] == 1
    assert sum(sum(row) for row in result.confusion) == 1


def test_perfect_answers_are_perfect_everywhere():
    gold = [[AGREE, DISAGREE], [DISCUSS, UNRELATED]]
    one = answered(gold, gold, source="ص")
    found = measures.everything([one, answered(gold, gold, name="b", source="ق")], SCHEME)
    for result in found["heads"].values():
        assert result.macro_f1.value == result.macro_f1.low == result.accuracy == 1
    assert {part.name for part in found["by_source"]} == {"ص", "ق"}
    assert [part.name for part in found["by_position"]] == ["1 (title)", "2 (lead)"]
    assert found["hardest"] == []
    assert found["calibration"]["voice"].nll == pytest.approx(-math.log(0.7))


def test_hardest_errors_come_worst_first():
    good, bad = (answered([[AGREE]], [[DISAGREE]], name=name) for name in "ab")
    worse = Answered(bad.article, (said([DISAGREE], sure=0.97),))
    found = [hard for hard in measures.hardest([good, worse], SCHEME) if hard.head == "stance"]
    assert [(hard.article, hard.sentence, hard.target) for hard in found] == [("b", 0, 0), ("a", 0, 0)]
    assert found[0].loss == pytest.approx(-math.log(0.01), abs=1e-3)


def test_a_head_that_a_corpus_does_not_label_is_left_out():
    article = LabelledArticle(id="a", sentences=(LabelledSentence(text="س"),))
    found = measures.everything([Answered(article, (said(),))], SCHEME)
    assert found["heads"] == {}
    assert found["calibration"] == {}


# Through the Tagger


@pytest.fixture(scope="module")
def dev():
    return load(source_of(ROOT / "seeds", split="dev"), ROOT).articles


@pytest.fixture(scope="module")
def report(tiny_bundle):
    options = Options(against=tiny_bundle, baselines=True, train=[source_of(ROOT / "seeds", split="test")])
    return evaluate(tiny_bundle, [source_of(ROOT / "seeds", split="dev")], options, root=ROOT)


def test_the_figures_are_those_of_the_served_tags(report, tiny_tagger, dev):
    documents = [Document(sentences=tuple(s.text for s in a.sentences), targets=a.targets) for a in dev]
    tags = tiny_tagger.tag(documents)
    pairs = [
        (s, t) for a, found in zip(dev, tags, strict=True) for s, t in zip(a.sentences, found.sentences, strict=True)
    ]
    heads = report.data["corpora"][0]["heads"]
    gold = [next(iter(stance)) for s, _ in pairs for stance in s.stances]
    given = [stance for _, t in pairs for stance in t.stances]
    expected = f1_score(gold, given, labels=STANCES, average="macro")
    assert heads["stance"]["macro_f1"]["value"] == pytest.approx(expected, abs=1e-6)
    voices = f1_score([next(iter(s.voice)) for s, _ in pairs], [t.voice for _, t in pairs], labels=VOICES, average=None)
    assert [row["f1"]["value"] for row in heads["voice"]["labels"]] == pytest.approx(list(voices), abs=1e-6)
    names = (*SCHEME.type_ids, NONE)
    assert [row["label"] for row in heads["types"]["labels"]] == list(names)
    sets = [({n for n, holds in s.types.items() if holds} or {NONE}, set(t.types)) for s, t in pairs]
    types = f1_score(
        *([[name in one for name in names] for one in side] for side in zip(*sets, strict=True)), average="macro"
    )
    assert heads["types"]["macro_f1"]["value"] == pytest.approx(types, abs=1e-6)
    assert report.summary["seeds"]["types"] == heads["types"]["macro_f1"]["value"]


def test_the_report_holds_no_text(report, tmp_path, dev):
    written = report.to_json()
    assert json.loads(written) == report.data
    for article in dev:
        for text in (*article.targets, *(s.text for s in article.sentences)):
            assert text not in written
    hard = report.data["corpora"][0]["hardest"]
    assert hard
    report.write_errors(tmp_path / "errors.jsonl")
    errors = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(errors) == len(hard)
    by_id = {article.id: article for article in dev}
    for error in errors:
        assert error["text"] == by_id[error["article"]].sentences[error["sentence"]].text
        assert (error["target_text"] is None) == (error["head"] != "stance")


def test_everything_asked_for_is_beside(report):
    (corpus,) = report.data["corpora"]
    assert set(corpus["beside"]) == {"context: false", "against", "majority", "linear"}
    for difference in corpus["beside"]["against"]["difference"].values():
        assert difference["difference"] == difference["low"] == difference["high"] == 0
    assert set(corpus["shortcuts"]) == {
        "one side per target",
        "gold with one side per target",
        "target only",
        "sentence only",
    }
    assert corpus["false_alarms"]["sentences"] == 2 * corpus["sentences"]
    assert report.data["baselines"] == [{"name": "seeds", "articles": 10, "sentences": 122}]
    assert report.data["bundle"]["fingerprint"] == report.data["against"]["fingerprint"]
    assert len(corpus["sha256"]) == 64


def test_the_baselines_never_learn_from_what_they_are_measured_on(tiny_bundle):
    same = source_of(ROOT / "seeds", split="dev")
    with pytest.raises(DataError, match="nothing for the baselines to learn from"):
        evaluate(tiny_bundle, [same], Options(baselines=True, train=[same]), root=ROOT)


def test_foreign_targets_are_another_articles_and_ever_the_same(dev):
    drawn = foreign_targets(dev, 2)
    assert drawn == foreign_targets(dev, 2)
    for article, targets in zip(dev, drawn, strict=True):
        assert len(set(targets)) == 2
        assert not set(targets) & set(article.targets)
    assert foreign_targets(dev[:1], 2) == [()]


def test_a_foreign_target_too_long_to_read_harms_no_other_article(tiny_tagger):
    long = " ".join(["هدف"] * 200)
    sentence = LabelledSentence(text="جملة", stances=(frozenset({AGREE}),))
    short, refused = (
        LabelledArticle(id=name, sentences=(sentence,), targets=(target,))
        for name, target in (("a", "قصير"), ("b", long))
    )
    one, other = by_tagger(tiny_tagger, [short, refused], foreign=1)
    assert isinstance(one, Answered)
    assert one.foreign == ((),)
    assert isinstance(other, Refused)
    assert "targets[0]" in other.message


def test_nothing_to_evaluate_is_one_error(tiny_bundle, tmp_path):
    with pytest.raises(DataError, match="nothing to evaluate on"):
        evaluate(tiny_bundle, [])
    (tmp_path / "a.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no labelled article in it \(3 problems\)"):
        evaluate(tiny_bundle, [tmp_path / "a.jsonl"])


def test_a_pair_corpus_is_scored_on_stance_alone(tiny_bundle, tmp_path):
    rows = [{"text": f"خبر {i}", "target": f"هدف {i}", "label": (AGREE, DISAGREE)[i % 2]} for i in range(6)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    pairs = source_of(tmp_path / "pairs.jsonl", name="pairs").model_copy(update={"format": "pairs"})
    found = evaluate(tiny_bundle, [pairs]).data["corpora"][0]
    assert list(found["heads"]) == ["stance"]
    assert found["beside"] == {}
    assert found["stance_kinds"] == []
    assert Stance.AGREE in {row["label"] for row in found["heads"]["stance"]["labels"]}
