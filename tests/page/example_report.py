"""The report of the README, on the articles of seeds/ that share their subjects: a strike, a theft, a leak, a price."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.page.serving import ROOT

TARGETS = (
    "دخل عمال الميناء في إضراب",
    "استُرجعت القطع المسروقة من المتحف",
    "سُرّبت أسئلة الامتحان",
    "ارتفع ثمن زيت الزيتون",
)
SOURCES = {
    "المغرب": ("e06", "d08"),
    "موريتانيا": ("d14",),
    "سوريا": ("h11",),
    "الجزائر": ("d13", "h07"),
    "العراق": ("d12",),
    "تونس": ("e03",),
}
"""Articles by the country that their style is of; each subject is in two of them."""


def write(folder: Path, bundle: Path | None = None) -> Path:
    """Tag the articles as a user would, with `qawl tag`; the report's path.

    Raises:
        subprocess.CalledProcessError: the command failed; it says why on stderr.

    """
    lines = (ROOT / "seeds" / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    articles = {article["id"]: article for article in map(json.loads, lines)}
    rows = []
    for source, names in SOURCES.items():
        for name in names:
            title, *body = [sentence["text"] for sentence in articles[name]["sentences"]]
            rows.append({"id": name, "source": source, "title": title, "sentences": body})
    given, report = folder / "articles.jsonl", folder / "report.html"
    given.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    command = [sys.executable, "-m", "qawl", "tag", str(given), "-o", str(report), "--quiet"]
    for target in TARGETS:
        command += ["-t", target]
    if bundle is not None:
        command += ["-b", str(bundle.resolve())]
    subprocess.run(command, cwd=ROOT, check=True)
    return report
