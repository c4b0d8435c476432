"""The page for everyone: languages, themes, widths, keyboard, screen readers, and when things fail."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from models.labels import NONE, SCHEME
from tests.page.conftest import AXE, HERE, Reader

PAGE = HERE.parents[1] / "service" / "page"
TEXT = "أغلقت البلدية الجسر القديم.\nوقال المدير إنه آيل للسقوط.\nوطالب التجار بتعويضهم."


def current(reader: Reader) -> list[int]:
    indexes = "all => all.map(s => Number(s.dataset.index))"
    return list(reader.page.eval_on_selector_all("#article [aria-current]", indexes))


def audit(page: Any) -> list[str]:
    """axe-core's findings, as readable lines."""
    found = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations.flatMap("
        "rule => rule.nodes.map(node => `${rule.id}: ${node.target} ${node.failureSummary}`))"
    )
    return list(found)


@pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core (npm ci --prefix tests/page)")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["ar", "en"])
def test_axe_finds_nothing(new_reader, article, locale, theme):
    reader = new_reader(locale=locale, color_scheme=theme, bypass_csp=True)
    page = reader.open()
    page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    reply = reader.read(article["text"], *article["targets"], title=article["title"])
    page.keyboard.press("j")
    page.click(f"[data-filter=voices][data-label={reply['sentences'][0]['voice']['label']}]")
    page.evaluate("document.getElementById('composer').open = true")
    # Colours are read off while they still change, unless one waits for the transitions.
    page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
    assert audit(page) == []
    page.click("#open-guide")
    assert audit(page) == []


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_shows_it_whole(new_reader, article, width):
    reader = new_reader(viewport={"width": width, "height": 780}, has_touch=True, is_mobile=True)
    page = reader.open()
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    reader.read(article["text"], *article["targets"], title=article["title"])
    assert page.evaluate(fits)
    page.locator("#s2 .words").tap()
    box = page.locator("#detail").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] == pytest.approx(780, abs=1), "a sheet at the lower edge"
    assert page.locator("#s2").bounding_box()["y"] < box["y"], "the sentence stays in sight"
    page.click("#detail-close")
    assert not page.is_visible("#detail")
    for dialog in ("help", "guide"):
        page.click(f"#open-{dialog}")
        assert page.evaluate(fits)
        page.keyboard.press("Escape")


def test_speaks_the_browsers_language_and_keeps_the_choice(new_reader):
    reader = new_reader(locale="en-GB")
    page = reader.open()
    assert page.get_attribute("html", "dir") == "ltr"
    assert page.inner_text("#tag") == "Read the article"
    reader.read(TEXT, "أُغلق الجسر.")
    english = page.inner_text("#s0 .chip.types >> nth=0")
    page.click("#language")
    assert page.get_attribute("html", "dir") == "rtl"
    assert page.get_attribute("html", "lang") == "ar"
    assert page.inner_text("#s0 .chip.types >> nth=0") != english
    assert page.get_attribute("#article", "dir") == "rtl"
    page.reload()
    page.wait_for_selector("#open-licence")
    assert page.get_attribute("html", "lang") == "ar"


def test_both_languages_say_everything():
    def keys(language: str) -> list[str]:
        source = (PAGE / f"strings.{language}.js").read_text(encoding="utf-8")
        return re.findall(r"^  (\w+):", source, re.MULTILINE)

    assert keys("ar") == keys("en")


def test_theme_follows_the_system_until_switched(new_reader):
    reader = new_reader(color_scheme="dark")
    page = reader.open()
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.click("#theme")
    assert page.evaluate(background) != dark
    page.reload()
    page.wait_for_selector("#open-licence")
    assert page.evaluate(background) != dark


def test_keyboard_alone_is_enough(reader):
    page = reader.page
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.focus("#text")
    page.keyboard.insert_text(TEXT)
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "target":
            break
    page.keyboard.insert_text("أُغلق الجسر.")
    with page.expect_response("**/v1/tag"):
        page.keyboard.press("Control+Enter")
    page.wait_for_selector("#composer:not([open])")
    assert reader.asked()["targets"] == ["أُغلق الجسر."], "a target that is typed but not yet added counts"
    page.keyboard.press("j")
    assert current(reader) == [0]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert current(reader) == [2]
    page.keyboard.press("k")
    assert current(reader) == [1]
    assert page.evaluate("document.activeElement.id") == "s1"
    page.keyboard.press("Escape")
    assert current(reader) == []
    page.keyboard.press("Enter")
    assert current(reader) == [1]
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.insert_text("التجار")
    page.keyboard.press("Tab")
    page.keyboard.press("j")
    assert current(reader) == [2], "only sentences that pass the filters"
    page.keyboard.press("t")
    assert not page.is_visible("#s2 .tags")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    assert page.evaluate("document.activeElement.id") == "text"


def test_letter_keys_work_on_an_arabic_keyboard_and_can_be_switched_off(reader):
    reader.read(TEXT)
    press = "(init) => document.body.dispatchEvent(new KeyboardEvent('keydown', {...init, bubbles: true}))"
    reader.page.evaluate(press, {"key": "ت", "code": "KeyJ"})
    assert current(reader) == [0]
    reader.page.evaluate(press, {"key": "؟", "code": "Slash", "shiftKey": True})
    reader.page.uncheck("#single-keys")
    reader.page.keyboard.press("Escape")
    reader.page.evaluate(press, {"key": "j", "code": "KeyJ"})
    assert current(reader) == [0]


def test_screen_readers_hear_the_labels(reader, labels):
    reply = reader.read(TEXT, "أُغلق الجسر.")
    arabic = {one["id"]: one["arabic"] for head in ("types", "voices") for one in labels[head]}
    arabic[labels["none"]["id"]] = labels["none"]["arabic"]
    sentence = reply["sentences"][0]
    button = reader.page.get_by_role("button", name=re.compile(re.escape(sentence["text"])))
    name = button.evaluate("element => element.innerText")
    assert arabic[sentence["primary"]] in name
    assert arabic[sentence["voice"]["label"]] in name
    assert reader.page.get_attribute("#status", "aria-live") == "polite"
    assert reader.page.evaluate("document.activeElement.id") == "result-heading"


@pytest.mark.parametrize(
    ("status", "code", "language", "words"),
    [
        (422, "invalid", "ar", "في الطلب ما لا يُسمح به"),
        (429, "queue_full", "ar", "حاول بعد 7 ثوانٍ."),
        (413, "too_large", "en", "too large"),
        (503, "not_ready", "en", "Try again in 7 seconds."),
        (500, "internal", "en", "Your text is still here"),
        (504, "deadline", "ar", "طالت قراءة المقال"),
    ],
)
def test_errors_are_told_kindly(new_reader, status, code, language, words):
    reader = new_reader(locale=language)
    page = reader.open()
    reader.refuse(status, code, **({"retry-after": "7"} if status in (429, 503) else {}))
    page.fill("#text", TEXT)
    page.click("#tag")
    page.wait_for_selector("[role=alert]")
    told = page.inner_text("[role=alert]")
    assert words in told
    assert "r-123" in told, "the request's number, for whoever runs the service"
    assert ("targets[1]" in told) == (code == "invalid")
    assert page.input_value("#text") == TEXT, "nothing of the reader's work is lost"
    assert page.is_visible("#retry") == (code not in ("invalid", "too_large"))
    if page.is_visible("#retry"):
        page.click("#retry")
        page.wait_for_selector("#composer:not([open])")
        assert not page.is_visible("[role=alert]")


def test_a_real_refusal_names_the_field(reader):
    reader.page.fill("#text", TEXT)
    reader.paste_target("\n".join(f"هدف {index}" for index in range(33)))
    reader.page.click("#tag")
    reader.page.wait_for_selector("[role=alert]")
    assert "targets" in reader.page.inner_text("[role=alert] ul")


def test_no_network_and_no_article(reader):
    reader.page.click("#tag")
    assert "لا مقال بعد" in reader.page.inner_text("[role=alert]")
    reader.page.context.set_offline(True)
    reader.page.fill("#text", TEXT)
    reader.page.click("#tag")
    reader.page.wait_for_selector("#retry")
    assert "تعذّر الوصول" in reader.page.inner_text("[role=alert]")
    reader.page.context.set_offline(False)
    reader.page.click("#retry")
    reader.page.wait_for_selector("#article .s")


def test_a_reading_can_be_cancelled(reader):
    held = []
    reader.page.route("**/v1/tag", lambda route: held.append(route))
    reader.page.fill("#text", TEXT)
    reader.page.click("#tag")
    reader.page.click("#cancel")
    reader.page.wait_for_selector("#cancel", state="hidden")
    assert reader.page.inner_text("#status") == "أُلغيت القراءة."
    assert reader.page.locator("[role=alert]").count() == 0


def test_the_files_name_no_label_and_no_other_host():
    ids = [label.id for head in (SCHEME.types, SCHEME.voices, SCHEME.stances) for label in head] + [NONE]
    names = re.compile("[\"'`](" + "|".join(map(re.escape, ids)) + ")[\"'`]")
    for path in PAGE.iterdir():
        source = path.read_text(encoding="utf-8")
        # In the policy and in a drawing the word is a keyword, not a label.
        assert path.suffix == ".svg" or not names.search(source.replace("default-src 'none'", "")), path.name
        assert set(re.findall(r"https?://[^\s\"'`)]+", source)) <= {"http://www.w3.org/2000/svg"}, path.name
    index = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", index)
    assert json.loads((HERE / "package.json").read_text(encoding="utf-8"))["private"] is True
