"""Every row of the REST contract, against the running service."""

from __future__ import annotations

import json
from typing import Any

import pytest

from models.labels import NONE, SCHEME, STANCES, VOICES
from service.replies import BatchReply, ErrorReply, LabelsReply, ModelReply, TagReply
from tests.service.process import TEXT, Server

SENTENCES = ["أغلقت السلطات المعبر الحدودي صباح الاثنين.", "وقال الوزير إن الإغلاق سيستمر أسبوعا."]
TARGETS = ["سيُفتح المعبر قريبا.", "أُغلق المعبر."]


def tagged(server: Server, **request: object) -> dict[str, Any]:
    reply = server.tag(**request)
    assert reply.status_code == 200, reply.text
    TagReply.model_validate_json(reply.content)
    data: dict[str, Any] = reply.json()
    return data


def refused(server: Server, status: int, code: str, **request: object) -> dict[str, Any]:
    reply = server.tag(**request)
    assert reply.status_code == status, reply.text
    ErrorReply.model_validate_json(reply.content)
    assert len(reply.content) < 4096
    error: dict[str, Any] = reply.json()["error"]
    assert error["code"] == code
    assert error["request_id"] == reply.headers["x-request-id"]
    return error


def test_text_is_segmented_with_exact_offsets(served):
    data = tagged(served, text=TEXT, id="a1", targets=TARGETS)
    assert data["id"] == "a1"
    assert data["model"] == {"name": "tiny", "version": "0", "scheme": SCHEME.name}
    assert [TEXT[s["start"] : s["end"]] for s in data["sentences"]] == SENTENCES
    assert [s["text"] for s in data["sentences"]] == SENTENCES
    assert [s["index"] for s in data["sentences"]] == [0, 1]
    assert data["usage"]["sentences"] == 2
    assert data["usage"]["windows"] == 3


def test_sentences_come_back_one_for_one(served):
    own = ["أ. ب. ت. جملة واحدة؟ نعم! هي", " مسافة في الطرفين ", SENTENCES[0]]
    data = tagged(served, sentences=own)
    assert [s["text"] for s in data["sentences"]] == own
    assert {(s["start"], s["end"]) for s in data["sentences"]} == {(None, None)}


def test_spans_are_the_sentences(served):
    spans = [[0, 6], [7, 30], [31, len(TEXT)]]
    data = tagged(served, text=TEXT, spans=spans)
    assert [[s["start"], s["end"]] for s in data["sentences"]] == spans
    assert [s["text"] for s in data["sentences"]] == [TEXT[a:b] for a, b in spans]


def test_offsets_in_utf16_count_a_pair_as_two(served):
    text = f"😀 {SENTENCES[0]} 🚩 {SENTENCES[1]}"
    units = text.encode("utf-16-le")
    requests: tuple[dict[str, Any], ...] = ({}, {"spans": [[0, 2], [3, 40]]})
    for request in requests:
        data = tagged(served, text=text, offset_unit="utf16", **request)
        assert data["offset_unit"] == "utf16"
        for s in data["sentences"]:
            assert units[2 * s["start"] : 2 * s["end"]].decode("utf-16-le") == s["text"]
    assert [[s["start"], s["end"]] for s in data["sentences"]] == [[0, 2], [3, 40]]
    refused(served, 422, "invalid", text=text, offset_unit="utf16", spans=[[1, 5]])


def test_each_sentence_is_tagged_by_the_scheme(served):
    data = tagged(served, sentences=SENTENCES * 5, targets=TARGETS, scores=True)
    names = {*SCHEME.type_ids, NONE}
    for s in data["sentences"]:
        labels = [t["label"] for t in s["types"]]
        scores = [t["score"] for t in s["types"]]
        assert labels
        assert scores == sorted(scores, reverse=True)
        assert (NONE in labels) == (labels == [NONE])
        assert s["primary"] in labels
        assert s["checkable"] == bool(set(labels) & set(SCHEME.checkable))
        assert set(s["type_scores"]) == names
        assert set(s["voice"]["scores"]) == set(VOICES)
        assert s["voice"]["label"] == max(s["voice"]["scores"], key=s["voice"]["scores"].get)
        assert [entry["target"] for entry in s["stances"]] == [0, 1]
        for entry in s["stances"]:
            assert set(entry["scores"]) == set(STANCES)
            assert entry["label"] == max(entry["scores"], key=entry["scores"].get)
            assert sum(entry["scores"].values()) == pytest.approx(1, abs=1e-4)
    assert [d["target"] for d in data["document"]["stances"]] == [0, 1]
    assert [sum(d["counts"].values()) for d in data["document"]["stances"]] == [10, 10]


def test_scores_are_left_out_unless_asked_for(served):
    (first, _) = tagged(served, sentences=SENTENCES, targets=TARGETS)["sentences"]
    assert "type_scores" not in first
    assert "scores" not in first["voice"]
    assert "scores" not in first["stances"][0]


def test_types_and_voice_do_not_depend_on_the_targets(served):
    without = tagged(served, text=TEXT)["sentences"]
    beside = tagged(served, text=TEXT, targets=TARGETS)["sentences"]
    for a, b in zip(without, beside, strict=True):
        assert (a["types"], a["voice"], a["primary"]) == (b["types"], b["voice"], b["primary"])


def test_no_targets_give_no_stances_whatever_the_flag_says(served):
    requests: tuple[dict[str, Any], ...] = ({"targets": []}, {"targets": [], "default_target": True}, {})
    for request in requests:
        data = tagged(served, text=TEXT, **request)
        assert data["targets"] == []
        assert {tuple(s["stances"]) for s in data["sentences"]} == {()}
        assert data["document"]["stances"] == []


def test_the_default_target_is_the_title_or_the_lead(served):
    titled = tagged(served, text=TEXT, title=TARGETS[1], default_target=True)
    led = tagged(served, text=TEXT, default_target=True)
    if titled["targets"]:
        assert [t["source"] for t in titled["targets"]] in (["title"], ["lead"])
        assert TARGETS[1] not in [s["text"] for s in titled["sentences"]]
    suppliers = [s for s in led["sentences"] if s.get("is_target")]
    assert [t["source"] for t in led["targets"]] == ["lead"] * len(suppliers)
    for s in suppliers:
        assert s["stances"] == [{"target": 0, "label": None, "score": None}]
        assert led["targets"][0]["text"] == s["text"]
        assert sum(led["document"]["stances"][0]["counts"].values()) == len(led["sentences"]) - 1


def test_identical_targets_are_answered_each(served):
    data = tagged(served, text=TEXT, targets=[TARGETS[0]] * 3)
    assert [t["index"] for t in data["targets"]] == [0, 1, 2]
    for s in data["sentences"]:
        assert [entry["target"] for entry in s["stances"]] == [0, 1, 2]
        assert len({entry["score"] for entry in s["stances"]}) == 1


@pytest.mark.parametrize("text", ["Only English here.", "🙂🙂🙂", "123"])
def test_text_without_arabic_is_tagged_and_says_so(served, text):
    assert all(s["no_arabic"] for s in tagged(served, text=text)["sentences"])


def test_a_sentence_longer_than_a_window_is_cut_or_refused(served):
    long = " ".join(["كلمات"] * 400)
    data = tagged(served, sentences=[long, SENTENCES[0]])
    assert [s["truncated"] for s in data["sentences"]] == [True, False]
    assert data["sentences"][0]["text"] == long
    error = refused(served, 422, "invalid", sentences=[SENTENCES[0], long], on_overflow="error")
    assert error["details"][0]["field"] == "sentences[1]"


def test_an_article_longer_than_a_window_loses_nothing(served):
    text = " ".join(SENTENCES * 100)
    data = tagged(served, text=text, targets=TARGETS)
    assert len(data["sentences"]) == 200
    assert data["usage"]["windows"] > 3
    assert not any(s["truncated"] for s in data["sentences"])


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "EOF"),
        (b"{", "EOF"),
        (b'{"text": "\xff\xfe"}', "line 1"),
        (b'{"text": "\\ud83d"}', "escape"),
        (b'{"text": "\\udc00"}', "escape"),
        (b'{"a":' * 100_000, "recursion"),
        (b"[" * 200_000, "recursion"),
        (b'{"text": "a"} x', "trailing"),
        (b'{"text": NaN}', "expected"),
        (b"\xef\xbb\xbf{}", "expected"),
    ],
)
def test_what_is_not_json_is_a_bad_request(served, body, word):
    reply = served.client.post("/v1/tag", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 400
    error = ErrorReply.model_validate_json(reply.content).error
    assert error.code == "bad_request"
    assert word in error.message
    assert len(reply.content) < 4096


LONG = "أ" * 500_001
INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "neither": ({}, "text"),
    "both": ({"text": TEXT, "sentences": SENTENCES}, "text"),
    "text number": ({"text": 5}, "text"),
    "text null": ({"text": None}, "text"),
    "text empty": ({"text": ""}, "text"),
    "text white": ({"text": " \u00a0\u2003\n"}, "text"),
    "text NUL": ({"text": "أ\0"}, "text"),
    "text long": ({"text": LONG}, "text"),
    "sentences empty": ({"sentences": []}, "sentences"),
    "sentences text": ({"sentences": TEXT}, "sentences"),
    "sentence empty": ({"sentences": [TEXT, ""]}, "sentences[1]"),
    "sentence white": ({"sentences": [TEXT, TEXT, "\t"]}, "sentences[2]"),
    "sentence NUL": ({"sentences": ["\0"]}, "sentences[0]"),
    "sentence null": ({"sentences": [None]}, "sentences[0]"),
    "sentences many": ({"sentences": ["أ"] * 2001}, "sentences"),
    "sentences long": ({"sentences": [LONG[:250_001]] * 2}, "sentences"),
    "spans without text": ({"sentences": SENTENCES, "spans": [[0, 1]]}, "spans"),
    "spans empty": ({"text": TEXT, "spans": []}, "spans"),
    "spans overlap": ({"text": TEXT, "spans": [[0, 5], [4, 9]]}, "spans[1]"),
    "spans order": ({"text": TEXT, "spans": [[5, 9], [0, 4]]}, "spans[1]"),
    "spans range": ({"text": TEXT, "spans": [[0, 10_000]]}, "spans[0]"),
    "span empty": ({"text": TEXT, "spans": [[3, 3]]}, "spans[0]"),
    "span blank": ({"text": "أ  ب", "spans": [[0, 1], [1, 3]]}, "spans[1]"),
    "span triple": ({"text": TEXT, "spans": [[0, 1, 2]]}, "spans[0]"),
    "span bool": ({"text": TEXT, "spans": [[False, True]]}, "spans[0][0]"),
    "span float": ({"text": TEXT, "spans": [[0, 1.5]]}, "spans[0][1]"),
    "title empty": ({"text": TEXT, "title": " "}, "title"),
    "title null": ({"text": TEXT, "title": None}, "title"),
    "targets text": ({"text": TEXT, "targets": "a"}, "targets"),
    "targets null": ({"text": TEXT, "targets": None}, "targets"),
    "target white": ({"text": TEXT, "targets": [TEXT, "\u200a"]}, "targets[1]"),
    "target NUL": ({"text": TEXT, "targets": ["a\0b"]}, "targets[0]"),
    "targets many": ({"text": TEXT, "targets": ["أ"] * 33}, "targets"),
    "target tokens": ({"text": TEXT, "targets": ["قال", "كلمة " * 97]}, "targets[1]"),
    "id number": ({"text": TEXT, "id": 7}, "id"),
    "flag text": ({"text": TEXT, "scores": "true"}, "scores"),
    "flag number": ({"text": TEXT, "context": 1}, "context"),
    "overflow": ({"text": TEXT, "on_overflow": "cut"}, "on_overflow"),
    "unit": ({"text": TEXT, "offset_unit": "bytes"}, "offset_unit"),
    "unknown": ({"text": TEXT, "contxt": True}, "contxt"),
}


@pytest.mark.parametrize("case", INVALID)
def test_what_the_contract_does_not_allow_names_its_field(served, case):
    request, field = INVALID[case]
    error = refused(served, 422, "invalid", **request)
    assert error["details"][0]["field"] == field
    assert field in error["message"]


@pytest.mark.parametrize("body", ["null", "[]", '"text"', "5", "true"])
def test_a_body_that_is_no_object_is_invalid(served, body):
    reply = served.client.post("/v1/tag", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    assert "object" in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        ({"text": LONG}, "500000"),
        ({"sentences": ["أ"] * 2001}, "2000"),
        ({"text": TEXT, "targets": ["أ"] * 33}, "32"),
        ({"text": TEXT, "targets": ["كلمة " * 97]}, "48"),
    ],
)
def test_a_limit_is_named(served, request_, limit):
    assert limit in refused(served, 422, "invalid", **request_)["message"]


def test_a_batch_answers_in_order_and_a_bad_article_harms_no_other(served):
    articles = [
        {"id": "a", "text": TEXT},
        {"id": "b", "text": ""},
        5,
        {"id": "c", "sentences": SENTENCES, "targets": [], "scores": True},
        {"id": "d", "text": TEXT, "targets": ["كلمة " * 97]},
        {"text": TEXT, "offset_unit": "utf16", "spans": [[0, 5]]},
        {"id": 5, "text": TEXT},
    ]
    reply = served.client.post("/v1/batch", json={"articles": articles, "targets": TARGETS})
    assert reply.status_code == 200
    BatchReply.model_validate_json(reply.content)
    results = reply.json()["results"]
    assert [r["id"] for r in results] == ["a", "b", None, "c", "d", None, None]
    assert [r.get("error", {}).get("code") for r in results] == [
        None,
        "invalid",
        "invalid",
        None,
        "invalid",
        None,
        "invalid",
    ]
    assert [r["error"]["details"][0]["field"] for r in results if "error" in r] == ["text", "", "targets[0]", "id"]
    assert [len(r["targets"]) for r in results if "error" not in r] == [2, 0, 2]
    assert results[0] == tagged(served, text=TEXT, id="a", targets=TARGETS)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "articles"),
        ({"articles": []}, "articles"),
        ({"articles": {}}, "articles"),
        ({"articles": [{"text": "أ"}] * 65}, "articles"),
        ({"articles": [{"text": "أ"}], "targets": [""]}, "targets[0]"),
        ({"articles": [{"text": "أ"}], "target": []}, "target"),
    ],
)
def test_a_wrong_batch_is_refused_whole(served, body, field):
    reply = served.client.post("/v1/batch", json=body)
    assert reply.status_code == 422
    assert reply.json()["error"]["details"][0]["field"] == field


def test_labels_tell_the_scheme(served):
    reply = served.client.get("/v1/labels")
    LabelsReply.model_validate_json(reply.content)
    data = reply.json()
    assert data["scheme"] == SCHEME.name
    assert [label["id"] for label in data["types"]] == list(SCHEME.type_ids)
    assert all(0 < label["threshold"] < 1 for label in data["types"])
    assert [label["id"] for label in data["voices"]] == list(VOICES)
    assert [label["id"] for label in data["stances"]] == list(STANCES)
    assert data["none"]["id"] == NONE
    told = ("arabic", "english", "definition", "definition_ar", "example")
    for label in (*data["types"], data["none"], *data["voices"], *data["stances"]):
        assert all(label[field] for field in told), label["id"]
    assert data["mappings"]


def test_the_model_says_what_it_is(served, tiny_tagger):
    reply = served.client.get("/v1/model")
    ModelReply.model_validate_json(reply.content)
    data = reply.json()
    assert data["fingerprint"] == tiny_tagger.bundle.fingerprint
    assert data["encoder"]
    assert data["licence_text"]
    assert data["limits"]["max_targets"] == 32
    assert data["limits"]["max_target_tokens"] == 48


def test_probes_page_metrics_and_contract_answer(served):
    for path in ("/livez", "/readyz", "/healthz", "/metrics", "/docs.json", "/", "/page/app.js"):
        reply = served.client.get(path)
        assert reply.status_code == 200, path
        assert reply.headers["x-request-id"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert served.client.head(path).status_code == 200
    page = served.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert served.client.get("/page/../settings.py").status_code == 404
    assert served.client.get("/page/%2e%2e/settings.py").status_code == 404
    assert served.client.get("/page/missing.js").json()["error"]["code"] == "not_found"


def test_the_reply_equals_the_taggers_own(served, tiny_tagger):
    from models.tags import Document

    (tags,) = tiny_tagger.tag([Document(text=TEXT, targets=tuple(TARGETS))])
    assert json.loads(json.dumps(tags.to_json(scores=True))) == tagged(served, text=TEXT, targets=TARGETS, scores=True)
