"""An evaluation as Markdown, for a bundle's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.card import table
from training.measures import MAIN
from training.report import findings, rival_name


def figures(data: Mapping[str, Any]) -> str:
    """The main tables of a report.json's contents, one section a corpus."""
    return "\n\n".join(_corpus(corpus) for corpus in data["corpora"])


def _corpus(corpus: Mapping[str, Any]) -> str:
    heads = [head for head in MAIN if corpus["heads"].get(head, {}).get("items")]
    labels = [
        (head, label["label"], str(label["support"]), _number(label["f1"]["value"]), _interval(label["f1"]))
        for head in heads
        for label in corpus["heads"][head]["labels"]
    ]
    calibration = [
        (head, f"{found['nll']:.3f}", f"{found['brier']:.3f}", f"{found['ece']:.3f}", f"{found['ece_perfect']:.3f}")
        for head, found in _calibration(corpus).items()
    ]
    parts = [
        f"### {corpus['name']} ({corpus['split']}): {corpus['articles']} articles, {corpus['sentences']} sentences",
        "Macro-F1 with 95 % intervals from resampled articles:",
        table(("", *heads), _overview(corpus, heads)),
        "\n".join(f"- {line}" for line in findings(corpus)),
        table(("head", "label", "gold", "F1", "95 % interval"), labels),
    ]
    if calibration:
        parts.append(table(("calibration", "NLL", "Brier", "ECE", "ECE if perfect"), calibration))
    return "\n\n".join(part for part in parts if part)


def _overview(corpus: Mapping[str, Any], heads: Sequence[str]) -> list[tuple[str, ...]]:
    values = [corpus["heads"][head]["macro_f1"] for head in heads]
    rows = [("this bundle", *(f"**{_number(v['value'])}** ({_interval(v)})" for v in values))]
    for rival, found in corpus["beside"].items():
        scores = found["macro_f1"]
        rows.append((rival_name(rival), *(_number(scores[head]) if head in scores else "" for head in heads)))
    return rows


def _calibration(corpus: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    return corpus.get("calibration") or {}


def _interval(value: Mapping[str, float]) -> str:
    return f"{_number(value['low'])} to {_number(value['high'])}"


def _number(value: float) -> str:
    return f"{value:.3f}"
