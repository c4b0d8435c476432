"""The bundle's README: a Hugging Face model card filled from the run, nothing typed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from models.text import LINK


def card(fields: Mapping[str, Any], data: Sequence[Mapping[str, Any]], report: str = "", weaknesses: str = "") -> str:
    """The card of a bundle.

    `fields` are the manifest's, `data` one row a corpus (name, split, articles, sentences, licence, url),
    `report` a Markdown section of measured figures and `weaknesses` one of what readers of its answers saw.
    """
    provenance, calibration = fields["provenance"], fields["calibration"]
    scheme = fields["scheme"]
    sections = [
        _front_matter(fields, data),
        f"# {fields['name']} {fields['version']}",
        "Tags every sentence of an Arabic news article with its claim types, its voice (author, attributed, mixed) "
        "and its stance toward each target. It is a [Qawl](../../README.md) bundle: `qawl serve --bundle FOLDER`.",
        f"Encoder: {fields['encoder']}. Label scheme: {scheme['name']}. Normaliser: {fields['normaliser']}.",
        "## Data",
        table(("corpus", "split", "articles", "sentences", "licence as stated"), [_row(one) for one in data]),
        "The canonical articles (gold, news, seeds) are labelled by language-model annotators under the project's "
        "guideline in one pass; no person has checked them. Figures on them measure agreement with those annotators.",
        "## Figures",
        report or _scores(fields["metrics"]),
        "## Labels and thresholds",
        table(("type", "Arabic", "threshold"), _labels(scheme, calibration.thresholds)),
        "## Limits",
        "- News prose in Modern Standard Arabic; dialect, tweets and texts before 1990 were hardly seen.\n"
        f"- At most {fields['windows']['max_tokens']} tokens are read at once; links count as one token ({LINK}).\n"
        "- Stance is about what a sentence says of the target, not about what is true.\n"
        "- Scores of voice and stance lean to rare answers, as far as their likelihood allows: calibration is above.\n"
        "- Not to be used to judge people, nor as the only ground of a fact-check.",
        *(["## Known weaknesses", weaknesses.strip()] if weaknesses else []),
        "## How it was made",
        f"Commit `{provenance['commit']}`, seed {provenance['seed']}{_averaged(fields)}, "
        f"Python {provenance['python']}, "
        + ", ".join(f"{name} {number}" for name, number in provenance["libraries"].items())
        + ".\n\n<details><summary>Resolved configuration</summary>\n\n```json\n"
        + json.dumps(provenance["config"], ensure_ascii=False, indent=1)
        + "\n```\n</details>",
    ]
    return "\n\n".join(sections) + "\n"


def _averaged(fields: Mapping[str, Any]) -> str:
    count = fields["metrics"].get("averaged", 1)
    return f" (weights averaged over {count} networks that started alike)" if count > 1 else ""


def _front_matter(fields: Mapping[str, Any], data: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({one["name"] for one in data})
    lines = [
        "---",
        "language: ar",
        "library_name: qawl",
        "license: other",
        f"license_name: {json.dumps(fields['licence'], ensure_ascii=False)}",
        "pipeline_tag: text-classification",
        "tags: [arabic, stance-detection, claim-detection, news]",
        f"datasets: {json.dumps(names)}",
        "---",
    ]
    return "\n".join(lines)


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"[{one['name']}]({one['url']})" if one.get("url") else one["name"]
    return (name, one["split"], str(one["articles"]), str(one["sentences"]), one["licence"])


def _scores(metrics: Mapping[str, Any]) -> str:
    rows = [(head, f"{score:.3f}") for head, score in metrics["dev"].items()]
    seeds = metrics.get("seeds", {})
    spread = "; ".join(f"{head} {one['mean']:.3f} ± {one['sd']:.3f}" for head, one in seeds.items())
    return table(("head", "macro-F1 on dev"), rows) + f"\n\nOver seeds, before calibration: {spread}."


def _labels(scheme: Mapping[str, Any], thresholds: Mapping[str, float]) -> list[tuple[str, ...]]:
    return [(label["id"], label["arabic"], f"{thresholds[label['id']]:.3f}") for label in scheme["types"]]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [" | ".join(header), " | ".join("---" for _ in header), *(" | ".join(row) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)
