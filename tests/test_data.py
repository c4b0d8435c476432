"""Every format, container and kind of bad row, on hand-made files and on the corpora at hand."""

from __future__ import annotations

import csv
import gzip
import json
import tarfile

import pytest
from pydantic import ValidationError

from models.errors import DataError
from models.labels import NONE, SCHEME, STANCES, ClaimType, Stance, Voice
from tests.conftest import ROOT
from training.data import Corpus, load, load_splits, source_of

AGREE, DISAGREE, DISCUSS, UNRELATED = STANCES
ANS = {
    "agree": {"stance": [AGREE]},
    "disagree": {"stance": [DISAGREE]},
    "other": {"stance": [DISCUSS, UNRELATED]},
}


def corpus(**fields):
    return Corpus.model_validate({"name": "c", "format": "pairs", **fields})


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def article(**changes):
    sentence = {"text": "أغلق المعبر.", "types": [ClaimType.EVENT], "voice": Voice.AUTHOR, "stances": [AGREE]}
    return {"id": "a", "targets": ["أُغلق المعبر"], "sentences": [sentence], **changes}


def with_sentence(**changes):
    row = article()
    row["sentences"] = [{**row["sentences"][0], **changes}]
    return row


# Canonical articles


def test_the_seeds_load_whole_and_split():
    loaded = load(source_of(ROOT / "seeds", split="train"), ROOT)
    assert loaded.problems == []
    assert (loaded.rows, len(loaded.articles)) == (80, 60)
    whole = load(source_of(ROOT / "seeds" / "articles.jsonl"), ROOT)
    assert len(whole.articles) == 80
    first = json.loads((ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").split("\n")[0])
    read = whole.articles[0]
    assert [s.text for s in read.sentences] == [s["text"] for s in first["sentences"]]
    for sentence, raw in zip(read.sentences, first["sentences"], strict=True):
        types = {name for name, holds in sentence.types.items() if holds}
        assert types == set(raw["types"]) - {NONE}
        assert sentence.primary == (None if raw["types"] == [NONE] else frozenset(raw["types"][:1]))
        assert sentence.voice == frozenset({raw["voice"]})
        assert sentence.stances == tuple(frozenset({stance}) for stance in raw["stances"])


def test_unannotated_heads_and_partial_stances_are_read(tmp_path):
    row = with_sentence(types=None, voice=None, stances=[[DISCUSS, UNRELATED]])
    path = write_lines(
        tmp_path / "a.jsonl", [row, article(id="b", sentences=[{**row["sentences"][0], "stances": [None]}])]
    )
    a, b = load(source_of(path), tmp_path).articles
    assert a.sentences[0].types is None
    assert a.sentences[0].voice is None
    assert a.sentences[0].stances == (frozenset({DISCUSS, UNRELATED}),)
    assert b.sentences[0].stances == (None,)


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        (article(extra=1), "extra", "unknown field"),
        (article(id=3), "id", "string"),
        (article(sentences=[]), "sentences", "at least one"),
        (article(targets=[" "]), "targets.0", "empty"),
        ({k: v for k, v in article().items() if k != "targets"}, "targets", "is missing"),
        (with_sentence(text="\u200f \n".replace("\u200f", "")), "sentences.0.text", "empty"),
        (with_sentence(text="أ\0ب"), "sentences.0.text", "NUL"),
        (with_sentence(text="\ud800"), "sentences.0.text", "surrogate"),
        (with_sentence(types=[]), "sentences.0.types", "at least one"),
        (with_sentence(types=[NONE, ClaimType.EVENT]), "sentences.0.types", "excludes"),
        (with_sentence(types=[ClaimType.EVENT] * 2), "sentences.0.types", "twice"),
        (with_sentence(types=["rumour"]), "sentences.0.types.0", ClaimType.EVENT),
        (with_sentence(voice="paper"), "sentences.0.voice", Voice.ATTRIBUTED),
        (with_sentence(stances=[]), "sentences.0.stances", "one per target"),
        (with_sentence(stances=["against"]), "sentences.0.stances.0", DISAGREE),
        (with_sentence(stances=[[]]), "sentences.0.stances.0", "at least one"),
        (with_sentence(attributions=[{"sayer": "x"}]), "sentences.0.attributions.0.sayer", "unknown field"),
        (article(document_stances=[]), "document_stances", "0 stances for 1 targets"),
    ],
)
def test_a_bad_article_is_named_and_harms_no_other(tmp_path, row, field, message):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(article(id="good")) + "\n" + json.dumps(row) + "\n", encoding="utf-8")
    loaded = load(source_of(path), tmp_path)
    assert [a.id for a in loaded.articles] == ["good"]
    assert loaded.rows == 2
    problem = loaded.problems[0]
    assert (problem.line, problem.field) == (2, field)
    assert message in problem.message
    assert str(problem).startswith(f"{problem.file}:2: {field}: ")


def test_an_id_stands_once(tmp_path):
    path = write_lines(tmp_path / "a.jsonl", [article(), article()])
    (problem,) = load(source_of(path), tmp_path).problems
    assert (problem.line, problem.field) == (2, "id")


# Containers


ROWS = [
    {"text": "جملة, أولى", "target": "هدف «أول»", "label": AGREE},
    {"text": 'جملة "ثانية"', "target": "هدف ثان", "label": DISAGREE},
]


def as_jsonl(path):
    return write_lines(path / "rows.jsonl", ROWS)


def as_gzip(path):
    (path / "rows.jsonl.gz").write_bytes(gzip.compress(as_jsonl(path).read_bytes()))
    return path / "rows.jsonl.gz"


def as_table(path, suffix, delimiter):
    with (path / f"rows{suffix}").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)
    return path / f"rows{suffix}"


def as_parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), path / "rows.parquet")
    return path / "rows.parquet"


def as_json(path):
    (path / "rows.json").write_text(json.dumps(ROWS), encoding="utf-8")
    return path / "rows.json"


@pytest.mark.parametrize(
    "write",
    [as_jsonl, as_gzip, as_json, as_parquet, lambda p: as_table(p, ".csv", ","), lambda p: as_table(p, ".tsv", "\t")],
)
def test_every_container_gives_the_same_pairs(tmp_path, write):
    loaded = load(corpus(path=write(tmp_path).name), tmp_path)
    assert loaded.problems == []
    assert [(a.sentences[0].text, a.targets, a.sentences[0].stances) for a in loaded.articles] == [
        (row["text"], (row["target"],), (frozenset({row["label"]}),)) for row in ROWS
    ]
    assert [a.id for a in loaded.articles] == [f"c-{a.line}" for a in loaded.articles]


def test_unquoted_tables_keep_their_quotation_marks(tmp_path):
    (tmp_path / "rows.tsv").write_text('text\ttarget\tlabel\n"قال\tهدف\tagree\n', encoding="utf-8")
    (found,) = load(corpus(path="rows.tsv", quoted=False), tmp_path).articles
    assert found.sentences[0].text == '"قال'


def test_hub_data_comes_through_datasets(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    asked = []

    def load_dataset(name, config, *, split, revision):
        asked.append((name, config, split, revision))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    loaded = load(corpus(hub="someone/stances", hub_split="validation", split="dev", revision="abc"), tmp_path)
    assert asked == [("someone/stances", None, "validation", "abc")]
    assert [a.line for a in loaded.articles] == [1, 2]
    assert loaded.articles[0].file == "someone/stances@validation"


@pytest.mark.parametrize(
    ("name", "content", "line", "message"),
    [
        ("a.jsonl", b'{"text": "x", "target": "y", "label": "agree"}\n{"text"', 2, "not JSON"),
        ("a.jsonl", b"[1]\n", 1, "must be a JSON object"),
        ("a.jsonl", b'\xff{"text": 1}\n', 1, "not UTF-8"),
        ("a.csv", b"text,target,label\nx,y\n", 2, "2 fields, but the header names 3"),
        ("a.csv", b"text,target,label\n\xff,y,agree\n", 2, "not UTF-8"),
        ("a.csv", b"", 1, "no header line"),
    ],
)
def test_an_unreadable_row_is_listed(tmp_path, name, content, line, message):
    (tmp_path / name).write_bytes(content)
    loaded = load(corpus(path=name), tmp_path)
    problem = loaded.problems[0]
    assert (problem.file, problem.line) == (name, line)
    assert message in problem.message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xlsx", b"", "must end in one of .csv"),
        ("a.parquet", b"PAR1", "not parquet"),
        ("a.jsonl.gz", b"text", "cannot be read"),
    ],
)
def test_an_unreadable_file_is_one_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(corpus(path=name), tmp_path)


def test_a_missing_file_is_one_error(tmp_path):
    with pytest.raises(DataError, match=r"corpus c: path: no-such\.jsonl"):
        load(corpus(path="no-such.jsonl"), tmp_path)
    with pytest.raises(DataError, match="no such file"):
        load(corpus(path="*.jsonl"), tmp_path)


# Label maps, fields, groups


def test_label_maps_give_sets_of_answers(tmp_path):
    write_lines(tmp_path / "a.jsonl", [{"text": "س", "target": "ه", "label": "other"}])
    (found,) = load(corpus(path="a.jsonl", labels=ANS), tmp_path).articles
    assert found.sentences[0].stances == (frozenset({DISCUSS, UNRELATED}),)


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ({"text": "س", "target": "ه", "label": "neutral"}, "label", "not in the label map: agree, disagree, other"),
        ({"text": "س", "label": "agree"}, "target", "is missing"),
        ({"text": "س", "target": None, "label": "agree"}, "target", "must be text"),
        ({"text": "  ", "target": "ه", "label": "agree"}, "text", "empty"),
    ],
)
def test_a_bad_pair_is_named(tmp_path, row, field, message):
    write_lines(tmp_path / "a.jsonl", [row])
    (problem,) = load(corpus(path="a.jsonl", labels=ANS), tmp_path).problems
    assert problem.field == field
    assert message in problem.message


def test_single_sentences_may_name_some_types(tmp_path):
    write_lines(tmp_path / "a.jsonl", [{"id": 7, "text": "س", "label": x} for x in ("SUBJ", "OBJ", "NO")])
    labels = {"SUBJ": {"types": {ClaimType.EVALUATION: True}}, "OBJ": {}, "NO": {"types": {NONE: True}}}
    subjective, objective, none = load(corpus(path="a.jsonl", format="sentences", labels=labels), tmp_path).articles
    assert subjective.sentences[0].types == {ClaimType.EVALUATION: True}
    assert objective.sentences[0].types is None
    assert none.sentences[0].types == dict.fromkeys(SCHEME.type_ids, False)
    assert none.id == "7"
    assert none.targets == ()


def test_grouped_rows_are_one_article_with_nested_fields(tmp_path):
    rows = [
        {"text": "أولى", "target": "ت", "label": "x", "meta": {"doc": 1, "stance": "a"}},
        {"text": "ثانية", "target": "ت", "label": "y", "meta": {"doc": 1, "stance": "a"}},
        {"text": "أولى", "target": "ث", "label": "y", "meta": {"doc": 1, "stance": "a"}},
        {"text": "أولى", "target": "ت", "label": "x", "meta": {"doc": 2, "stance": "a"}},
    ]
    write_lines(tmp_path / "a.jsonl", rows)
    labels = {"x/a": {"stance": [AGREE]}, "y/a": {"stance": [AGREE, DISCUSS]}}
    fields = {"label": ["label", "meta.stance"], "group": "meta.doc"}
    first, second = load(corpus(path="a.jsonl", labels=labels, fields=fields), tmp_path).articles
    assert first.targets == ("ت", "ث")
    assert [s.text for s in first.sentences] == ["أولى", "ثانية"]
    assert first.sentences[0].stances == (frozenset({AGREE}), frozenset({AGREE, DISCUSS}))
    assert first.sentences[1].stances == (frozenset({AGREE, DISCUSS}), None)
    assert (first.id, second.id) == ("1", "2")


def test_skipped_labels_are_counted_and_are_no_problem(tmp_path):
    write_lines(tmp_path / "a.jsonl", [{**ROWS[0], "label": label} for label in (AGREE, "unclear", DISAGREE)])
    loaded = load(corpus(path="a.jsonl", skip=["unclear"]), tmp_path)
    assert (loaded.rows, loaded.skipped, len(loaded.articles), loaded.problems) == (3, 1, 2, [])


def test_prefixes_keep_drop_and_weigh(tmp_path):
    write_lines(tmp_path / "a.jsonl", [article(id=name) for name in ("00-1", "00-2", "01-1", "02-1")])
    declared = corpus(path="a.jsonl", format="canonical", drop=["00-2"], weight=2.0, weights={"0": 0.5, "01": 0.1})
    found = {a.id: a.weight for a in load(declared, tmp_path).articles}
    assert found == pytest.approx({"00-1": 1.0, "01-1": 0.2, "02-1": 1.0})
    kept = corpus(path="a.jsonl", format="canonical", keep=["01", "02"])
    assert [a.id for a in load(kept, tmp_path).articles] == ["01-1", "02-1"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "exactly one"),
        ({"path": "a", "hub": "b"}, "exactly one"),
        ({"path": "a", "revision": "b"}, "only go with hub"),
        ({"path": "a", "format": "sentences"}, "label map"),
        ({"path": "a", "format": "canonical", "labels": ANS}, "have their own"),
        ({"path": "a", "format": "canonical", "compose": {}}, "only the pairs format"),
        ({"path": "a", "labels": {"x": {"stance": ["against"]}}}, "must be one or more of"),
        ({"path": "a", "labels": {"x": {"voice": []}}}, "must be one or more of"),
        ({"path": "a", "labels": {"x": {"types": {NONE: True, ClaimType.EVENT: True}}}}, "excludes"),
        ({"path": "a", "compose": {"minimum": 5, "maximum": 4}}, "at least compose.minimum"),
        ({"path": "a", "paths": "b"}, "Extra inputs"),
        ({"path": "a", "weight": 0}, "greater than 0"),
    ],
)
def test_a_wrong_declaration_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        corpus(**fields)


def test_an_unknown_type_in_a_label_map_is_refused(tmp_path):
    write_lines(tmp_path / "a.jsonl", ROWS)
    with pytest.raises(DataError, match=r"labels\.x: 'rumour'"):
        load(corpus(path="a.jsonl", labels={"x": {"types": {"rumour": True}}}), tmp_path)


# Whole articles with a stance


ARASTANCE = [
    {
        "filename": "claim1",
        "claim": "الادعاء الأول",
        "article": ["قال الوزير كذا. ثم غادر القاعة.", "خبر آخر تماما."],
        "stance": ["Agree", "Unrelated"],
    },
    {"filename": "claim2", "claim": "الادعاء الثاني", "article": ["خبر."], "stance": ["Discuss"]},
]
"""Written for this test in the shape of AraStance's files, which could not be had."""


def test_arastance(tmp_path):
    write_lines(tmp_path / "train.jsonl", ARASTANCE)
    declared = corpus(path="train.jsonl", format="arastance", fields={"id": "filename"})
    agree, unrelated, discuss = load(declared, tmp_path).articles
    assert [a.id for a in (agree, unrelated, discuss)] == ["claim1_0", "claim1_1", "claim2_0"]
    assert agree.document_stances == (frozenset({AGREE}),)
    assert [s.text for s in agree.sentences] == ["قال الوزير كذا.", "ثم غادر القاعة."]
    assert {s.stances for s in agree.sentences} == {(frozenset({AGREE, DISCUSS, UNRELATED}),)}
    assert unrelated.sentences[0].stances == (frozenset({UNRELATED}),)
    assert discuss.sentences[0].stances == (frozenset({DISCUSS, UNRELATED}),)


def test_one_bad_article_of_a_claim_harms_no_other(tmp_path):
    row = {**ARASTANCE[0], "stance": ["Agrees", "Unrelated"]}
    broken = {**ARASTANCE[1], "stance": ["Discuss", "Agree"]}
    write_lines(tmp_path / "train.jsonl", [row, broken])
    loaded = load(corpus(path="train.jsonl", format="arastance"), tmp_path)
    assert len(loaded.articles) == 1
    assert [(p.line, p.field) for p in loaded.problems] == [(1, "stance.0"), (2, "stance")]


def test_unified_fc_rationales(tmp_path):
    claims = {
        "id": "V-1",
        "claim": "الادعاء",
        "article": ["سطر أول\n\nسطر ثالث", "وحيد", "س"],
        "stance": [AGREE, DISAGREE, DISCUSS],
        "rationale": ["[2]", [0], ""],
    }
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "V-1.json").write_text(json.dumps(claims), encoding="utf-8")
    bad = {"ID": "V-2", "Claim": "الادعاء", "Article": ["سطر"], "Stance": [AGREE], "Rationale": ["[1]"]}
    (folder / "V-2.json").write_text(json.dumps(bad), encoding="utf-8")
    loaded = load(corpus(path="dataset", format="unified-fc"), tmp_path)
    agree, disagree, _ = loaded.articles
    assert [s.text for s in agree.sentences] == ["سطر أول", "سطر ثالث"]
    assert agree.sentences[0].stances == (frozenset({AGREE, DISCUSS, UNRELATED}),)
    assert agree.sentences[1].stances == (frozenset({AGREE}),)
    assert disagree.sentences[0].stances == (frozenset({DISAGREE}),)
    (problem,) = loaded.problems
    assert (problem.file, problem.field) == ("dataset/V-2.json", "rationale")


# Splits


def test_splits_that_share_an_article_are_refused(tmp_path):
    write_lines(tmp_path / "train.jsonl", [article(id="x"), with_sentence(text="غيره") | {"id": "y"}])
    write_lines(tmp_path / "dev.jsonl", [with_sentence(text="أَغلق المعبر") | {"id": "z"}])
    train = corpus(name="t", path="train.jsonl", format="canonical")
    dev = corpus(name="d", path="dev.jsonl", format="canonical", split="dev")
    with pytest.raises(DataError, match=r"corpus t: 1 of its articles also stand in split 'dev' .*x, train\.jsonl:1"):
        load_splits([train, dev], tmp_path)
    left, kept = load_splits([train.model_copy(update={"drop_shared": True}), dev], tmp_path)
    assert [a.id for a in left.articles] == ["y"]
    assert left.shared == ["x"]
    assert [a.id for a in kept.articles] == ["z"]


def test_a_split_file_must_list_the_split(tmp_path):
    write_lines(tmp_path / "a.jsonl", [article()])
    (tmp_path / "s.json").write_text('{"train": ["a"]}', encoding="utf-8")
    declared = corpus(path="a.jsonl", format="canonical", splits="s.json")
    assert len(load(declared, tmp_path).articles) == 1
    with pytest.raises(DataError, match="no list 'dev'"):
        load(declared.model_copy(update={"split": "dev"}), tmp_path)


# Pseudo-articles


def pair_rows(number):
    return [
        {"text": f"جملة{i} عن{i}", "target": f"هدف{i // 2} حول{i // 2}", "label": (AGREE, DISAGREE)[i % 2]}
        for i in range(number)
    ]


def test_composed_articles_label_every_pair_once(tmp_path):
    write_lines(tmp_path / "a.jsonl", pair_rows(60))
    how = {"minimum": 4, "maximum": 9, "targets": 3, "seed": 5}
    found = load(corpus(path="a.jsonl", compose=how), tmp_path).articles
    labelled = []
    for one in found:
        assert len(one.sentences) <= 9
        assert len(one.targets) <= 3
        for sentence in one.sentences:
            for target, allowed in zip(one.targets, sentence.stances, strict=True):
                if allowed != frozenset({Stance.UNRELATED}):
                    labelled.append((sentence.text, target, allowed))
    expected = [(r["text"], r["target"], frozenset({r["label"]})) for r in pair_rows(60)]
    assert sorted(labelled, key=str) == sorted(expected, key=str)
    assert found == load(corpus(path="a.jsonl", compose=how), tmp_path).articles
    assert found != load(corpus(path="a.jsonl", compose={**how, "seed": 6}), tmp_path).articles


def test_composing_leaves_a_share_alone_and_says_nothing_of_likely_relatives(tmp_path):
    rows = [{"text": f"زار الوزير المدينة {i}", "target": f"زار الوزير المدينة {i}", "label": AGREE} for i in range(20)]
    write_lines(tmp_path / "a.jsonl", rows)
    found = load(corpus(path="a.jsonl", compose={"share": 1.0}), tmp_path).articles
    others = [
        allowed
        for one in found
        for sentence in one.sentences
        for target, allowed in zip(one.targets, sentence.stances, strict=True)
        if target != sentence.text
    ]
    assert others
    assert set(others) == {None}
    alone = load(corpus(path="a.jsonl", compose={"share": 0.0}), tmp_path).articles
    assert [len(one.sentences) for one in alone] == [1] * 20


# The corpora at hand


LINES = {
    "unrelated/unrelated": {"stance": [UNRELATED]},
    "discuss/discuss": {"stance": [DISCUSS, UNRELATED]},
    "agree/agree": {"stance": [AGREE]},
    "disagree/disagree": {"stance": [DISAGREE]},
    "not_rationale/agree": {"stance": [AGREE, DISCUSS, UNRELATED]},
    "not_rationale/disagree": {"stance": [DISAGREE, DISCUSS, UNRELATED]},
}
FC_FIELDS = {"text": "text", "target": "target", "label": "label", "rationale": "meta.rationale"}
SENT_FIELDS = {"label": ["label", "meta.doc_stance"], "group": ["meta.claim_id", "meta.doc"]}
CHECKABLE = {name: False for name in SCHEME.checkable}


@pytest.mark.parametrize(
    ("declared", "rows", "articles", "sentences"),
    [
        ({"path": "gold/train.jsonl", "format": "canonical"}, 334, 334, 3279),
        ({"path": "gold/dev.jsonl", "format": "canonical"}, 48, 48, 471),
        ({"path": "seeds.jsonl", "format": "canonical"}, 80, 80, 989),
        ({"path": "labelled/ans_stance/train.jsonl.gz", "labels": ANS}, 2652, 2652, 2652),
        ({"path": "labelled/ans_stance/dev.jsonl.gz", "labels": ANS}, 755, 755, 755),
        (
            {"path": "labelled/unified_fc/fold_*.jsonl.gz", "format": "unified-fc", "fields": FC_FIELDS},
            2429,
            2429,
            78323,
        ),
        (
            {"path": "labelled/unified_fc_sent/fold_1.jsonl.gz", "labels": LINES, "fields": SENT_FIELDS},
            20273,
            616,
            20273,
        ),
        (
            {
                "path": "labelled/thatiar_subj25_ar/*.jsonl.gz",
                "format": "sentences",
                "labels": {"OBJ": {}, "SUBJ": {"types": {ClaimType.EVALUATION: True}}},
            },
            2913,
            2913,
            2913,
        ),
        (
            {
                "path": "labelled/checkthat22_ar_1B_claim/*.jsonl.gz",
                "format": "sentences",
                "labels": {"1": {}, "0": {"types": CHECKABLE}},
            },
            3970,
            3970,
            3970,
        ),
        (
            {
                "path": "labelled/mawqif/train.jsonl.gz",
                "labels": {
                    "Favor": {"stance": [AGREE]},
                    "Against": {"stance": [DISAGREE]},
                    "None": {"stance": [DISCUSS, UNRELATED]},
                },
            },
            3502,
            3502,
            3502,
        ),
    ],
    ids=lambda value: value["path"] if isinstance(value, dict) else "",
)
def test_every_corpus_at_hand_loads_without_a_problem(shared, declared, rows, articles, sentences):
    loaded = load(corpus(**declared), shared / "data")
    assert loaded.problems == []
    assert loaded.rows == rows
    assert len(loaded.articles) == articles
    assert sum(len(a.sentences) for a in loaded.articles) == sentences


@pytest.mark.parametrize("split", ["train", "dev"])
def test_ans_as_published_is_the_same_corpus(shared, split):
    original = corpus(
        path=f"labelled/originals/ans/{split}.csv",
        labels=ANS,
        fields={"text": "s2", "target": "s1", "label": "stance"},
    )
    converted = corpus(path=f"labelled/ans_stance/{split}.jsonl.gz", labels=ANS)
    a, b = (load(one, shared / "data") for one in (original, converted))
    assert a.problems == []
    assert [(x.targets, x.sentences) for x in a.articles] == [(x.targets, x.sentences) for x in b.articles]


def test_unified_fc_as_published_is_the_same_corpus(shared, tmp_path):
    with tarfile.open(shared / "data/labelled/originals/unified_fc/fold_1.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    original = load(corpus(path="dataset", format="unified-fc"), tmp_path)
    assert original.problems == []
    declared = corpus(path="labelled/unified_fc/fold_1.jsonl.gz", format="unified-fc", fields=FC_FIELDS)
    converted = {a.id: a for a in load(declared, shared / "data").articles}
    assert len(original.articles) == len(converted)
    for one in original.articles:
        other = converted[one.id]
        assert (one.sentences, one.targets, one.document_stances) == (
            other.sentences,
            other.targets,
            other.document_stances,
        )
