"""What leaves the page: files, and the API call that can be repeated outside it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys

import httpx
import pytest


def test_json_is_the_reply(reader, article):
    reply = reader.read(article["text"], *article["targets"])
    assert json.loads(reader.downloaded("json").read_text(encoding="utf-8")) == reply


def test_csv_has_a_row_per_sentence(reader, article):
    reply = reader.read(article["text"], *article["targets"])
    raw = reader.downloaded("csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "spreadsheets need the mark to read Arabic"
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert len(rows) == len(reply["sentences"])
    for row, s in zip(rows, reply["sentences"], strict=True):
        assert row["text"] == s["text"]
        assert (int(row["start"]), int(row["end"])) == (s["start"], s["end"])
        assert row["types"].split() == [t["label"] for t in s["types"]]
        assert row["checkable"] == str(s["checkable"]).lower()
        assert (row["primary"], row["voice"]) == (s["primary"], s["voice"]["label"])
        assert float(row["voice_score"]) == s["voice"]["score"]
        for stance in s["stances"]:
            n = stance["target"] + 1
            assert row[f"target_{n}"] == article["targets"][stance["target"]]
            assert row[f"stance_{n}"] == stance["label"]
            assert float(row[f"stance_{n}_score"]) == stance["score"]


def test_csv_runs_no_formula(reader):
    reader.read('=HYPERLINK("http://x.test","قال الوزير")\n@قال آخر.')
    rows = list(csv.DictReader(io.StringIO(reader.downloaded("csv").read_text(encoding="utf-8-sig"), newline="")))
    assert {row["text"][0] for row in rows} == {"'"}


def test_the_report_needs_nothing_else(reader, browser, article, labels, tmp_path):
    reply = reader.read(article["text"], *article["targets"], title=article["title"])
    path = tmp_path / "report.html"
    shutil.copy(reader.downloaded("html"), path)
    context = browser.new_context()
    page = context.new_page()
    problems, requests = [], []
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    assert page.locator(".words").all_inner_texts() == [s["text"] for s in reply["sentences"]]
    assert page.locator(".card").count() == len(article["targets"])
    assert page.locator("table").last.locator("tbody tr").count() == len(reply["sentences"])
    text = page.inner_text("body")
    assert labels["types"][0]["definition_ar"] in text
    assert reply["model"]["version"] in text
    colour = page.eval_on_selector(".words", "element => getComputedStyle(element).backgroundImage")
    assert "gradient" in colour
    assert problems == []
    assert requests == [path.as_uri()]
    context.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_call_gives_the_same_answer(reader, article):
    reply = reader.read(article["text"] + "\nقال: \"'$HOME' `id` \\n\"", *article["targets"])
    reader.page.click("#open-call")
    command = reader.page.inner_text("#call-curl")
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, timeout=30)
    assert json.loads(done.stdout)["sentences"] == reply["sentences"]


def test_the_python_call_gives_the_same_answer(reader, article):
    reply = reader.read(article["text"], *article["targets"])
    reader.page.click("#open-call")
    program = reader.page.inner_text("#call-Python")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=30, encoding="utf-8"
    )
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows == [[s["primary"], s["voice"]["label"], s["text"]] for s in reply["sentences"]]


def test_the_calls_hold_no_key(reader, service_url):
    asked_once = {"done": False}

    def guard(route):
        if route.request.headers.get("authorization") == "Bearer s3cret":
            asked_once["done"] = True
            route.continue_()
        else:
            route.fulfill(
                status=401,
                json={"error": {"code": "unauthorized", "message": "x", "details": [], "request_id": "r"}},
            )

    reader.page.route("**/v1/*", guard)
    reader.page.reload()
    reader.page.wait_for_selector("#key[open]")
    reader.page.fill("#key-field", "wrong")
    reader.page.keyboard.press("Enter")
    reader.page.wait_for_selector("#key .wrong")
    reader.page.fill("#key-field", "s3cret")
    reader.page.keyboard.press("Enter")
    reader.page.wait_for_selector("#open-licence")
    reader.read("أغلقت البلدية الجسر القديم.")
    assert asked_once["done"]
    reader.page.click("#open-call")
    for name in ("curl", "Python"):
        assert "s3cret" not in reader.page.inner_text(f"#call-{name}")
        assert "QAWL_KEY" in reader.page.inner_text(f"#call-{name}")
    kept = reader.page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    assert "s3cret" not in kept
    assert "s3cret" not in reader.page.content()


def test_the_page_is_served_under_its_policy(service_url):
    reply = httpx.get(service_url + "/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert httpx.get(service_url + "/page/nothing.js").status_code == 404
