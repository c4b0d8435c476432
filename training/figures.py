"""An evaluation as Markdown, for a bundle's card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.card import table
from training.measures import MAIN
from training.report import FLOORS, findings, rival_name

_CALIBRATION = ("nll", "brier", "ece", "ece_perfect")


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
        (head, *map(_number, (corpus["uncalibrated_nll"][head], *(found[k] for k in _CALIBRATION))))
        for head, found in corpus["calibration"].items()
    ]
    parts = [
        f"### {corpus['name']} ({corpus['split']}): {corpus['articles']} articles, {corpus['sentences']} sentences",
        "Macro-F1 with 95 % intervals from resampled articles; differences are paired, on the same resamples:",
        table(("", *heads), _overview(corpus, heads)),
        "\n".join(f"- {line}" for line in findings(corpus)),
        table(("head", "label", "gold", "F1", "95 % interval"), labels),
    ]
    if calibration:
        parts.append(table(("calibration", "NLL before", "NLL", "Brier", "ECE", "ECE if perfect"), calibration))
    return "\n\n".join(part for part in parts if part)


def _overview(corpus: Mapping[str, Any], heads: Sequence[str]) -> list[tuple[str, ...]]:
    values = [corpus["heads"][head]["macro_f1"] for head in heads]
    rows = [("this bundle", *(f"**{_number(v['value'])}** ({_interval(v)})" for v in values))]
    for rival, found in corpus["beside"].items():
        scores = found["macro_f1"]
        rows.append((rival_name(rival), *(_number(scores[head]) if head in scores else "" for head in heads)))
        if rival in FLOORS:
            rows.append(("this bundle less that", *(_difference(found["difference"][head]) for head in heads)))
    return rows


def _difference(found: Mapping[str, float]) -> str:
    return f"{found['difference']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def _interval(value: Mapping[str, float]) -> str:
    return f"{_number(value['low'])} to {_number(value['high'])}"


def _number(value: float) -> str:
    return f"{value:.3f}"
