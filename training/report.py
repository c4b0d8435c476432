"""An evaluation for people: a table in the terminal and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.table import Table

from training import charts
from training.measures import MAIN

_HERE = Path(__file__).parent
_TEMPLATE = "report_template.html"
_TITLES = {
    "types": "Claim types",
    "primary": "Primary type",
    "voice": "Voice",
    "stance": "Stance of sentences",
    "checkable": "Checkable or not",
}
_RIVALS = {
    "majority": "always the most frequent answer",
    "linear": "TF-IDF and logistic regression",
    "context: false": "this bundle, each sentence alone",
    "against": "the other bundle",
}
_SHORTCUTS = {
    "one side per target": "this bundle, each target's sides flattened to one",
    "gold with one side per target": "gold, each target's sides flattened to one (a ceiling)",
    "target only": "logistic regression that sees only the target",
    "sentence only": "logistic regression that sees only the sentence",
}
FLOORS = ("majority", "linear")
"""Rivals that a bundle should beat."""


def render_html(data: Mapping[str, Any]) -> str:
    """The page of a report.json's contents; it needs nothing from the network."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template(_TEMPLATE).render(
        **data,
        main_heads=MAIN,
        titles=_TITLES,
        rival_names=_RIVALS,
        shortcut_names=_SHORTCUTS,
        floors=_floors,
        verdict=verdict,
        reliability=charts.reliability,
        threshold=charts.threshold,
    )
    return page + "\n"


def rival_name(rival: str) -> str:
    """What people call a system that the bundle is compared with."""
    return _RIVALS.get(rival, rival)


def _floors(corpus: Mapping[str, Any], head: str) -> list[tuple[str, float]]:
    """The baselines' macro-F1, to be marked beside ours."""
    beside = corpus["beside"]
    return [(floor, beside[floor]["macro_f1"][head]) for floor in FLOORS if head in _scores(beside, floor)]


def _scores(beside: Mapping[str, Any], rival: str) -> Mapping[str, float]:
    scores: Mapping[str, float] = beside.get(rival, {}).get("macro_f1", {})
    return scores


def verdict(corpus: Mapping[str, Any], head: str) -> str:
    """One sentence on a head against the linear baseline; empty where there is none."""
    rival = corpus["beside"].get("linear")
    if rival is None or head not in rival["difference"]:
        return ""
    found = rival["difference"][head]
    theirs = f"the linear baseline's {_number(found['theirs'])}"
    if found["low"] > 0:
        return f"Better than {theirs}."
    if found["high"] < 0:
        return f"Worse than {theirs}."
    return f"Not told apart from {theirs}."


def _number(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if 0 <= value < 1 else f"{value:.3f}"


def print_report(data: Mapping[str, Any], console: Console) -> None:
    """The figures that matter most, as tables in the terminal."""
    bundle = data["bundle"]
    console.print(f"[bold]{bundle['name']}[/] {bundle['version']}  [dim]{bundle['encoder']}[/]")
    for corpus in data["corpora"]:
        size = f"{corpus['articles']} articles, {corpus['sentences']} sentences, {corpus['targets']} targets"
        console.print(f"\n[bold]{corpus['name']}[/]  [dim]{size}[/]")
        if corpus["problems"] or corpus["refused"]:
            bad = f"{len(corpus['problems'])} problems in unusable rows, {len(corpus['refused'])} articles refused"
            console.print(f"[yellow]{bad}[/]")
        console.print(_overview(corpus))
        console.print(_labels(corpus))
        for line in (*_derived(corpus), *findings(corpus)):
            console.print(line, highlight=False)
    console.print(f"\n[dim]{data['note']}[/]")


def _overview(corpus: Mapping[str, Any]) -> Table:
    table = Table("macro-F1", box=None, header_style="dim", padding=(0, 2, 0, 0))
    heads = [head for head in MAIN if corpus["heads"].get(head, {}).get("items")]
    for head in heads:
        table.add_column(head, justify="right")
    values = [corpus["heads"][head]["macro_f1"] for head in heads]
    table.add_row("[bold]this bundle[/]", *[f"[bold]{_number(value['value'])}[/]" for value in values])
    table.add_row("  95 % interval", *[f"[dim]{_number(v['low'])}–{_number(v['high'])}[/]" for v in values])
    for rival, found in corpus["beside"].items():
        cells = [_number(found["macro_f1"][head]) if head in found["macro_f1"] else "" for head in heads]
        table.add_row(_RIVALS.get(rival, rival), *cells)
        shown = [_difference(found["difference"].get(head)) for head in heads]
        table.add_row("  ours minus theirs", *shown)
    return table


def _difference(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    colour = "green" if found["low"] > 0 else "red" if found["high"] < 0 else "dim"
    difference, low, high = (f"{found[key]:+.3f}".replace("0.", ".", 1) for key in ("difference", "low", "high"))
    return f"[{colour}]{difference} ({low} to {high})[/]"


def _labels(corpus: Mapping[str, Any]) -> Table:
    table = Table("head", "label", box=None, header_style="dim", padding=(0, 2, 0, 0))
    for column in ("gold", "precision", "recall", "F1", "95 % interval"):
        table.add_column(column, justify="right")
    for head in MAIN:
        rows = corpus["heads"].get(head, {}).get("labels", [])
        for i, row in enumerate(rows):
            f1 = row["f1"]
            table.add_row(
                head if i == 0 else "",
                row["label"],
                str(row["support"]),
                _number(row["precision"]),
                _number(row["recall"]),
                _number(f1["value"]),
                f"[dim]{_number(f1['low'])}–{_number(f1['high'])}[/]" if row["support"] else "",
                end_section=i == len(rows) - 1,
            )
    return table


def _derived(corpus: Mapping[str, Any]) -> list[str]:
    """The heads that follow from the types."""
    found = {head: corpus["heads"][head] for head in ("primary", "checkable") if head in corpus["heads"]}
    return [
        f"{_TITLES[head].lower()}: macro-F1 {_number(one['macro_f1']['value'])}, accuracy {_number(one['accuracy'])}"
        for head, one in found.items()
    ]


def findings(corpus: Mapping[str, Any]) -> list[str]:
    """One line each for the stance probes, whole articles and calibration."""
    lines = []
    if found := corpus["false_alarms"]:
        sides = found["agree_per_1000"] + found["disagree_per_1000"]
        lines.append(f"false alarms on other articles' targets: {sides:.0f} sides per 1,000 sentences")
    if found := corpus["contrast"]:
        lines.append(
            f"contrast pairs: {found['turned']:.0%} of found agreements turn to disagree; both right "
            f"{found['both']['value']:.0%} of {found['sentences']}"
        )
    if found := corpus["polarity"]:
        lines.append(
            f"sides told apart: {found['accuracy']['value']:.0%} of {found['sentences']} sentences on "
            f"{found['targets']} targets with both (one side each: {found['one_side']:.0%})"
        )
    lines += [
        f"stance in the corpus's own classes, {name}: macro-F1 {_number(one['macro_f1']['value'])} ("
        + ", ".join(f"{label} {_number(f1)}" for label, f1 in one["f1"].items())
        + f") of {one['items']} answers"
        for name, one in _in_own_classes(corpus).items()
    ]
    for key, value in corpus["shortcuts"].items():
        lines.append(f"stance of {_SHORTCUTS[key]}: {_number(value)}")
    if found := corpus["documents"]:
        macro = found["macro_f1"]["value"]
        lines.append(f"stance of whole articles: macro-F1 {_number(macro)}, accuracy {_number(found['accuracy'])}")
    for head, found in corpus["calibration"].items():
        lines.append(
            f"calibration of {head}: ECE {_number(found['ece'])} (perfect would show {_number(found['ece_perfect'])}), "
            f"NLL {_number(found['nll'])} (before calibration {_number(corpus['uncalibrated_nll'][head])}), "
            f"Brier {_number(found['brier'])}"
        )
    return lines


def _in_own_classes(corpus: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The bundle's and its rivals' scores where the corpus has classes that are sets of stances."""
    rivals = {rival_name(rival): found["label_sets"] for rival, found in corpus["beside"].items()}
    return {name: one for name, one in {"this bundle": corpus["label_sets"], **rivals}.items() if one}
