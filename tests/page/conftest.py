"""The page in a real browser against the real service, with a tiny bundle behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.page.serving import ARGS, CHROMIUM, serving

HERE = Path(__file__).resolve().parent
AXE = HERE / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class Reader:
    """One person at the page: a fresh browser context, and what went wrong or out of the house."""

    page: Any
    url: str
    problems: list[str] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)

    def open(self) -> Any:
        """Go to the page and wait until it knows the labels."""
        self.page.goto(self.url)
        self.page.wait_for_selector("#open-licence")
        return self.page

    def read(self, text: str, *targets: str, title: str = "") -> dict[str, Any]:
        """Paste an article, add targets, read it; the reply as the page got it."""
        page = self.page
        page.fill("#text", text)
        page.fill("#title", title)
        for target in targets:
            page.fill("#target", target)
            page.keyboard.press("Enter")
        with page.expect_response("**/v1/tag") as reply:
            page.click("#tag")
        page.wait_for_selector("#composer:not([open])")
        tags: dict[str, Any] = reply.value.json()
        return tags

    def paste_target(self, text: str) -> None:
        """Paste into the target's field."""
        self.page.evaluate(
            """text => { const data = new DataTransfer(); data.setData('text', text);
            const paste = new ClipboardEvent('paste', {clipboardData: data, bubbles: true});
            document.getElementById('target').dispatchEvent(paste); }""",
            text,
        )

    def until_text(self, text: str) -> None:
        """Wait until the article's field holds this text."""
        from playwright.sync_api import expect

        expect(self.page.locator("#text")).to_have_value(text)

    def asked(self) -> dict[str, Any]:
        """The last request that the page sent to /v1/tag."""
        last = next(one for one in reversed(self.requests) if one.url.endswith("/v1/tag"))
        body: dict[str, Any] = last.post_data_json
        return body

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that match."""
        texts: list[str] = self.page.locator(selector).all_inner_texts()
        return texts

    def downloaded(self, kind: str) -> Path:
        """The file behind one of the export buttons."""
        with self.page.expect_download() as download:
            self.page.click(f"[data-export={kind}]")
        assert download.value.suggested_filename.endswith(f".{kind}")
        return Path(download.value.path())

    def refuse(self, status: int, code: str, **headers: str) -> None:
        """Let the next reading be answered with an error envelope."""
        details = [{"field": "targets[1]", "message": "must not be empty"}] if code == "invalid" else []
        envelope = {"code": code, "message": code, "details": details, "request_id": "r-123"}
        self.page.route(
            "**/v1/tag", lambda route: route.fulfill(status=status, json={"error": envelope}, headers=headers), times=1
        )


@pytest.fixture(scope="session")
def service_url(tiny_bundle: Path) -> Iterator[str]:
    """The address of a service that runs the tiny bundle."""
    with serving(tiny_bundle) as url:
        yield url


# Not for the whole session: while Playwright runs, the main thread has an event loop and nobody else may start one.
@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (the dev extra)")
    if CHROMIUM is None:
        pytest.skip("needs chromium (apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def new_reader(browser: Any, service_url: str) -> Iterator[Callable[..., Reader]]:
    """Makes readers; each must leave with no console message and no request to another host."""
    readers: list[tuple[Reader, Any]] = []

    def make(**options: Any) -> Reader:
        settings = {"locale": "ar", "viewport": {"width": 1280, "height": 900}, **options}
        context = browser.new_context(**settings)
        context.set_default_timeout(30_000)
        reader = Reader(context.new_page(), service_url)
        # Chromium itself reports every reply of 400 and above; those the tests ask for on purpose.
        reader.page.on(
            "console",
            lambda message: (
                None if message.text.startswith("Failed to load resource") else reader.problems.append(message.text)
            ),
        )
        reader.page.on("pageerror", lambda error: reader.problems.append(str(error)))
        reader.page.on("request", lambda request: reader.requests.append(request))
        readers.append((reader, context))
        return reader

    yield make
    for reader, context in readers:
        foreign = [one.url for one in reader.requests if not one.url.startswith((service_url, "blob:", "data:"))]
        context.close()
        assert reader.problems == []
        assert foreign == []


@pytest.fixture
def reader(new_reader: Callable[..., Reader]) -> Reader:
    """A person with an Arabic browser on a desk screen, the page open."""
    one = new_reader()
    one.open()
    return one


@pytest.fixture(scope="session")
def labels(service_url: str) -> dict[str, Any]:
    """The reply of /v1/labels."""
    reply: dict[str, Any] = httpx.get(f"{service_url}/v1/labels").json()
    return reply


@pytest.fixture(scope="session")
def article(seed_articles: list[dict[str, Any]]) -> dict[str, Any]:
    """A seed article as text: title, paragraphs of two sentences with an empty line and blanks between."""
    first = seed_articles[0]
    sentences = [sentence["text"] for sentence in first["sentences"][1:]]
    paragraphs = [" ".join(sentences[i : i + 2]) for i in range(0, len(sentences), 2)]
    text = "\U0001f4f0 " + "\n\n".join(paragraphs[:-1]) + "\n  " + paragraphs[-1] + "\n"
    return {"text": text, "title": first["sentences"][0]["text"], "targets": first["targets"][:2]}
