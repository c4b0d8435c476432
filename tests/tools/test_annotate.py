from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

import tools.run
from models.errors import ConfigError, DataError
from models.labels import NONE, SCHEME, STANCES, VOICES, ClaimType, Stance, Voice
from tests.conftest import ROOT
from tests.tools.fakes import local
from tools import agreement, cli
from tools.label_studio import config, labelled
from tools.sample import pick, uncertainty

TARGET = "أُغلق المعبر."


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.run, "worker_for", local)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["qawl", "annotate", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    return int(caught.value.code or 0)


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tasks of three articles: an emoji before text, a list of sentences, a title and two targets."""
    rows = [
        {"id": "a", "text": "🙂 أغلق المعبر. ثم فُتح غدا.", "targets": [TARGET], "source": "س"},
        {"id": "b", "sentences": ["خبر  أول. وثان", "خبر ثالث."]},
        {"id": "c", "text": "خبر رابع.", "title": "عنوان", "targets": [TARGET, "آخر"]},
    ]
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert command(monkeypatch, "export", path, "-o", tmp_path / "tasks.json") == 0
    return tmp_path / "tasks.json"


def annotated(tasks: Path, *, utf16: bool = False, text: bool = True) -> Path:
    """What Label Studio exports when the annotator accepts every prediction."""
    found = json.loads(tasks.read_text(encoding="utf-8"))
    for number, task in enumerate(found):
        task["id"] = number
        results = json.loads(json.dumps(task["predictions"][0]["result"]))
        for result in results:
            if utf16:
                for side in ("start", "end"):
                    before = task["data"]["text"][: result["value"][side]]
                    result["value"][side] = len(before.encode("utf-16-le")) // 2
            if not text:
                del result["value"]["text"]
        task["annotations"] = [
            {"completed_by": 1, "updated_at": "2", "result": results},
            {"completed_by": 2, "updated_at": "3", "was_cancelled": True, "result": []},
            {"completed_by": 3, "updated_at": "1", "result": []},
        ]
    out = tasks.with_name("export.json")
    out.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    return out


def test_prediction_marks_each_sentence_by_offset(tasks: Path) -> None:
    found = json.loads(tasks.read_text(encoding="utf-8"))
    assert found[1]["data"]["text"] == "خبر  أول. وثان\nخبر ثالث."
    for task in found:
        for result in task["predictions"][0]["result"]:
            value = result["value"]
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"]
        assert {"target_1", "target_2"} < task["data"].keys()
    names = [r["from_name"] for r in found[2]["predictions"][0]["result"]]
    assert names == ["sentence", "types", "primary", "voice", "stance_1", "stance_2"]
    assert found[0]["data"]["target_2"] == "—"


def test_config_has_a_choice_for_everything_a_prediction_says(tasks: Path) -> None:
    view = Xml.fromstring(config(2))
    allowed = {choices.get("name"): {choice.get("alias") for choice in choices} for choices in view.iter("Choices")}
    assert allowed["types"] == allowed["primary"] == {*SCHEME.type_ids, NONE}
    assert allowed["voice"] == set(VOICES)
    assert allowed["stance_1"] == allowed["stance_2"] == set(STANCES)
    data = [task["data"] for task in json.loads(tasks.read_text(encoding="utf-8"))]
    used = {value[1:] for element in view.iter() if (value := element.get("value", "")).startswith("$")}
    assert all(used <= one.keys() for one in data)
    for task in json.loads(tasks.read_text(encoding="utf-8")):
        for result in task["predictions"][0]["result"]:
            assert result["from_name"] == "sentence" or set(result["value"]["choices"]) <= allowed[result["from_name"]]


def test_config_of_tasks_has_their_targets(
    tasks: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert command(monkeypatch, "config", tasks) == 0
    assert capsys.readouterr().out == config(2)
    assert command(monkeypatch, "config", "--targets", "0", "--bundle", tiny_bundle) == 0
    assert "stance" not in capsys.readouterr().out
    for wrong in ((), (tasks, "--targets", "2"), (tasks.with_name("in.jsonl"),)):
        assert command(monkeypatch, "config", *wrong) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.count("\n") == 1


@pytest.mark.parametrize(("utf16", "text"), [(False, True), (False, False), (True, True)])
def test_round_trip_keeps_every_label(
    tasks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, utf16: bool, text: bool
) -> None:
    out = tmp_path / "labels.jsonl"
    assert command(monkeypatch, "import", annotated(tasks, utf16=utf16, text=text), "-o", out) == 0
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [[s["text"] for s in article["sentences"]] for article in found] == [
        ["🙂 أغلق المعبر.", "ثم فُتح غدا."],
        ["خبر  أول. وثان", "خبر ثالث."],
        ["عنوان", "خبر رابع."],
    ]
    assert (found[0]["source"], found[0]["targets"], found[2]["targets"]) == ("س", [TARGET], [TARGET, "آخر"])
    assert found[2]["sentences"][0]["types"] is None
    expected = [
        {r["from_name"]: r["value"].get("choices") for r in task["predictions"][0]["result"] if r["id"] == "s0"}
        for task in json.loads(tasks.read_text(encoding="utf-8"))
    ]
    for article, answers in zip(found, expected, strict=True):
        first = article["sentences"][1 if article["id"] == "c" else 0]
        assert first["types"] == answers["types"]
        assert [first["voice"]] == answers["voice"]
        assert first["stances"] == [answers[f"stance_{n}"][0] for n in range(1, len(article["targets"]) + 1)]


def test_what_is_imported_is_read_by_training(tasks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from training.corpora import Corpus
    from training.data import load_splits

    command(monkeypatch, "import", annotated(tasks), "-o", tmp_path / "labels.jsonl")
    corpora = [Corpus(name="mine", path="labels.jsonl", format="canonical")]
    (loaded,) = load_splits(corpora, tmp_path)
    assert [article.id for article in loaded.articles] == ["a", "b", "c"]


def test_primary_comes_first_and_bad_labels_are_refused(
    tasks: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = annotated(tasks)
    found = json.loads(export.read_text(encoding="utf-8"))
    chosen: dict[str, dict[str, list[str]]] = {
        "a": {"types": [ClaimType.EVENT, ClaimType.CAUSE], "primary": [ClaimType.CAUSE]},
        "b": {"types": [NONE, ClaimType.EVENT]},
    }
    for task in found:
        for result in task["annotations"][0]["result"]:
            if result["id"] == "s0" and result["from_name"] in chosen.get(task["data"]["id"], {}):
                result["value"]["choices"] = chosen[task["data"]["id"]][result["from_name"]]
    export.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    capsys.readouterr()
    assert command(monkeypatch, "import", export, "-o", tmp_path / "labels.jsonl") == 1
    err = capsys.readouterr().err
    assert f"{export}: task 1: sentences.0.types" in err
    assert err.endswith("2 labelled articles, 1 could not be used\n")
    first = json.loads((tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert first["sentences"][0]["types"] == [ClaimType.CAUSE, ClaimType.EVENT]


def test_annotator_is_chosen(tasks: Path) -> None:
    export = annotated(tasks)
    assert [one.annotator for one in labelled(export)] == ["1", "1", "1"]
    assert [len(one.article["sentences"]) for one in labelled(export, "3")] == [0, 0, 1]
    assert list(labelled(export, "2")) == []


@pytest.mark.parametrize("content", ["{}", "no json", '[{"annotations": []}]'])
def test_not_an_export(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="not a JSON export of Label Studio"):
        list(labelled(tmp_path / "x.json"))


def test_region_of_another_text_is_an_error(tasks: Path) -> None:
    export = annotated(tasks)
    found = json.loads(export.read_text(encoding="utf-8"))
    found[2]["annotations"][0]["result"][0]["value"]["text"] = "نص آخر"
    export.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(DataError, match=r"task 2: the region at 0 is not in the text"):
        list(labelled(export))


def labels(types: list[str], voice: str, stance: str, text: str = "جملة") -> dict:
    return {"text": text, "types": types, "voice": voice, "stances": [stance]}


def test_agreement_by_hand() -> None:
    e, c = str(ClaimType.EVENT), str(ClaimType.CAUSE)
    left = [[e], [e], [c], [e, c], [c], [NONE]]
    right = [[e], [c], [c], [e], [c], [NONE]]
    rows = [
        (labels(a, Voice.AUTHOR, Stance.AGREE), labels(b, Voice.AUTHOR, Stance.AGREE))
        for a, b in zip(left, right, strict=True)
    ]
    found = {(line.head, line.label): line for line in agreement.agreement(rows)}
    event = found["types", e]
    # Both say event 2 times and neither 3 times of 6; marginals 3/6 and 2/6: chance 1/2.
    assert (event.a, event.b, event.items) == (3, 2, 6)
    assert event.same == pytest.approx(5 / 6)
    assert event.kappa == pytest.approx((5 / 6 - 1 / 2) / (1 - 1 / 2))
    share = 5 / 12
    chance = 2 * share * (1 - share)
    assert event.ac1 == pytest.approx((5 / 6 - chance) / (1 - chance))
    assert found["types", NONE].kappa == 1
    assert found["types", ClaimType.RULE].kappa is None
    assert found["voice", ""].kappa is None
    assert found["voice", ""].ac1 == 1
    assert found["stance", Stance.AGREE].a == 6


def test_agreement_pairs_sentences_by_article_and_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def article(name: str, targets: list[str], *texts: str) -> dict:
        return {
            "id": name,
            "targets": targets,
            "sentences": [labels([NONE], Voice.AUTHOR, Stance.AGREE, t) for t in texts],
        }

    a = [article("1", ["ت"], "س", "س", "ص"), article("2", ["ت"], "ع"), article("3", ["ت"], "ف")]
    b = [article("1", ["ت"], "ص", "س"), article("2", ["غير"], "ع")]
    for name, rows in (("a", a), ("b", b)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    assert command(monkeypatch, "agreement", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sentences"] == 3
    by = {(line["head"], line["label"]): line["items"] for line in found["labels"]}
    assert (by["voice", ""], by["stance", ""]) == (3, 2)
    assert command(monkeypatch, "agreement", tmp_path / "a.jsonl", tmp_path / "b.jsonl") == 0
    assert "3 sentences" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="no labelled sentence in common"):
        agreement.pairs(agreement.read(tmp_path / "a.jsonl"), {})


def test_uncertainty_is_entropy() -> None:
    def reply(p: float) -> dict:
        half = {"a": p, "b": 1 - p}
        sentence = {"type_scores": {"t": p}, "voice": {"scores": half}, "stances": [{"scores": half}, {"label": None}]}
        return {"sentences": [sentence]}

    assert uncertainty(reply(0.5)) == pytest.approx(1)
    assert uncertainty(reply(1.0)) == 0
    assert uncertainty(reply(0.7)) > uncertainty(reply(0.9))


def test_pick_is_unsure_and_diverse() -> None:
    topics = ["الاقتصاد والأسعار والبنك المركزي", "كرة القدم والمباراة واللاعب", "المستشفى والأطباء واللقاح"]
    shuffle = random.Random(0)
    texts, unsure, topic = [], [], []
    for i in range(90):
        words = topics[i % 3].split() * 4
        shuffle.shuffle(words)
        texts.append(" ".join(words))
        unsure.append(0.9 if i < 45 else 0.1)
        topic.append(i % 3)
    chosen = pick(texts, unsure, 3)
    assert sorted(topic[i] for i in chosen) == [0, 1, 2]
    assert all(unsure[i] == 0.9 for i in chosen)
    assert pick(texts, unsure, 3) == chosen
    assert pick(texts[:2], [0.1, 0.2], 5) == [1, 0]
    assert len(set(pick(["نص واحد"] * 20, [0.5] * 20, 6))) == 6


def test_sample_writes_articles_that_can_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "picked.jsonl"
    assert command(monkeypatch, "sample", ROOT / "seeds" / "articles.jsonl", "-n", "7", "-o", out) == 0
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == 7
    assert [row["uncertainty"] for row in rows] == sorted((row["uncertainty"] for row in rows), reverse=True)
    assert command(monkeypatch, "export", out, "-o", tmp_path / "tasks.json") == 0
    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    assert [task["data"]["id"] for task in tasks] == [row["id"] for row in rows]
