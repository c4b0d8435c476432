"""Paste, read, choose, filter: what a reader does with the page."""

from __future__ import annotations

import re

import pytest

from tests.page.conftest import Reader

# Every line of the sheet without the chips: the gaps and the sentences as they stand.
PLAIN = """() => {
  const words = node => node.nodeType === Node.TEXT_NODE ? node.data : node.querySelector('.words').textContent;
  const lines = [...document.querySelectorAll('#article .line')];
  return lines.map(line => [...line.childNodes].map(words).join('')).join('\\n');
}"""


def shown(reader: Reader) -> list[int]:
    """Indexes of the sentences that pass the filters."""
    indexes = "all => all.map(s => Number(s.dataset.index))"
    return list(reader.page.eval_on_selector_all("#article .s:not(.off)", indexes))


def test_reads_an_article(reader, article, labels):
    reply = reader.read(article["text"], *article["targets"], title=article["title"])
    assert reader.asked() == {
        "text": article["text"],
        "title": article["title"],
        "targets": article["targets"],
        "scores": True,
        "offset_unit": "utf16",
    }
    assert len(reply["sentences"]) > 5
    assert reader.texts("#article .words") == [s["text"] for s in reply["sentences"]]
    assert reader.page.evaluate(PLAIN) == article["text"], "gaps and line breaks are kept"
    assert reader.texts("#article .headline") == [article["title"]]

    arabic = {label["id"]: label["arabic"] for label in [*labels["types"], labels["none"]]}
    order = [label["id"] for label in labels["types"]]
    for s in reply["sentences"]:
        element = reader.page.locator(f"#s{s['index']}")
        hue = f"hue-{order.index(s['primary'])}" if s["primary"] in order else "hue-none"
        assert hue in element.get_attribute("class").split()
        assert element.locator(".chip.types").first.inner_text() == arabic[s["primary"]]
        assert sorted(element.locator(".chip.types").all_inner_texts()) == sorted(
            arabic[t["label"]] for t in s["types"]
        )


def test_shows_voice_stances_and_the_documents_stance(reader, article, labels):
    reply = reader.read(article["text"], *article["targets"])
    voices = {label["id"]: label["arabic"] for label in labels["voices"]}
    stances = {label["id"]: label["arabic"] for label in labels["stances"]}
    silent = labels["stances"][-1]["id"]
    for s in reply["sentences"]:
        element = reader.page.locator(f"#s{s['index']}")
        assert element.locator(".chip.voices").all_inner_texts() == [voices[s["voice"]["label"]]]
        chips = [re.sub(r"\s", "", chip) for chip in element.locator(".chip.stances").all_inner_texts()]
        expected = [f"{x['target'] + 1}{stances[x['label']]}" for x in s["stances"] if x["label"] != silent]
        assert chips == [re.sub(r"\s", "", chip) for chip in expected]
    for stance in reply["document"]["stances"]:
        card = reader.page.locator(".card").nth(stance["target"])
        verdict = card.locator(".verdict").inner_text()
        assert stances[stance["label"]] in verdict
        assert f"{stance['score']:.0%}" in verdict
        assert card.locator(".chip.mixed").count() == stance["mixed"]
        counts = [int(n) for n in card.locator(".stance-filters .n").all_inner_texts()]
        assert counts == [stance["counts"][label["id"]] for label in labels["stances"]]


def test_the_chosen_sentence_tells_every_probability(reader, article, labels):
    reply = reader.read(article["text"], *article["targets"])
    reader.page.click("#s1 .words", position={"x": 40, "y": 10})
    sentence = reply["sentences"][1]
    for label in [*labels["types"], labels["none"]]:
        row = reader.page.locator(f"#detail .head >> nth=0 >> [data-row={label['id']}]")
        assert row.locator(".n").inner_text() == f"{sentence['type_scores'][label['id']]:.0%}"
    voice = reader.page.locator("#detail .head >> nth=1 >> .on .n").inner_text()
    assert voice == f"{sentence['voice']['score']:.0%}"
    assert reader.page.locator("#detail .head").count() == 2 + len(article["targets"])
    first = labels["types"][0]
    row = reader.page.locator(f"#detail [data-row={first['id']}]")
    row.locator("summary").click()
    assert first["definition_ar"] in row.inner_text()
    assert first["example"] in row.inner_text()
    reader.page.click("#detail-close")
    assert reader.page.locator("#article [aria-current]").count() == 0


def test_filters_by_voice_type_and_checkable(reader, article):
    sentences = reader.read(article["text"], *article["targets"])["sentences"]
    everything = [s["index"] for s in sentences]
    assert shown(reader) == everything

    voice = sentences[0]["voice"]["label"]
    reader.page.click(f"[data-filter=voices][data-label={voice}]")
    by_voice = [s["index"] for s in sentences if s["voice"]["label"] == voice]
    assert shown(reader) == by_voice

    reader.page.click("[data-filter=checkable]")
    both = [s["index"] for s in sentences if s["voice"]["label"] == voice and s["checkable"]]
    assert shown(reader) == both
    reader.page.click("#clear-filters")
    assert shown(reader) == everything

    kinds = {s["types"][-1]["label"] for s in sentences[:2]}
    for kind in kinds:
        reader.page.click(f"[data-filter=types][data-label={kind}]")
    either = [s["index"] for s in sentences if kinds & {t["label"] for t in s["types"]}]
    assert shown(reader) == either
    assert str(len(sentences)) in reader.page.inner_text("#matching")


def test_filters_by_stance_toward_one_target(reader, article, labels):
    sentences = reader.read(article["text"], *article["targets"])["sentences"]
    for label in (one["id"] for one in labels["stances"]):
        button = f"[data-filter=stances][data-target='1'][data-label={label}]"
        reader.page.click(button)
        assert shown(reader) == [s["index"] for s in sentences if s["stances"][1]["label"] == label]
        assert reader.page.get_attribute(button, "aria-pressed") == "true"
        reader.page.click(button)
    assert shown(reader) == [s["index"] for s in sentences]


def test_search_forgives_spelling_and_can_hide_the_rest(reader):
    reader.read("أُغلقت المدرسةُ أمس.\nإلى اللقاء.\nزار الوزير المدرسه.", "أُغلقت المدرسة.")
    reader.page.fill("#search", "اغلقت")
    assert shown(reader) == [0]
    reader.page.fill("#search", "المدرسة")
    assert shown(reader) == [0, 2]
    assert reader.page.is_visible("#s1")
    reader.page.click("#toggle-only")
    assert not reader.page.is_visible("#s1")
    reader.page.fill("#search", "لا وجود له")
    assert shown(reader) == []
    assert reader.page.inner_text("#matching") == "لا تجتاز أي جملة هذه المرشّحات."


def test_the_article_may_supply_the_target(reader, labels):
    reader.page.check("#default-target")
    reply = reader.read("أغلقت البلدية الجسر القديم.\nوقال المدير إنه آيل للسقوط.", title="")
    assert reader.asked()["default_target"] is True
    assert "targets" not in reader.asked()
    if reply["targets"]:
        own = next(s["index"] for s in reply["sentences"] if s.get("is_target"))
        assert reader.page.locator(f"#s{own} .chip.own").count() == 1
        assert reply["targets"][0]["text"] in reader.page.inner_text(".card")
    else:
        assert reader.page.locator(".no-targets").count() == 1


def test_nothing_of_an_article_is_taken_for_markup(reader, tmp_path):
    hostile = "<img src=x onerror=alert(1)> <script>alert(2)</script> قال الوزير. {{7*7}} </style>"
    reader.read(hostile, "<b>هدف</b>", title="<i>عنوان</i>")
    assert reader.page.evaluate(PLAIN) == hostile
    assert reader.page.locator("#result img, #result script, #result b:text('هدف')").count() == 0
    report = reader.downloaded("html").read_text(encoding="utf-8")
    assert "<img" not in report
    assert "<script" not in report
    assert "&lt;b&gt;هدف&lt;/b&gt;" in report


def test_a_label_explains_itself_on_hover(reader, article, labels):
    reply = reader.read(article["text"])
    primary = reply["sentences"][0]["primary"]
    label = next(one for one in [*labels["types"], labels["none"]] if one["id"] == primary)
    reader.page.hover("#s0 .chip.types >> nth=0")
    reader.page.wait_for_selector("#tip:not([hidden])")
    tip = reader.page.inner_text("#tip")
    assert label["definition_ar"] in tip
    assert label["example"] in tip
    reader.page.keyboard.press("Escape")
    assert not reader.page.is_visible("#tip")


@pytest.mark.parametrize(("language", "definition"), [("ar", "definition_ar"), ("en", "definition")])
def test_the_guide_has_every_label(new_reader, labels, language, definition):
    reader = new_reader(locale=language)
    reader.open().click("#open-guide")
    guide = reader.page.inner_text("#guide")
    for head in ("types", "voices", "stances"):
        for label in labels[head]:
            assert label["arabic"] in guide
            assert label["english"] in guide
            assert label[definition] in guide
            assert label["example"] in guide


def test_a_type_without_an_arabic_definition_is_explained_in_english(new_reader, labels):
    reader = new_reader()
    first, *others = labels["types"]
    own = {**labels, "types": [{**first, "definition_ar": ""}, *others]}
    reader.page.route("**/v1/labels", lambda route: route.fulfill(json=own))
    reader.open().click("#open-guide")
    definitions = reader.page.locator("#guide .definition")
    assert definitions.nth(0).inner_text() == first["definition"]
    assert definitions.nth(0).get_attribute("lang") == "en"
    assert definitions.nth(1).inner_text() == others[0]["definition_ar"]
    assert definitions.nth(1).get_attribute("lang") == "ar"


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1256"])
def test_opens_text_files(reader, tmp_path, encoding):
    text = "أغلقت البلدية الجسر القديم.\nوقال المدير إنه آيل للسقوط."
    path = tmp_path / "article.txt"
    path.write_bytes(text.encode(encoding))
    reader.page.set_input_files("#file", path)
    reader.until_text(text)
    assert ("1256" in reader.page.inner_text("#status")) == (encoding == "windows-1256")


def test_takes_a_dropped_file(reader):
    reader.page.evaluate(
        """() => { const data = new DataTransfer(); data.items.add(new File(['خبر عاجل.'], 'a.txt'));
        for (const type of ['dragover', 'drop'])
          document.getElementById('text').dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true})); }"""
    )
    reader.until_text("خبر عاجل.")


def test_targets_are_added_once_and_removed(reader):
    for target in ("الأول", "الثاني", "الأول"):
        reader.page.fill("#target", target)
        reader.page.click("#add-target")
    assert reader.texts("#targets .target-text") == ["الأول", "الثاني"]
    reader.page.click("#targets button >> nth=0")
    assert reader.texts("#targets .target-text") == ["الثاني"]
    reader.paste_target("ثالث\n\nرابع")
    assert reader.texts("#targets .target-text") == ["الثاني", "ثالث", "رابع"]


def test_reads_a_long_real_article(new_reader, shared):
    reader = new_reader()
    reader.open()
    for path in sorted((shared / "data" / "articles").glob("*.txt")):
        text = path.read_text(encoding="utf-8").rstrip("\n")
        reader.page.evaluate("document.getElementById('composer').open = true")
        reply = reader.read(text)
        # A text area turns every line break into \n, as the page's offsets expect.
        assert reader.page.evaluate(PLAIN) == text.replace("\r\n", "\n").replace("\r", "\n")
        assert len(reply["sentences"]) > 10
