"""`qawl data check`: the figures, and everything it must find."""

from __future__ import annotations

import gzip
import io
import json
import shutil

import pytest
from rich.console import Console

from models.errors import ConfigError, DataError
from models.labels import STANCES, ClaimType, Voice
from tests.conftest import ROOT
from training.check import check, print_checked

WORDS = "اجتمع المجلس مساء الأحد في العاصمة لبحث الموازنة"


def shown(checked):
    stream = io.StringIO()
    print_checked(checked, Console(file=stream, width=160))
    return stream.getvalue()


def article(name, *texts, targets=("أُقرّت الموازنة",)):
    sentence = {"types": [ClaimType.EVENT], "voice": Voice.AUTHOR, "stances": [STANCES[0]] * len(targets)}
    return {"id": name, "targets": list(targets), "sentences": [{"text": text, **sentence} for text in texts]}


def write(path, *articles):
    path.write_text("".join(json.dumps(one) + "\n" for one in articles), encoding="utf-8")


def run_file(folder, train, dev):
    lines = [
        'name = "r"\nversion = "0"\noutput = "out"\nlicence = "Apache-2.0"\n[encoder.scratch]\n',
        *(
            f'[[corpora]]\nname = "{split}"\npath = "{name}"\nsplit = "{split}"\nformat = "canonical"\n'
            for split, name in (("train", train), ("dev", dev))
        ),
    ]
    (folder / "run.toml").write_text("".join(lines), encoding="utf-8")
    return folder / "run.toml"


def test_the_seeds_are_in_order():
    checked = check(ROOT / "seeds")
    assert checked.exit_code == 0
    assert checked.warnings == []
    assert {one.split: one.articles for one in checked.corpora} == {"train": 60, "dev": 10, "test": 10}
    for one in checked.corpora:
        assert all(one.labels[head][label] for head in one.labels for label in one.labels[head])
        assert one.with_targets >= 3 * one.articles
    text = shown(checked)
    assert "17/26/55" in text
    assert "ok every row can be used" in text


def test_the_splits_of_the_seeds_are_a_partition():
    splits = json.loads((ROOT / "seeds" / "splits.json").read_text(encoding="utf-8"))
    lines = (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    listed = [name for names in splits.values() for name in names]
    assert sorted(listed) == sorted(json.loads(line)["id"] for line in lines)


def test_attribution_spans_of_the_seeds_are_copied_from_their_sentences(seed_articles):
    for one in seed_articles:
        for sentence in one["sentences"]:
            for attribution in sentence["attributions"]:
                assert all(not span or span in sentence["text"] for span in attribution.values())


def test_a_bad_row_is_named_with_file_line_and_field(tmp_path):
    bad = article("b", "نص")
    bad["sentences"][0]["voice"] = "paper"
    write(tmp_path / "a.jsonl", article("a", WORDS), bad)
    checked = check(tmp_path / "a.jsonl")
    assert checked.exit_code == 1
    assert f"{tmp_path}/a.jsonl:2: sentences.0.voice: 'paper': must be one of" in shown(checked)


def test_a_shared_article_is_refused_whatever_its_id_and_marks(tmp_path):
    write(tmp_path / "train.jsonl", article("a", WORDS, "خبر"), article("b", "خبر", "آخر"))
    write(tmp_path / "dev.jsonl", article("c", f"{WORDS}.", "خَبَر"))
    checked = check(run_file(tmp_path, "train.jsonl", "dev.jsonl"))
    assert checked.exit_code == 1
    (refusal,) = checked.refusals
    assert "1 of its articles also stand in split 'dev'" in refusal
    assert "train.jsonl:1" in refusal
    assert "refused" in shown(checked)


def test_duplicates_shared_sentences_and_near_copies_are_warned_of(tmp_path):
    other = WORDS.replace("الأحد", "الاثنين")
    write(
        tmp_path / "train.jsonl",
        article("a", "عنوان", WORDS, other, targets=("هدف واحد",)),
        article("b", "عنوان", WORDS, other, targets=("هدف ثان",)),
    )
    write(tmp_path / "dev.jsonl", article("c", "غيره", other, WORDS, "خاتمة", targets=("هدف واحد",)))
    warnings = "\n".join(check(run_file(tmp_path, "train.jsonl", "dev.jsonl")).warnings)
    assert "split 'train': 1 articles are copies" in warnings
    assert "2 sentences of 6 words or more stand in both" in warnings
    assert "1 targets stand in both" in warnings
    assert "2 articles of 'train' have half or more of their sentences in 'dev': a, b" in warnings


def test_a_split_file_with_faults_is_refused(tmp_path):
    shutil.copy(ROOT / "seeds" / "articles.jsonl", tmp_path)
    splits = json.loads((ROOT / "seeds" / "splits.json").read_text(encoding="utf-8"))
    moved, lost = splits["dev"][0], splits["test"].pop()
    splits["train"] += [moved, "zz"]
    (tmp_path / "splits.json").write_text(json.dumps(splits), encoding="utf-8")
    refusals = "\n".join(check(tmp_path).refusals)
    assert f"{moved} is listed 2 times" in refusals
    assert "zz is no article" in refusals
    assert f"{lost} of articles.jsonl is in no split" in refusals
    assert "also stand in split 'dev'" in refusals


def test_what_cannot_be_read_is_one_error(tmp_path):
    with pytest.raises(DataError, match="no such file or folder"):
        check(tmp_path / "nothing")
    (tmp_path / "run.toml").write_text("name = 1", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.toml"):
        check(tmp_path / "run.toml")


def read_fold(shared, fold):
    path = shared / "data" / "labelled" / "unified_fc" / f"fold_{fold}.jsonl.gz"
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def test_unified_fc_folds_share_articles(shared, tmp_path):
    fields = 'text = "text"\ntarget = "target"\nlabel = "label"\nrationale = "meta.rationale"'
    rows = {fold: read_fold(shared, fold) for fold in (1, 2)}
    texts = [{row["text"] for row in rows[fold]} for fold in (1, 2)]
    for fold in (1, 2):
        common = [row for row in rows[fold] if row["text"] in texts[0] & texts[1]]
        write(tmp_path / f"fold_{fold}.jsonl", *common[:10], *rows[fold][:10])
    text = 'name = "r"\nversion = "0"\noutput = "out"\nlicence = "Apache-2.0"\n[encoder.scratch]\n'
    for split, fold in (("train", 1), ("dev", 2)):
        text += f'[[corpora]]\nname = "{split}"\npath = "fold_{fold}.jsonl"\nsplit = "{split}"\n'
        text += f'format = "unified-fc"\n{"drop_shared = true" if split == "train" else ""}\n'
        text += f"[corpora.fields]\n{fields}\n"
    (tmp_path / "run.toml").write_text(text, encoding="utf-8")
    dropped = check(tmp_path / "run.toml")
    assert dropped.exit_code == 0
    left_out = dropped.corpora[0].left_out
    assert left_out > 0
    (tmp_path / "run.toml").write_text(text.replace("drop_shared = true", ""), encoding="utf-8")
    (refusal,) = check(tmp_path / "run.toml").refusals
    assert f"{left_out} of its articles also stand in split 'dev'" in refusal
