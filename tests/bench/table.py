"""The table of `tests/bench/README.md`, made of the last results kept in `tests/bench/results/`.

    python -m tests.bench.table

rewrites the part of the README between its markers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
README = HERE / "README.md"
START, END = "<!-- results -->\n", "<!-- end of results -->\n"
GOALS = {"fp32": 2.5, "int8": 4.0}


def table() -> str:
    """Measured figures beside their goals, in Markdown."""
    lines = ["| what | measured | goal |", "|---|---|---|"]
    lines += [f"| {what} | {measured} | {goal} |" for what, measured, goal in _rows()]
    return "\n".join(lines) + "\n"


def write() -> None:
    """Put the table into the README."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split(START)
    _, after = rest.split(END)
    README.write_text(f"{before}{START}{table()}{END}{after}", encoding="utf-8")


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _rows() -> Iterator[tuple[str, object, str]]:
    engine = _read("engine")
    for shape, found in (("compact", engine), ("AraBERT", engine["arabert"])):
        yield from _engine(f"{shape} ({found['encoder']})", found)
    service, scale, training = _read("service"), _read("scale"), _read("training")
    yield "REST, share of the engine's sentences/s", f"{service['share']:.0%}", "85 %"
    for kind in ("headlines", "articles"):
        found = service["loads"]["70%"][kind]
        text = f"{found['p50']:.0f} / {found['p99']:.0f} ms"
        yield f"REST at 70 % load, {kind}: p50 / p99", f"{text} ({found['p99_over_p50']}x)", "3x"
        ideal = service["loads"]["70%"]["one_server"][kind]["p99_over_p50"]
        yield f"the same by one server without loss, {kind}", f"{ideal}x", ""
    yield "REST errors", f"{service['errors']} of {service['requests']}", "0"
    yield "service start to ready", f"{service['ready_s']} s", "4 s"
    yield "service RSS", f"{service['rss_mib']} MiB", "350 MiB"
    for count in ("1", "5", "20"):
        yield f"T({count}) / T(0)", scale["targets"][count], "3" if count == "5" else ""
    for count, found in scale["articles"].items():
        yield f"{count} articles", f"{found['seconds_per_article']} s each, RSS {found['rss_mib']} MiB", "flat"
    yield "training, packed / padded", f"{training['ratios']['packed']}x", "1.8x"
    yield "training, grouped by length / padded", f"{training['ratios']['grouped']}x", ""
    yield "training, target and article apart / packed", f"{training['apart']}x", ""
    yield "gradients, packed - padded", f"{training['gradients']:.0e}", "1e-05"


def _engine(name: str, found: dict[str, Any]) -> Iterator[tuple[str, object, str]]:
    for precision, goal in GOALS.items():
        rate = found["sentences_per_s"][precision]
        yield f"{name}, {precision} / pipelines", f"{found['ratios'][precision]}x ({rate} sentences/s)", f"{goal}x"
    yield f"{name}, fp32 share of the matrix rate", f"{found['gemm_share']['fp32']['done']:.0%}", "85 %"
    yield f"{name}, fp32 - torch", f"{found['differences']['fp32_torch_max']:.0e}", "1e-04"
    for kind in ("article", "sentence"):
        parts = (found["latency_ms"][precision][kind] for precision in GOALS)
        text = ", ".join(f"{part['p50']:.0f} / {part['p99']:.0f}" for part in parts)
        yield f"{name}, one {kind}, fp32 and int8: p50 / p99 ms", text, ""
    for precision, process in found["process"].items():
        text = f"{process['load_s']} s, {process['peak_rss_mib']} MiB"
        yield f"{name}, {precision}: load, peak RSS", text, "350 MiB" if "arabert" not in name.lower() else ""


if __name__ == "__main__":
    write()
