"""How far two annotators agree, label by label."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import ConfigError, DataError
from models.labels import NONE, SCHEME, STANCES
from tools.label_studio import labelled

Sentence = Mapping[str, Any]
Pair = tuple[Sentence, Sentence]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One line of the table: `a` and `b` are how often each annotator chose the label.

    `kappa` (Cohen) is None where it is not defined: neither ever chose the label, or both always did. `ac1`
    (Gwet) does not collapse for rare labels.
    """

    head: str
    label: str
    items: int
    a: int
    b: int
    same: float
    kappa: float | None
    ac1: float


def read(path: Path) -> dict[str, dict[str, Any]]:
    """Articles by id, of a Label Studio export (.json) or canonical labels (.jsonl)."""
    if path.suffix == ".json":
        return {one.article["id"]: one.article for one in labelled(path)}
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return {str(row["id"]): row for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: neither a Label Studio export (.json) nor labelled articles (.jsonl): {error}"
        ) from error


def pairs(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> list[Pair]:
    """Sentences that both labelled: of the same article, with the same text, in order of appearance.

    Raises:
        ConfigError: there are none.

    """
    found: list[Pair] = []
    for name in a.keys() & b.keys():
        others: dict[str, list[Sentence]] = {}
        for sentence in b[name]["sentences"]:
            others.setdefault(sentence["text"], []).append(sentence)
        same_targets = a[name].get("targets") == b[name].get("targets")
        for sentence in a[name]["sentences"]:
            if others.get(sentence["text"]):
                other = others[sentence["text"]].pop(0)
                found.append((sentence, other) if same_targets else (_no_stances(sentence), _no_stances(other)))
    if not found:
        raise ConfigError("the two files have no labelled sentence in common (ids and texts must be the same)")
    return found


def _no_stances(sentence: Sentence) -> Sentence:
    return {**sentence, "stances": []}


def agreement(found: Sequence[Pair], types: Iterable[str] = SCHEME.type_ids) -> Iterator[Agreement]:
    """Each type, then primary, voice and stance as a whole, then each stance."""
    typed = [(a["types"], b["types"]) for a, b in found if a["types"] and b["types"]]
    for name in (*types, NONE):
        yield _compare("types", name, [(name in a, name in b) for a, b in typed])
    yield _compare("primary", "", [(a[0], b[0]) for a, b in typed])
    yield _compare("voice", "", [(a["voice"], b["voice"]) for a, b in found if a["voice"] and b["voice"]])
    stances = [
        (left, right)
        for a, b in found
        for left, right in zip(a["stances"], b["stances"], strict=True)
        if isinstance(left, str) and isinstance(right, str)
    ]
    yield _compare("stance", "", stances)
    for name in STANCES:
        yield _compare("stance", name, [(left == name, right == name) for left, right in stances])


def _compare(head: str, label: str, answers: Sequence[tuple[Any, Any]]) -> Agreement:
    n = len(answers)
    left, right = [a for a, _ in answers], [b for _, b in answers]
    same = sum(a == b for a, b in answers) / n if n else 0.0
    a, b = (sum(left), sum(right)) if label else (n, n)
    return Agreement(head, label, n, a, b, same, _kappa(left, right), _ac1(left, right, same))


def _kappa(left: list[Any], right: list[Any]) -> float | None:
    if len(set(left) | set(right)) < 2:
        return None
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(left, right))


def _ac1(left: list[Any], right: list[Any], same: float) -> float:
    """Gwet's AC1: chance agreement from the mean prevalence of each category."""
    n, categories = len(left), sorted(set(left) | set(right), key=str)
    if len(categories) < 2:
        return same
    shares = [(left.count(c) + right.count(c)) / (2 * n) for c in categories]
    chance = sum(share * (1 - share) for share in shares) / (len(categories) - 1)
    return (same - chance) / (1 - chance)
