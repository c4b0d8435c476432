"""Writes the golden files of the service: `python -m tests.service.golden`; the diff is the review.

openapi.json, the table of settings in service/README.md, and for `text`, `sentences` and `spans` one request with
the reply of the shipped bundle.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from models.bundle import SHIPPED
from service.openapi import document
from service.settings import Settings
from tests.service.process import running

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
README = Path(__file__).resolve().parents[2] / "service" / "README.md"
FIGURES = Path(__file__).resolve().parents[1] / "soak" / "figures.json"
TABLE = re.compile(r"\| variable \|.*\n(?:\|.*\n)+")
_TEXT = (
    "أغلقت بلدية النهر صباح الأحد الجسر القديم أمام السيارات بعد ظهور تشققات فيه. وقال مدير الأشغال سالم الحداد "
    "إن عدد المركبات التي تعبره كل يوم تجاوز ثلاثين ألفا. هل يصمد الجسر حتى الصيف؟"
)
_TARGETS = ["الجسر القديم آيل للسقوط.", "سيُفتتح الجسر الجديد قبل الصيف."]
REQUESTS: dict[str, dict[str, Any]] = {
    "text": {"id": "golden-text", "text": _TEXT, "targets": _TARGETS, "scores": True},
    "sentences": {
        "id": "golden-sentences",
        "title": "بلدية النهر تغلق الجسر القديم",
        "sentences": _TEXT.split(". "),
        "default_target": True,
    },
    "spans": {
        "id": "golden-spans",
        "text": f"🚩 {_TEXT}",
        "spans": [[0, 2], [3, 30], [31, 120]],
        "targets": _TARGETS[:1],
        "offset_unit": "utf16",
        "context": False,
    },
}


def settings_table() -> str:
    """The table of service/README.md."""
    rows = [
        f"| `QAWL_{name.upper()}` | {_shown(name, field.default)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | what it sets |", "|---|---|---|", *rows]) + "\n"


def with_figures(text: str) -> str:
    """The README with the last cell of its measured promises as figures.json has them."""
    kept = json.loads(FIGURES.read_text(encoding="utf-8"))
    soak, overload, fuzzing = kept["soak"], kept["overload"], kept["fuzzing"]
    cells = {
        "the OpenAPI document is kept": f"{fuzzing['cases']} cases, no 5xx",
        "beyond the limits only 429": (
            f"goodput {overload['overload_goodput_share']:.0%} of capacity at three times the clients, "
            f"{overload['overload_other']} other replies"
        ),
        "minutes at saturation, memory flat": (
            f"{soak['seconds']} s, {soak['clients']} clients, {soak['requests']} requests, {soak['not_200']} not 200, "
            f"p50 {soak['p50_ms']} ms, RSS {soak['rss_mib']} MiB, grew {soak['rss_growth_mib']} MiB; "
            f"{soak['bundle']}, cores shared with the clients"
        ),
    }
    for promise, cell in cells.items():
        text = re.sub(rf"^(\| {re.escape(promise)} \|.*\|) [^|]* \|$", rf"\1 {cell} |", text, flags=re.MULTILINE)
    return text


def _shown(name: str, default: Any) -> str:
    if name == "bundle":
        return "`models/compact`"
    if default in (None, ()):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def main() -> None:
    text = README.read_text(encoding="utf-8")
    README.write_text(with_figures(TABLE.sub(lambda _: settings_table(), text)), encoding="utf-8")
    write("openapi.json", document(Settings.load()))
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), QAWL_BUNDLE=SHIPPED) as server:
        fingerprint = server.client.get("/v1/model").json()["fingerprint"]
        for name, request in REQUESTS.items():
            reply = server.client.post("/v1/tag", json=request).raise_for_status().json()
            write(f"http_{name}.json", {"fingerprint": fingerprint, "request": request, "reply": reply})


def write(name: str, data: Any) -> None:
    (GOLDEN / name).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
