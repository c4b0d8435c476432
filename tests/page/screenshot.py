"""Pictures for the README, of seeds articles: `python -m tests.page.screenshot` writes docs/page.png and report.png."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from playwright.sync_api import Page, sync_playwright

from tests.page import example_report
from tests.page.serving import ARGS, CHROMIUM, ROOT, serving


def main(
    article: Annotated[str, typer.Option(help="id of an article in seeds/articles.jsonl")] = "p00",
    language: Annotated[str, typer.Option(help="language of the interface: en or ar")] = "en",
    theme: Annotated[str, typer.Option(help="light or dark")] = "light",
    sentence: Annotated[int, typer.Option(help="index of the sentence that is chosen")] = 1,
    bundle: Annotated[Path | None, typer.Option(help="bundle to use; default: the shipped one")] = None,
    out: Annotated[Path, typer.Option(help="folder of the pictures")] = ROOT / "docs",
) -> None:
    """Read the article on the page and take a picture of it, then one of a report on several articles."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        context = browser.new_context(
            locale=language,
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": 1280, "height": 1000},
        )
        page = context.new_page()
        out.mkdir(parents=True, exist_ok=True)
        with serving(bundle) as url:
            read(page, url, seed(article), sentence)
            page.screenshot(path=out / "page.png")
        with tempfile.TemporaryDirectory() as folder:
            page.goto(example_report.write(Path(folder), bundle).as_uri())
            if language == "en":
                page.click("#lang")
            page.screenshot(path=out / "report.png")
        browser.close()
    typer.echo(f"{out}/page.png, {out}/report.png")


def seed(name: str) -> dict[str, Any]:
    """The seeds article of that id.

    Raises:
        typer.BadParameter: there is none.

    """
    for line in (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").splitlines():
        if (article := json.loads(line))["id"] == name:
            return dict(article)
    raise typer.BadParameter(f"--article: {name}: seeds/articles.jsonl has no such id")


def read(page: Page, url: str, article: dict[str, Any], sentence: int) -> None:
    """Do what a reader does, up to a chosen sentence, with the result at the top of the window."""
    title, *body = [one["text"] for one in article["sentences"]]
    page.goto(url)
    page.fill("#title", title)
    page.fill("#text", "\n".join(body))
    for target in article["targets"][:2]:
        page.fill("#target", target)
        page.keyboard.press("Enter")
    page.click("#tag")
    page.wait_for_selector("#composer:not([open])", timeout=60_000)
    page.evaluate(f"document.querySelector('#s{sentence} .words').click()")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")


if __name__ == "__main__":
    typer.run(main)
