"""Uses a report as a reader does, and prints what was seen as JSON: `python -m tests.tools.report_in_browser FILE`.

A process of its own, for only one Playwright can run in a process and the page's tests have theirs.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.page.serving import ARGS, CHROMIUM, ROOT

AXE = ROOT / "tests" / "page" / "node_modules" / "axe-core" / "axe.min.js"


def look(browser: Browser, url: str) -> dict[str, Any]:
    said: list[str] = []
    seen: dict[str, Any] = {"violations": [], "said": said}
    for scheme in ("light", "dark"):
        page = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda request: None if request.url == url else said.append(request.url))
        page.goto(url)
        seen[f"width {scheme}"] = page.evaluate("document.documentElement.scrollWidth")
        if AXE.exists():
            page.evaluate(AXE.read_text(encoding="utf-8"))
            seen["violations"] += [violation["id"] for violation in page.evaluate("axe.run()")["violations"]]
    use(page, seen)
    return seen


def use(page: Any, seen: dict[str, Any]) -> None:
    button = page.locator(".bars .n").first
    seen["number"] = int(button.inner_text())
    button.focus()
    page.keyboard.press("Enter")
    seen["sentences"] = page.locator("#evidence li").count()
    page.keyboard.press("Escape")
    seen["closed"] = page.locator("#evidence").is_hidden()
    head = page.locator(".types th .sort").nth(1)
    for order in ("largest first", "smallest first"):
        head.click()
        cells = page.locator(".types tbody tr td:nth-child(2)").all_inner_texts()
        seen[order] = [int(cell) for cell in cells]
    page.fill("#find", "المرصد")
    seen["found"] = page.locator(".list tbody tr:visible").count()
    page.click("#lang")
    seen["english"] = [page.locator("h1").inner_text(), page.evaluate("document.documentElement.dir")]


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        sys.stdout.write(json.dumps(look(browser, Path(sys.argv[1]).as_uri()), ensure_ascii=False))
        browser.close()


if __name__ == "__main__":
    main()
